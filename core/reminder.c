#include "core/reminder.h"

#include "core/base/log.h"
#include "core/exchange.h"
#include "core/history.h"
#include "core/memory.h"
#include "core/onward.h"
#include "core/shard.h"

#include <stdlib.h>

static void publish_one(const struct reminder *r, struct shard *s, const struct message *noted);
static void find_targets(const struct reminder *r, struct shard *s, const struct message *msg,
                         struct target_set *targets);
static struct message *copy(const struct message *noted);

void reminder_take(struct reminder *r, struct vhost *v, const struct binding_request *made)
{
    struct history *h = bindings_history(topology_exchange(v, made->source)->bindings);
    const struct topology_queue *q = made->to_exchange ? NULL
                                                       : topology_queue(v, made->destination);

    if (h == NULL)
        return;
    r->vhost = v;
    if (q != NULL) {
        r->queue = q->ref;
    } else {
        memcpy(r->exchange, made->destination.at, made->destination.len);
        r->exchange_len = (uint32_t)made->destination.len;
    }
    r->count = history_messages(h, &r->messages);
}

void reminder_publish(struct reminder *r, struct shard *s)
{
    bool is_short = memory_used() > s->paging.budget;

    if (is_short && r->count != 0)
        sl_warn("history.not_brought", "messages=%u reason=memory", r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        if (!is_short)
            publish_one(r, s, r->messages[i]);
        message_unref(r->messages[i]);
    }
    free(r->messages);
}

static void publish_one(const struct reminder *r, struct shard *s, const struct message *noted)
{
    struct target_set targets = {0};
    struct message *msg = copy(noted);

    if (msg == NULL)
        return;
    find_targets(r, s, msg, &targets);
    if (targets.count != 0) {
        onward_publish(s, onward_route(&targets), msg, run_sequence(s->run));
    } else {
        if (targets.histories != NULL)
            history_set_note(targets.histories, msg);
        message_unref(msg);
    }
    target_set_deinit(&targets);
    if (run_is_long(s->run))
        run_hand_over(s->run);
}

static void find_targets(const struct reminder *r, struct shard *s, const struct message *msg,
                         struct target_set *targets)
{
    struct routed what = routed_of(msg);
    bool is_fixed;

    topology_lock(s->topology);
    if (r->exchange_len == 0) {
        const struct topology_queue *q = topology_queue_at(s->topology, r->queue);
        if (q != NULL && route_selects(q, what.properties))
            (void)!target_set_add(targets, q->ref); /* without memory it gets none */
    } else {
        what.exchange = (struct sl_bytes){r->exchange, r->exchange_len};
        if (route_resolve_inside(s->topology, r->vhost, &what, targets, &is_fixed) != SL_OK)
            targets->count = 0;
    }
    counter_add(&s->counters->refused, onward_take_places(targets, msg));
    topology_unlock(s->topology);
}

/* As a message has to be that nobody else knows. */
static struct message *copy(const struct message *noted)
{
    struct sl_bytes body = message_body(noted);
    struct message *msg =
        message_new_routed(message_route(noted), message_properties(noted), body.len);

    if (msg == NULL || message_append(&msg, body) == SL_OK)
        return msg;
    message_unref(msg);
    return NULL;
}
