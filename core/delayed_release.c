/* delayed_release.c - the part of delayed.h that sends on what is due. */
#include "core/aside.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/delay_header.h"
#include "core/delayed_parts.h"
#include "core/onward.h"
#include "core/properties.h"
#include "core/recall.h"

#include <stdlib.h>

#define AGAIN_MS 1000u /* without memory */

static bool may_go(struct shard *s, struct queue *q);
static void release(struct shard *s, struct queue *q, struct entry *entry);
static struct message *ended(const struct message *msg);
static enum sl_err find_route(struct shard *s, const struct queue *q, const struct message *msg,
                              struct route **out);
static bool publish(struct shard *s, const struct queue *q, const struct entry *entry,
                    const struct route *route, struct message *msg);
static void end(struct shard *s, struct queue *q, struct entry *entry, bool is_said);

bool delayed_release(struct shard *s, struct queue *q, uint32_t *budget)
{
    delayed_fetch_near(s, q);
    while (aside_deadline(q) != 0 && aside_deadline(q) <= s->now && may_go(s, q)) {
        struct aside_item *item =
            LIST_OF(q->aside->deadlines.at[0], struct aside_item, of_deadlines);
        if (*budget == 0)
            return true;
        --*budget;
        struct entry entry = aside_take(q, item);
        if (entry.msg != NULL)
            release(s, q, &entry);
        else
            delayed_put_near(q, &entry);
    }
    return false;
}

/* What is in the log as one with others is not shown before it is durable. */
static bool may_go(struct shard *s, struct queue *q)
{
    q->gates_count = 0;
    if (sl_lsn_reached(shard_durable(s), q->delayed->gate))
        return true;
    queue_add_gate(q, (sl_seq){0}, q->delayed->gate);
    shard_queue_waits(s, q);
    return false;
}

void delayed_fetch_near(struct shard *s, struct queue *q)
{
    struct backlog *b = &q->backlog;
    struct entry entry;

    while (!backlog_is_empty(b)) {
        if (backlog_peek(b, &entry) != BACKLOG_READY) {
            recall_ask(s, q, b);
            return;
        }
        backlog_pop(b, &entry);
        delayed_put_near(q, &entry);
    }
}

static void release(struct shard *s, struct queue *q, struct entry *entry)
{
    struct route *route = NULL;
    struct message *msg = ended(entry->msg);
    enum sl_err err = msg == NULL ? SL_ENOMEM : find_route(s, q, msg, &route);
    bool is_said = false;

    if (err == SL_ENOMEM) {
        sl_error("delayed.memory", "queue=\"%.*s\"", (int)q->name.len, (const char *)q->name.at);
        if (msg != NULL)
            message_unref(msg);
        entry->deadline = s->now + AGAIN_MS;
        delayed_put_near(q, entry);
        return;
    }
    if (route != NULL)
        is_said = publish(s, q, entry, route, msg); /* which takes it */
    else {
        counter_add(&s->counters->unroutable, 1);
        message_unref(msg);
    }
    onward_drop(route);
    end(s, q, entry, is_said);
    if (run_is_long(s->run))
        run_hand_over(s->run);
}

/* The message as it goes on.  NULL: no memory. */
static struct message *ended(const struct message *msg)
{
    struct sl_bytes properties = message_properties(msg);
    struct sl_bytes body = message_body(msg);
    uint8_t *room = malloc(delay_ended_room(properties));

    if (room == NULL)
        return NULL;
    struct message *out = message_new(message_exchange(msg), message_key(msg),
                                      delay_ended(properties, room), body.len);
    free(room);
    if (out == NULL)
        return NULL;
    out->has_deaths = msg->has_deaths;
    out->is_moved = msg->is_moved;
    if (message_append(&out, body) == SL_OK)
        return out;
    message_unref(out);
    return NULL;
}

/* Notes it in the histories on its way.  Without a route, there is nobody to tell: NULL. */
static enum sl_err find_route(struct shard *s, const struct queue *q, const struct message *msg,
                              struct route **out)
{
    struct target_set targets = {0};
    enum sl_err err = SL_OK;
    bool is_fixed;

    topology_lock(s->topology);
    const struct exchange *e = q->def->holds_for;
    if (e != NULL) {
        struct routed what = routed_of(msg);
        if (e->type == EXCHANGE_DELAYED)
            what.exchange = e->name; /* others may have led to it */
        err = route_resolve_inside(s->topology, e->vhost, &what, &targets, &is_fixed);
    }
    if (err == SL_OK)
        counter_add(&s->counters->refused, onward_take_places(&targets, msg));
    topology_unlock(s->topology);
    if (err == SL_OK && targets.histories != NULL)
        history_set_note(targets.histories, msg);
    if (err == SL_OK && targets.count != 0)
        *out = onward_route(&targets);
    target_set_deinit(&targets);
    return err;
}

/* Does a record say that the entry has left its queue? */
static bool publish(struct shard *s, const struct queue *q, const struct entry *entry,
                    const struct route *route, struct message *msg)
{
    struct journal *j = &s->run->journal;
    uint32_t offset = run_sequence(s->run);
    bool is_known = (entry->flags & ENTRY_LOGGED) != 0;

    msg->by_exchange = route->asks_ids;
    msg->is_logged = route->durable > 0 && !j->is_off &&
                     properties_are_persistent(message_properties(msg));
    bool is_said = msg->is_logged && is_known;
    if (is_said)
        journal_released(j, offset, route, msg, q->ref.number, entry->seq);
    else if (msg->is_logged)
        journal_message(j, offset, route, msg);
    run_publish(s->run, offset, route, msg);
    return is_said;
}

static void end(struct shard *s, struct queue *q, struct entry *entry, bool is_said)
{
    if (!is_said && (entry->flags & ENTRY_LOGGED) != 0)
        journal_settled(&s->run->journal, q->ref.number, entry->seq);
    delayed_count(q, entry, -1);
    shard_end_entry(s, entry);
}
