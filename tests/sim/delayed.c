/*
 * delayed.c - messages that wait for their time (actor.h, verdict.h).
 *
 * They go to an exchange that delays, and from there to a queue which nobody reads, so that each look
 * shows what has come: nothing before its time, nothing twice, nothing that waits still or was gone
 * at an earlier start; and at a start nothing is missing that was confirmed, unless its exchange was
 * to be deleted, and no part of a transaction.
 */
#include "core/base/assert.h"
#include "core/delay_header.h"
#include "core/exchange.h"
#include "core/properties.h"
#include "core/table.h"
#include "tests/sim/actor.h"
#include "tests/sim/verdict.h"

#include <stdlib.h>

#define LATER "later"
#define CAME "came"
#define KEY SL_BYTES_LITERAL("k")
#define PROPERTIES_BYTES 64u
#define TAKEN_IN_MS 60000u /* far more than passes until a message is handed over */

struct finding { /* in one queue */
    struct model *m;
    struct world *w;
    uint64_t holding; /* number of that queue; 0: it is that of what has come */
};

static uint32_t some_delay(struct dice *d);
static struct sl_bytes properties_of(uint32_t delay_ms, uint8_t room[PROPERTIES_BYTES]);
static struct message *message_of(const struct model *m, uint32_t message,
                                  const struct route *route, struct sl_bytes properties);
static uint64_t number_of(struct world *w, struct queue_ref ref);
static void read_all(struct model *m, struct world *w);
static void note_found(void *context, const struct world_entry *entry);
static void note_come(const struct finding *f, struct sim_delayed *s, const struct message *msg);
static void judge_bound(struct model *m, struct world *w);
static void judge_groups(struct model *m);
static bool must_be_there(const struct sim_delayed *s);
static void take_over(struct model *m);

void act_declare_later(struct actor *a)
{
    uint8_t room[PROPERTIES_BYTES];
    struct sl_writer w = {room, room + sizeof room, false};
    uint32_t deletions = a->cast->model->later_deletions;

    uint8_t *start = table_write_start(&w);
    table_write_string(&w, SL_BYTES_LITERAL("x-delayed-type"), SL_BYTES_LITERAL("direct"));
    table_write_finish(&w, start);
    SL_ASSERT(!w.overflowed);
    const struct exchange_declaration later = {.name = SL_BYTES_LITERAL(LATER),
                                               .type = SL_BYTES_LITERAL("x-delayed-message"),
                                               .is_durable = true,
                                               .arguments = {room, (size_t)(w.pos - room)}};
    const struct queue_declaration came = {.name = SL_BYTES_LITERAL(CAME), .is_durable = true};
    const struct binding_request binding = {
        .source = SL_BYTES_LITERAL(LATER), .destination = SL_BYTES_LITERAL(CAME), .key = KEY};
    broker_declare_exchange(&a->client, act_ask(a, (struct question){.kind = ASK_DECLARE_LATER}),
                            &later);
    broker_declare_queue(&a->client, act_ask(a, (struct question){.kind = ASK_DECLARE_CAME}), &came,
                         "");
    broker_bind(&a->client,
                act_ask(a, (struct question){.kind = ASK_BIND_LATER, .newest = deletions}),
                &binding);
}

void act_delete_later(struct actor *a)
{
    struct model *m = a->cast->model;

    for (uint32_t i = 0; i < m->delayed_count; i++)
        m->delayed[i].may_go = true;
    m->is_later_bound = false;
    m->later_deletions++;
    broker_delete_exchange(&a->client, act_ask(a, (struct question){.kind = ASK_DELETE_LATER}),
                           SL_BYTES_LITERAL(LATER), false);
}

