/* publishing.c - the part of broker.h that is publishing, and the confirms of it. */
#include "core/broker_parts.h"

#include "core/access.h"
#include "core/copies.h"
#include "core/dead_letter.h"
#include "core/delay_header.h"
#include "core/inquiry.h"
#include "core/memory.h"
#include "core/pace.h"
#include "core/permission.h"
#include "core/properties.h"
#include "core/schedule.h"

typedef void confirm_adder(struct confirm_line *line, struct sl_handle session, uint64_t who,
                           sl_tag tag, uint64_t run);

static enum sl_err check_copies(struct client *c, const struct routed *what, struct text *reason);
static inline void publish(struct client *c, const struct route *route, struct message *msg);
static inline void pay(struct client *c, const struct message *msg);
static inline uint32_t enter(struct client *c, const struct route *route, struct message *msg);
static void publish_asking_full(struct client *c, const struct admission_split *split,
                                struct message *msg);
static void add_confirm(struct client *c, uint64_t who, sl_tag tag, confirm_adder *add);

bool broker_take_room(struct client *c, uint64_t bytes)
{
    struct broker_worker *w = c->worker;

    if (memory_room_take(bytes, broker_room(w->broker)))
        return true;
    if (w->room_wanted == 0 || bytes < w->room_wanted)
        w->room_wanted = bytes;
    return false;
}

const char *broker_held_reason(const struct client *c)
{
    return pressure_reason(c->worker->held_by);
}

enum sl_err broker_route(struct client *c, const struct routed *what, const struct route **route)
{
    struct text reason = text_on(c->worker->refusal, sizeof c->worker->refusal);
    struct route_cache *routes = &c->worker->routes;
    struct route_writer writer = permission_writer(c);

    *route = route_cache_find(routes, c->vhost, what, writer);
    if (*route != NULL)
        return SL_OK;
    SL_TRY(permission_to_publish(c, what->exchange, what->key, &reason));
    if (what->copies.len != 0)
        SL_TRY(check_copies(c, what, &reason));
    if (what->is_scheduled)
        SL_TRY(schedule_begin(c));
    enum sl_err err = route_cache_get(routes, c->vhost, what, route);
    if (err == SL_OK && writer.grant != NULL)
        route_cache_allow(*route, writer);
    if (err == SL_EDENIED) {
        text_add(&reason, "cannot publish to internal exchange '");
        text_add_bytes(&reason, what->exchange);
        text_add(&reason, "' in vhost '");
        text_add_bytes(&reason, c->vhost->name);
        text_add(&reason, "'");
    }
    if (err == SL_EPRECOND)
        text_add(&reason, "invalid header 'x-delay': more than %llu ms",
                 (unsigned long long)DELAY_MS_MAX);
    return err;
}

const char *broker_route_refusal(const struct client *c)
{
    return c->worker->refusal;
}

bool broker_has_exchange(const struct client *c, struct sl_bytes exchange)
{
    struct topology *t = broker_topology(c->worker->broker);

    topology_lock(t);
    bool is_there = topology_exchange(c->vhost, exchange) != NULL;
    topology_unlock(t);
    return is_there;
}

const struct admission *broker_publish(struct client *c, const struct route *route,
                                       struct message *msg)
{
    struct admission_split *split = &c->worker->split;

    if (route->histories != NULL)
        history_set_note(route->histories, msg);
    if (route->limited == 0) {
        publish(c, route, msg);
        return NULL;
    }
    admission_split(split, route, message_body(msg).len);
    if (split->refused_count == 0) {
        broker_publish_admitted(c, route, msg);
        return NULL;
    }
    if (broker_may_know(route, msg)) {
        publish_asking_full(c, split, msg);
        return NULL;
    }
    counter_add(&c->worker->counters.refused, split->refused_count);
    for (uint32_t i = 0; i < split->refused_count; i++)
        if (atomic_load_explicit(&split->refused[i].admission->is_dead_lettered,
                                 memory_order_relaxed))
            dead_letter_refused(c->worker, split->refused[i], msg);
    if (split->takers->count != 0)
        broker_publish_admitted(c, split->takers, msg);
    else
        message_unref(msg);
    return split->refused[0].admission;
}

void broker_publish_admitted(struct client *c, const struct route *route, struct message *msg)
{
    publish(c, route, msg);
}

/* Each of its keys asks for what its own key asks for. */
static enum sl_err check_copies(struct client *c, const struct routed *what, struct text *reason)
{
    struct copies copies;
    struct sl_bytes key;

    SL_TRY(copies_check(what->copies, reason));
    copies_begin(&copies, what->copies);
    while (copies_next(&copies, &key))
        SL_TRY(permission_to_publish(c, what->exchange, key, reason));
    return SL_OK;
}

