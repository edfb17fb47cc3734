/*
 * prepared.c - messages that are prepared, and their outcomes (actor.h, verdict.h).
 *
 * What is committed comes to a queue of its own, which nobody reads, so that each start shows what
 * was: a message whose commit was answered is there once, one whose rollback was answered is not,
 * none is lost while it waits, what was decided stays decided, and of its checks, which nobody
 * serves, one waits at most.
 */
#include "core/base/assert.h"
#include "core/properties.h"
#include "core/table.h"
#include "tests/sim/actor.h"
#include "tests/sim/verdict.h"

#include <stdio.h>
#include <stdlib.h>

#define PAID "paid"
#define CHECKS "prepared.check"
#define NOTICES "prepared.expired"
#define REMEMBERED_MS (7 * 86400000ull)
#define PROPERTIES_BYTES 128u

struct form { /* of a publish that prepares or decides */
    const char *exchange, *key;
    const char *header, *value;
    uint32_t timeout_ms; /* 0: none is said */
};

struct finding { /* in one queue */
    struct model *m;
    const char *queue;
};

static struct message *message_of(const struct model *m, const struct sim_prepared *p,
                                  const struct form *f);
static void hear_prepared(struct actor *a, const struct question *q, const struct answer *answer);
static void hear_outcome(struct actor *a, const struct question *q, const struct answer *answer);
static bool may_be_forgotten(struct actor *a, const struct sim_prepared *p);
static void owe(struct actor *a, const struct answer *answer, const struct actor_deed *deed);
static void judge(struct model *m, struct sim_prepared *p);
static void find_all(struct model *m, struct world *w, const char *queue);
static void note_found(void *context, const struct world_entry *entry);

void act_declare_paid(struct actor *a)
{
    struct queue_declaration d = {.name = SL_BYTES_LITERAL(PAID), .is_durable = true};

    broker_declare_queue(&a->client, act_ask(a, (struct question){.kind = ASK_DECLARE_PAID}), &d,
                         "");
}

void act_prepare(struct actor *a)
{
    struct model *m = a->cast->model;
    struct dice *d = &a->cast->dice;
    uint32_t at = m->prepared_count;
    char id[16];

    if (!m->has_paid)
        return;
    if (at > 0 && dice_chance(d, 20)) /* once more */
        at = dice_roll(d, at);
    else {
        m->prepared = sim_grow(m->prepared, at, &m->prepared_room, sizeof *m->prepared);
        m->prepared[m->prepared_count++] =
            (struct sim_prepared){.message = model_publish(m, a->session, a->client.worker->index,
                                                           0, true, 8 + dice_roll(d, 3000))};
    }
    struct sim_prepared *p = &m->prepared[at];
    if (may_be_forgotten(a, p))
        return;
    (void)snprintf(id, sizeof id, "%u", p->message);
    struct form form = {"", PAID, "x-prepare", id, 50u << dice_roll(d, 8)};
    struct message *msg = message_of(m, p, &form);
    if (msg == NULL)
        return;
    uint64_t ticket = act_ask(
        a, (struct question){.kind = ASK_PREPARE, .queue = at, .is_decided = p->is_decided});
    broker_prepared_step(&a->client, ticket, msg);
}

void act_decide(struct actor *a)
{
    struct model *m = a->cast->model;
    struct dice *d = &a->cast->dice;

    if (m->prepared_count == 0)
        return;
    uint32_t at = dice_roll(d, m->prepared_count);
    struct sim_prepared *p = &m->prepared[at];
    enum verdict verdict = dice_chance(d, 50) ? VERDICT_COMMIT : VERDICT_ROLLBACK;
    char id[16];
    (void)snprintf(id, sizeof id, "%u", p->message);
    struct form form = {"amq.prepared", id, "outcome",
                        verdict == VERDICT_COMMIT ? "commit" : "rollback", 0};
    if (may_be_forgotten(a, p))
        return;
    if (p->asked_at == 0 || p->asked_at > a->cast->world->flushed_at) /* a crash took it back */
        p->asked_at = a->cast->world->flushed_at + 1;
    struct message *msg = dice_chance(d, 80) ? message_of(m, p, &form) : NULL;
    p->is_asked[verdict == VERDICT_COMMIT] = true;
    uint64_t ticket = act_ask(a, (struct question){.kind = ASK_OUTCOME,
                                                   .queue = at,
                                                   .key = verdict == VERDICT_COMMIT,
                                                   .is_prepared = p->is_prepared});
    if (msg != NULL)
        broker_prepared_step(&a->client, ticket, msg);
    else /* an administrator's */
        broker_decide(&a->client, ticket, a->client.user, sl_bytes_of(id), verdict);
}

