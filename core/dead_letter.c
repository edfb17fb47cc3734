#include "core/dead_letter.h"

#include "core/admission.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/broker.h"
#include "core/deaths.h"
#include "core/onward.h"
#include "core/properties.h"
#include "core/route.h"

#include <stdlib.h>

static const char *const REASONS[] = {
    [DISCARD_REJECTED] = "rejected",
    [DISCARD_EXPIRED] = "expired",
    [DISCARD_MAXLEN] = "maxlen",
    [DISCARD_DELIVERY_LIMIT] = "delivery_limit",
};
_Static_assert(sizeof REASONS / sizeof REASONS[0] == COUNTED_REASONS, "one counter each");

static bool names_fit(const struct queue_rules *rules);
static enum sl_err bury(const struct dead_letter *d, struct message **out);
static enum sl_err find_targets(const struct dead_letter *d, const struct message *msg,
                                struct target_set *targets);
static void leave_out(const struct dead_letter *d, const struct message *msg,
                      struct target_set *targets);
static bool publish(const struct dead_letter *d, const struct route *route, struct message *msg);
static struct sl_bytes copy_name(uint8_t room[SL_NAME_BYTES_MAX], struct sl_bytes name);

bool dead_letter_send(const struct dead_letter *d)
{
    struct target_set targets = {0};
    struct route *route = NULL;
    bool is_logged = false;

    struct message *msg = NULL;
    enum sl_err err = bury(d, &msg);
    if (err == SL_OK)
        err = find_targets(d, msg, &targets);
    if (err == SL_OK && targets.histories != NULL)
        history_set_note(targets.histories, msg);
    if (err == SL_OK && targets.count != 0) {
        route = onward_route(&targets);
        is_logged = publish(d, route, msg); /* which takes it */
        counter_add(&d->counters->dead_lettered[d->reason], 1);
    } else {
        if (err == SL_ENOMEM)
            sl_error("dead_letter.memory", "reason=%s", REASONS[d->reason]);
        if (msg != NULL)
            message_unref(msg);
        counter_add(&d->counters->dropped[d->reason], 1);
    }
    onward_drop(route);
    target_set_deinit(&targets);
    if (run_is_long(d->run))
        run_hand_over(d->run);
    return is_logged;
}

void dead_letter_refused(struct broker_worker *w, struct queue_ref queue, const struct message *msg)
{
    struct topology *t = broker_topology(w->broker);
    uint8_t names[3][SL_NAME_BYTES_MAX];
    struct queue_rules rules = {.has_dead_letter_exchange = false};
    struct dead_letter d = {.run = &w->run,
                            .topology = t,
                            .counters = &w->counters,
                            .rules = &rules,
                            .reason = DISCARD_MAXLEN,
                            .msg = msg};

    topology_lock(t);
    const struct topology_queue *q = topology_queue_at(t, queue);
    if (q != NULL) {
        rules_read(&rules, topology_queue_arguments(q));
        rules.has_dead_letter_exchange &= names_fit(&rules);
    }
    if (rules.has_dead_letter_exchange) {
        d.vhost = q->vhost;
        d.queue = copy_name(names[0], q->name);
        rules.dead_letter_exchange = copy_name(names[1], rules.dead_letter_exchange);
        rules.dead_letter_key = copy_name(names[2], rules.dead_letter_key);
    }
    topology_unlock(t);
    if (rules.has_dead_letter_exchange)
        dead_letter_send(&d);
}

/* Nothing has a longer name, and no message a longer key. */
static bool names_fit(const struct queue_rules *rules)
{
    return rules->dead_letter_exchange.len <= SL_NAME_BYTES_MAX &&
           rules->dead_letter_key.len <= SL_NAME_BYTES_MAX;
}

/* Makes the message as it goes on. */
static enum sl_err bury(const struct dead_letter *d, struct message **out)
{
    struct sl_bytes properties = message_properties(d->msg);
    struct sl_bytes body = message_body(d->msg);
    bool is_new_key = d->rules->has_dead_letter_key;
    struct death death = {.queue = d->queue,
                          .reason = sl_bytes_of(REASONS[d->reason]),
                          .exchange = message_exchange(d->msg),
                          .key = message_key(d->msg),
                          .time = order_time(d->run->order) / 1000,
                          .is_new_key = is_new_key,
                          .has_deaths = d->msg->has_deaths};

    if (!names_fit(d->rules))
        return SL_ENOENT;
    uint8_t *room = malloc(deaths_room(properties));
    if (room == NULL)
        return SL_ENOMEM;
    properties = deaths_write(properties, &death, room);
    *out = message_new(d->rules->dead_letter_exchange,
                       is_new_key ? d->rules->dead_letter_key : death.key, properties, body.len);
    free(room);
    if (*out == NULL)
        return SL_ENOMEM;
    (*out)->has_deaths = (*out)->is_moved = true;
    return message_append(out, body);
}

static enum sl_err find_targets(const struct dead_letter *d, const struct message *msg,
                                struct target_set *targets)
{
    struct routed what = routed_of(msg);
    bool is_fixed;

    /* By the keys that it was published with, of which the message that goes on may lack some. */
    what.copies = d->rules->has_dead_letter_key ? (struct sl_bytes){NULL, 0}
                                                : routed_of(d->msg).copies;
    topology_lock(d->topology);
    enum sl_err err = route_resolve_inside(d->topology, d->vhost, &what, targets, &is_fixed);
    if (err == SL_OK && d->reason != DISCARD_REJECTED)
        leave_out(d, msg, targets);
    if (err == SL_OK) /* a full queue refuses this as it does any publish */
        counter_add(&d->counters->refused, onward_take_places(targets, msg));
    topology_unlock(d->topology);
    return err;
}

/* Under the topology lock: so its headers are read once, however many targets there are. */
static void leave_out(const struct dead_letter *d, const struct message *msg,
                      struct target_set *targets)
{
    struct sl_reader deaths = deaths_since_rejection(message_properties(msg));
    uint64_t stamp = ++d->topology->next_stamp;
    struct sl_bytes name;
    uint32_t kept = 0;

    while (deaths_next_queue(&deaths, &name)) {
        struct topology_queue *q = topology_queue(d->vhost, name);
        if (q != NULL)
            q->visited = stamp;
    }
    for (uint32_t i = 0; i < targets->count; i++) {
        const struct topology_queue *q = topology_queue_at(d->topology, targets->at[i]);
        if (q != NULL && q->visited != stamp)
            targets->at[kept++] = targets->at[i];
        else
            counter_add(&d->counters->went_round, 1);
    }
    targets->count = kept;
}

/* Does a record say that the message has left its queue? */
static bool publish(const struct dead_letter *d, const struct route *route, struct message *msg)
{
    struct journal *j = &d->run->journal;
    uint32_t offset = run_sequence(d->run);

    msg->is_logged = route->durable > 0 && !j->is_off &&
                     properties_are_persistent(message_properties(msg));
    if (msg->is_logged && d->number != 0)
        journal_dead_lettered(j, offset, route, msg,
                              &(struct journal_source){d->number, d->seq, (uint8_t)d->reason});
    else if (msg->is_logged)
        journal_message(j, offset, route, msg);
    bool is_logged = msg->is_logged && d->number != 0;
    run_publish(d->run, offset, route, msg);
    return is_logged;
}

static struct sl_bytes copy_name(uint8_t room[SL_NAME_BYTES_MAX], struct sl_bytes name)
{
    if (name.len != 0)
        memcpy(room, name.at, name.len);
    return (struct sl_bytes){room, name.len};
}