static inline void publish(struct client *c, const struct route *route, struct message *msg)
{
    struct broker_worker *w = c->worker;

    if (route->count == 0) {
        pay(c, msg);
        counter_add(&w->counters.unroutable, 1);
        message_unref(msg);
        return;
    }
    uint32_t offset = enter(c, route, msg);
    if (c->verdict_ticket == 0) {
        run_publish(&w->run, offset, route, msg);
    } else {
        message_ref_unshared(msg, route->count - 1);
        run_publish_asking(&w->run, offset, route,
                           inquiry_new(msg, route->count, c->handle, c->verdict_ticket));
    }
    c->verdict_ticket = 0;
    if (run_is_long(&w->run))
        broker_worker_hand_over(w);
}

static inline void pay(struct client *c, const struct message *msg)
{
    counter_add(&c->worker->counters.published, 1);
    if (c->access != NULL && c->access->is_paced)
        pace_pay(c, message_body(msg).len);
}

/* Gives it its place in the order; the route is not empty. */
static inline uint32_t enter(struct client *c, const struct route *route, struct message *msg)
{
    struct run *run = &c->worker->run;

    pay(c, msg);
    msg->by_exchange = route->asks_ids;
    uint32_t offset = run_sequence(run);
    if (route->durable > 0 && !run->journal.is_off &&
        properties_are_persistent(message_properties(msg))) {
        msg->is_logged = true;
        c->is_logged = true;
        journal_message(&run->journal, offset, route, msg);
    }
    return offset;
}

/* What a queue has is no less safe for being full: a duplicate is not refused.  What it is a
 * duplicate of may still be on its way to the disk, so a confirm waits for that. */
static void publish_asking_full(struct client *c, const struct admission_split *split,
                                struct message *msg)
{
    struct broker_worker *w = c->worker;
    const struct route *takers = split->takers;
    uint32_t all = takers->count + split->refused_count;
    struct inquiry *inquiry =
        inquiry_new(msg, all, c->handle, c->verdict_ticket | c->refusal_ticket);

    inquiry_add_full(inquiry, split->refused[0].admission);
    c->verdict_ticket = c->refusal_ticket = 0;
    c->is_logged = true;
    msg->by_exchange = takers->asks_ids;
    message_ref_unshared(msg, all - 1);
    run_ask_full(&w->run, split->refused, split->refused_count, inquiry);
    if (takers->count != 0)
        run_publish_asking(&w->run, enter(c, takers, msg), takers, inquiry);
    if (run_is_long(&w->run))
        broker_worker_hand_over(w);
}

void broker_ask_verdict(struct client *c, uint64_t ticket)
{
    c->verdict_ticket = ticket;
}

void broker_ask_refusal(struct client *c, uint64_t ticket)
{
    c->refusal_ticket = ticket;
}

bool broker_has_asked(struct client *c)
{
    bool has_asked = c->verdict_ticket == 0 && c->refusal_ticket == 0;

    c->verdict_ticket = c->refusal_ticket = 0;
    return has_asked;
}

/* A session whose publishes and settles left no record waits for nothing but its place, unless
 * an earlier confirm of its own still waits for the disk. */
void broker_confirm(struct client *c, uint64_t who, sl_tag tag)
{
    add_confirm(c, who, tag, confirm_line_add);
}

static void add_confirm(struct client *c, uint64_t who, sl_tag tag, confirm_adder *add)
{
    struct broker_worker *w = c->worker;

    if (!c->is_logged && c->logged_run <= w->safe_run) {
        add(&w->confirms_now, c->handle, who, tag, w->run_number);
        return;
    }
    add(&w->confirms, c->handle, who, tag, w->run_number);
    c->logged_run = w->run_number;
    c->is_logged = false;
    w->is_urgent = true;
}

void broker_confirm_refused(struct client *c, uint64_t who, sl_tag tag)
{
    add_confirm(c, who, tag, confirm_line_add_refused);
}

/* The run may stay empty, and then ends where the last one did. */
void broker_confirm_after(struct client *c, sl_lsn place)
{
    struct broker_worker *w = c->worker;

    if (place.v == 0)
        return;
    if (!sl_lsn_reached(w->run.end, place))
        w->run.end = place;
    c->is_logged = true;
    w->is_urgent = true;
}

void broker_group_begin(struct client *c)
{
    run_group_begin(&c->worker->run);
}

void broker_group_end(struct client *c)
{
    run_group_end(&c->worker->run);
    /* Its messages are lent once its record is durable, so that is what its confirm waits for, also
     * when none of them is kept. */
    c->is_logged = true;
    c->worker->is_urgent = true;
}