void act_purge_checks(struct actor *a)
{
    broker_purge_queue(&a->client, act_ask(a, (struct question){.kind = ASK_PURGE_CHECKS}),
                       SL_BYTES_LITERAL(CHECKS));
}

void hear_of_prepared(struct actor *a, const struct question *q, const struct answer *answer)
{
    struct model *m = a->cast->model;

    if (q->kind == ASK_PREPARE)
        hear_prepared(a, q, answer);
    else if (q->kind == ASK_OUTCOME)
        hear_outcome(a, q, answer);
    else if (q->kind == ASK_DECLARE_PAID)
        m->has_paid |= answer->err == SL_OK;
}

/* The shard has done it before; now it will be so for ever. */
void prepared_confirmed(struct model *m, const struct actor_deed *deed)
{
    struct sim_prepared *p = &m->prepared[deed->message];

    SL_ASSERT(p->is_prepared);
    p->is_safe = true;
    if (deed->kind == DEED_OUTCOME) {
        SL_ASSERT(p->is_decided && p->verdict == deed->queue);
        p->is_decided_safe = true;
    }
}

void prepared_judge(struct model *m, struct world *w, bool was_stopped)
{
    static const char *const QUEUES[] = {CHECKS, NOTICES, PAID};

    if (m->has_paid && world_queue(w, PAID) == NULL)
        sim_fail(m, "queue %s was declared with an answer and is gone", PAID);
    for (size_t i = 0; i < sizeof QUEUES / sizeof *QUEUES; i++)
        find_all(m, w, QUEUES[i]);
    for (uint32_t i = 0; i < m->prepared_count; i++) { /* the last one was that of PAID */
        struct sim_prepared *p = &m->prepared[i];
        p->is_safe |= was_stopped && p->is_prepared;
        p->is_decided_safe |= was_stopped && p->is_decided;
        judge(m, p);
    }
}

