#include "core/onward.h"

#include "core/admission.h"
#include "core/base/assert.h"
#include "core/properties.h"
#include "core/shard.h"

#include <stdlib.h>

struct route *onward_route(const struct target_set *targets)
{
    struct route *route = calloc(1, sizeof *route + targets->count * sizeof route->targets[0]);

    SL_ASSERT(route != NULL);
    route->count = targets->count;
    route->asks_ids = targets->asks_ids;
    route->histories = history_set_ref(targets->histories);
    for (uint32_t i = 0; i < targets->count; i++) {
        route->targets[i] = targets->at[i];
        route->durable += targets->at[i].number != 0;
        route->limited += targets->at[i].admission != NULL;
        route->asks_always |= targets->at[i].asks_always;
    }
    return route;
}

void onward_drop(struct route *route)
{
    if (route != NULL)
        history_set_unref(route->histories);
    free(route);
}

uint32_t onward_take_places(struct target_set *targets, const struct message *msg)
{
    uint32_t kept = 0;
    uint32_t all = targets->count;

    for (uint32_t i = 0; i < all; i++) {
        struct admission *a = targets->at[i].admission;
        if (a == NULL || admission_take(a, message_body(msg).len))
            targets->at[kept++] = targets->at[i];
    }
    targets->count = kept;
    return all - kept;
}

void onward_publish(struct shard *s, struct route *route, struct message *msg, uint32_t offset)
{
    struct journal *j = &s->run->journal;

    if (route->histories != NULL)
        history_set_note(route->histories, msg);
    msg->by_exchange = route->asks_ids;
    msg->is_logged = route->durable > 0 && !j->is_off &&
                     properties_are_persistent(message_properties(msg));
    if (msg->is_logged)
        journal_message(j, offset, route, msg);
    run_publish(s->run, offset, route, msg);
    onward_drop(route);
}