void act_delay(struct actor *a, uint32_t delay_ms, uint32_t group)
{
    struct model *m = a->cast->model;
    struct world *w = a->cast->world;
    uint8_t room[PROPERTIES_BYTES];
    const struct routed what = {.exchange = SL_BYTES_LITERAL(LATER),
                                .key = KEY,
                                .properties = properties_of(delay_ms, room)};
    const struct route *route;

    if (!m->is_later_bound || broker_route(&a->client, &what, &route) != SL_OK || route->count == 0)
        return;
    uint32_t message = model_publish(m, a->session, a->client.worker->index, group, true,
                                     8 + dice_roll(&a->cast->dice, 2000));
    struct message *msg = message_of(m, message, route, what.properties);
    if (msg == NULL)
        return;
    m->delayed = sim_grow(m->delayed, m->delayed_count, &m->delayed_room, sizeof *m->delayed);
    m->delayed[m->delayed_count++] = (struct sim_delayed){.message = message,
                                                          .group = group,
                                                          .number = number_of(w, route->targets[0]),
                                                          .due = world_time(w) + delay_ms,
                                                          .due_kept = w->flushed_at + delay_ms};
    sim_tell(m, "message %u waits for %u ms, until %llu", message, delay_ms,
             (unsigned long long)m->delayed[m->delayed_count - 1].due);
    act_add_deed(a, m->delayed_count - 1, 0, DEED_DELAY);
    SL_ASSERT(broker_publish(&a->client, route, msg) == NULL);
}

void act_delay_some(struct actor *a)
{
    struct dice *d = &a->cast->dice;
    bool is_group = dice_chance(d, 25);
    uint32_t group = is_group ? ++a->cast->model->groups : 0;

    if (is_group)
        broker_group_begin(&a->client);
    for (uint32_t n = 1 + dice_roll(d, 6); n > 0; n--)
        act_delay(a, some_delay(d), group);
    if (is_group)
        broker_group_end(&a->client);
    act_confirm(a);
}

void hear_of_delayed(struct actor *a, const struct question *q, const struct answer *answer)
{
    struct model *m = a->cast->model;

    if (q->kind == ASK_BIND_LATER && answer->err == SL_OK && q->newest == m->later_deletions)
        m->is_later_bound = true;
}

void delayed_judge(struct model *m, struct world *w, bool was_stopped)
{
    for (uint32_t i = 0; i < m->delayed_count; i++) {
        m->delayed[i].is_confirmed |= was_stopped && !m->delayed[i].is_dead;
        m->delayed[i].due = m->delayed[i].due_kept;
    }
    judge_bound(m, w);
    read_all(m, w);
    for (uint32_t i = 0; i < m->delayed_count; i++) {
        const struct sim_delayed *s = &m->delayed[i];
        if (must_be_there(s) && s->is_confirmed && !s->is_waiting && !s->is_found)
            sim_fail(m, "message %u was delayed and confirmed, and is gone", s->message);
    }
    judge_groups(m);
    take_over(m);
}

void delayed_look(struct model *m, struct world *w)
{
    if (m->delayed_count > 0)
        read_all(m, w);
}

uint64_t delayed_last_due(const struct model *m)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < m->delayed_count; i++)
        if (!m->delayed[i].is_dead && m->delayed[i].due > last)
            last = m->delayed[i].due;
    return last + TAKEN_IN_MS;
}

void delayed_judge_end(struct model *m, struct world *w)
{
    read_all(m, w);
    for (uint32_t i = 0; i < m->delayed_count; i++) {
        const struct sim_delayed *s = &m->delayed[i];
        if (s->is_waiting)
            sim_fail(m, "message %u is due since %llu, and still waits", s->message,
                     (unsigned long long)s->due);
        if (must_be_there(s) && !s->is_found)
            sim_fail(m, "message %u is due, and has not come", s->message);
        m->totals->delayed += s->is_found;
    }
}

/* Mostly short; now and then so long that it stands in each of the wheels. */
static uint32_t some_delay(struct dice *d)
{
    uint32_t kind = dice_roll(d, 100);

    if (kind < 60)
        return 1 + dice_roll(d, 3000);
    if (kind < 90)
        return 1 + dice_roll(d, 1u << 17);
    return 1 + dice_roll(d, 1u << 30);
}

static struct sl_bytes properties_of(uint32_t delay_ms, uint8_t room[PROPERTIES_BYTES])
{
    struct sl_writer w = {room, room + PROPERTIES_BYTES, false};