/* Its body, and a header that asks for something. */
static struct message *message_of(const struct model *m, const struct sim_prepared *p,
                                  const struct form *f)
{
    uint8_t room[PROPERTIES_BYTES];
    struct sl_writer w = {room, room + sizeof room, false};
    uint32_t len = m->messages[p->message].len;
    uint8_t *body = malloc(len);

    SL_ASSERT(body != NULL);
    sl_write_u16(&w, PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE);
    uint8_t *start = table_write_start(&w);
    table_write_string(&w, sl_bytes_of(f->header), sl_bytes_of(f->value));
    if (f->timeout_ms != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-prepare-timeout"), f->timeout_ms);
    table_write_finish(&w, start);
    sl_write_u8(&w, 2);
    SL_ASSERT(!w.overflowed);
    model_write_body(p->message, body, len);
    struct message *msg = message_new(sl_bytes_of(f->exchange), sl_bytes_of(f->key),
                                      (struct sl_bytes){room, (size_t)(w.pos - room)}, len);
    if (msg != NULL && message_append(&msg, (struct sl_bytes){body, len}) != SL_OK) {
        message_unref(msg);
        msg = NULL;
    }
    free(body);
    return msg;
}

static void hear_prepared(struct actor *a, const struct question *q, const struct answer *answer)
{
    struct model *m = a->cast->model;
    struct sim_prepared *p = &m->prepared[q->queue];

    if (answer->err == SL_OK && q->is_decided)
        sim_fail(m, "message %u is prepared again, and was decided", p->message);
    if (answer->err != SL_OK && answer->err != SL_ENOMEM && !p->is_asked[0] && !p->is_asked[1])
        sim_fail(m, "message %u cannot be prepared: %s", p->message, answer->reason);
    if (answer->err != SL_OK)
        return;
    p->is_prepared = true;
    owe(a, answer, &(struct actor_deed){.message = q->queue, .kind = DEED_PREPARE});
}

static void hear_outcome(struct actor *a, const struct question *q, const struct answer *answer)
{
    static const char *const DONE[] = {"rolled back", "committed"};
    struct model *m = a->cast->model;
    struct sim_prepared *p = &m->prepared[q->queue];
    uint32_t verdict = q->key;

    if (answer->err == SL_ENOMEM)
        return;
    if (answer->err == SL_OK) {
        if (p->is_decided && p->verdict != verdict)
            sim_fail(m, "message %u is %s, and was %s", p->message, DONE[verdict],
                     DONE[p->verdict]);
        if (!p->is_decided)
            m->totals->decided++;
        p->is_decided = p->is_prepared = true;
        p->verdict = (uint8_t)verdict;
        owe(a, answer,
            &(struct actor_deed){.message = q->queue, .queue = verdict, .kind = DEED_OUTCOME});
    } else if (answer->err == SL_EPRECOND) {
        if (!p->is_asked[!verdict] || (p->is_decided && p->verdict == verdict))
            sim_fail(m, "message %u cannot be %s: %s", p->message, DONE[verdict], answer->reason);
    } else if (q->is_prepared)
        sim_fail(m, "message %u was prepared and is not known: %s", p->message, answer->reason);
}

/* As front ends do: an answer that was told before its place is durable is confirmed behind it. */
static void owe(struct actor *a, const struct answer *answer, const struct actor_deed *deed)
{
    if (answer->safe_at.v == 0) { /* an administrator's */
        prepared_confirmed(a->cast->model, deed);
        return;
    }
    broker_confirm_after(&a->client, answer->safe_at);
    act_add_deed(a, deed->message, deed->queue, deed->kind);
    act_confirm(a);
}

/* It may have been decided so long ago that nobody knows it any more. */
static bool may_be_forgotten(struct actor *a, const struct sim_prepared *p)
{
    return p->asked_at != 0 && world_time(a->cast->world) >= p->asked_at + REMEMBERED_MS;
}

static void judge(struct model *m, struct sim_prepared *p)
{
    if (p->is_found && !p->is_asked[1])
        sim_fail(m, "message %u is there, and nobody committed it", p->message);
    if (p->is_found && p->is_decided && p->verdict == 0)
        sim_fail(m, "message %u is there, and was rolled back", p->message);
    if (!p->is_found && p->is_decided_safe && p->verdict == 1)
        sim_fail(m, "message %u was committed, and is gone", p->message);
    if (p->is_found) {
        p->is_safe = p->is_decided_safe = true;
        p->verdict = 1;
    }
    p->is_prepared = p->is_safe;
    p->is_decided = p->is_decided_safe;
    p->is_asked[1] = p->is_found;
}

static void find_all(struct model *m, struct world *w, const char *queue)
{
    struct finding finding = {m, queue};

    for (uint32_t i = 0; i < m->prepared_count; i++)
        m->prepared[i].is_found = false;
    world_read_queue(w, queue, note_found, &finding);
}

static void note_found(void *context, const struct world_entry *entry)
{
    const struct finding *f = context;
    uint32_t number = model_read_body(f->m, message_body(entry->entry.msg));
    uint32_t i = 0;

    while (i < f->m->prepared_count && f->m->prepared[i].message != number)
        i++;
    if (i == f->m->prepared_count)
        sim_fail(f->m, "queue %s holds what nobody prepared", f->queue);
    if (f->m->prepared[i].is_found)
        sim_fail(f->m, "message %u is in %s twice", number, f->queue);
    f->m->prepared[i].is_found = f->m->prepared[i].is_safe = true;
}