    sl_write_u16(&w, PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE);
    uint8_t *start = table_write_start(&w);
    table_write_s64(&w, SL_BYTES_LITERAL("x-delay"), delay_ms);
    table_write_finish(&w, start);
    sl_write_u8(&w, 2);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static struct message *message_of(const struct model *m, uint32_t message,
                                  const struct route *route, struct sl_bytes properties)
{
    uint32_t len = m->messages[message].len;
    uint8_t *body = malloc(len);

    SL_ASSERT(body != NULL);
    model_write_body(message, body, len);
    struct message *msg = message_new_routed(route->encoded, properties, len);
    if (msg != NULL && message_append(&msg, (struct sl_bytes){body, len}) != SL_OK) {
        message_unref(msg);
        msg = NULL;
    }
    free(body);
    return msg;
}

static uint64_t number_of(struct world *w, struct queue_ref ref)
{
    struct topology *t = broker_topology(w->broker);

    topology_lock(t);
    const struct topology_queue *q = topology_queue_at(t, ref);
    uint64_t number = q == NULL ? 0 : q->number;
    topology_unlock(t);
    return number;
}

static void read_all(struct model *m, struct world *w)
{
    const struct exchange *later = world_exchange(w, LATER);
    struct finding finding = {.m = m, .w = w};

    for (uint32_t i = 0; i < m->delayed_count; i++)
        m->delayed[i].is_waiting = m->delayed[i].is_found = false;
    world_read_queue(w, CAME, note_found, &finding);
    if (later == NULL)
        return;
    finding.holding = later->holding->number;
    world_read_entries(w, later->holding, note_found, &finding);
}

static void note_found(void *context, const struct world_entry *entry)
{
    const struct finding *f = context;
    struct model *m = f->m;
    uint32_t i = 0;

    if (entry->entry.msg == NULL)
        return; /* it moved a moment ago */
    uint32_t number = model_read_body(m, message_body(entry->entry.msg));
    while (i < m->delayed_count && m->delayed[i].message != number)
        i++;
    if (i == m->delayed_count)
        sim_fail(m, "what nobody delayed waits for its time, or has come");
    struct sim_delayed *s = &m->delayed[i];
    if (s->is_dead)
        sim_fail(m, "message %u is back, and was gone at an earlier start", number);
    if (s->is_found || s->is_waiting)
        sim_fail(m, "message %u is there twice, delayed or come", number);
    if (f->holding == 0) {
        note_come(f, s, entry->entry.msg);
        return;
    }
    if (s->has_come)
        sim_fail(m, "message %u waits again, and had come", number);
    if (s->number != f->holding)
        sim_fail(m, "message %u waits, and its exchange is gone", number);
    s->is_waiting = true;
}

static void note_come(const struct finding *f, struct sim_delayed *s, const struct message *msg)
{
    if (world_time(f->w) < s->due)
        sim_fail(f->m, "message %u has come, and is due at %llu", s->message,
                 (unsigned long long)s->due);
    if (delay_of_properties(message_properties(msg)) != 0)
        sim_fail(f->m, "message %u has come, and does not say so", s->message);
    s->is_found = true;
}

/* What was answered is there; and what is there stays. */
static void judge_bound(struct model *m, struct world *w)
{
    const struct exchange *later = world_exchange(w, LATER);
    const struct topology_queue *came = world_queue(w, CAME);
    struct binding *found = NULL;

    if (later != NULL && came != NULL)
        SL_ASSERT(bindings_find(later->bindings, NULL, (struct topology_queue *)(uintptr_t)came,
                                KEY, (struct sl_bytes){NULL, 0}, &found) == SL_OK);
    if (m->is_later_bound && found == NULL)
        sim_fail(m, "the exchange %s was declared and bound with answers, and is gone", LATER);
    m->is_later_bound = found != NULL;
}

static void judge_groups(struct model *m)
{
    uint32_t there = 0, missing = 0; /* the newest group of which something is */

    for (uint32_t i = 0; i < m->delayed_count; i++) {
        const struct sim_delayed *s = &m->delayed[i];
        if (s->group == 0 || s->may_go)
            continue;
        if (s->is_waiting || s->is_found)
            there = s->group;
        else
            missing = s->group;
        if (there == missing)
            sim_fail(m, "of transaction %u a part is there: message %u is%s", s->group, s->message,
                     s->is_waiting || s->is_found ? "" : " not");
    }
}

static bool must_be_there(const struct sim_delayed *s)
{
    return !s->may_go && !s->is_dead;
}

static void take_over(struct model *m)
{
    for (uint32_t i = 0; i < m->delayed_count; i++) {
        struct sim_delayed *s = &m->delayed[i];
        s->has_come |= s->is_found;
        s->is_dead = !s->is_found && !s->is_waiting;
        s->is_confirmed = !s->is_dead;
        if (s->is_waiting)
            s->may_go = !m->is_later_bound;
    }
}
