#include "core/overdue.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <stdlib.h>

static uint64_t timeout_of(const struct shard *s, const struct consumer *c);
static uint64_t step_of(uint64_t timeout_ms);
static void look_at(struct shard *s, struct consumer *c, uint64_t timeout_ms);
static void forget_settled(struct consumer *c);
static void note(struct consumer *c, uint64_t now, uint64_t step);
static void tell(struct shard *s, const struct consumer *c, uint64_t timeout_ms);

void overdue_watch(struct shard *s, const struct consumer *c)
{
    uint64_t timeout_ms = timeout_of(s, c);

    if (timeout_ms != OVERDUE_NEVER)
        due_by(&s->dues, &c->queue->due, s->now + step_of(timeout_ms));
}

void overdue_watch_all(struct shard *s, struct queue *q)
{
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next)
        overdue_watch(s, LIST_OF(at, struct consumer, of_queue));
}

void overdue_look(struct shard *s, struct queue *q)
{
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next) {
        struct consumer *c = LIST_OF(at, struct consumer, of_queue);
        uint64_t timeout_ms = timeout_of(s, c);
        if (timeout_ms == OVERDUE_NEVER)
            continue;
        look_at(s, c, timeout_ms);
        due_by(&s->dues, &q->due, s->now + step_of(timeout_ms));
    }
}

/* The broker's own consumers, of prepared messages, keep theirs for as long as it takes. */
static uint64_t timeout_of(const struct shard *s, const struct consumer *c)
{
    uint64_t ms = c->timeout_ms;

    if (c->is_no_ack || c->peer == NULL)
        return OVERDUE_NEVER;
    if (ms == RULES_NONE)
        ms = c->queue->rules.consumer_timeout_ms;
    if (ms == RULES_NONE)
        ms = s->consumer_timeout_ms;
    return ms == 0 || ms > SL_CONSUMER_TIMEOUT_MS_MAX ? OVERDUE_NEVER : ms;
}

static uint64_t step_of(uint64_t timeout_ms)
{
    uint64_t step = timeout_ms / OVERDUE_MARKS;

    return step < SL_CONSUMER_TIMEOUT_STEP_MS_MIN ? SL_CONSUMER_TIMEOUT_STEP_MS_MIN : step;
}

static void look_at(struct shard *s, struct consumer *c, uint64_t timeout_ms)
{
    if (c->overdue != NULL)
        forget_settled(c);
    if (c->out == 0)
        return;
    const struct overdue *o = c->overdue;
    if (o != NULL && o->count != 0 && s->now - o->marks[o->first].at >= timeout_ms)
        tell(s, c, timeout_ms); /* again and again, until somebody ends it */
    note(c, s->now, step_of(timeout_ms));
}

/* Of what such a mark speaks nothing is out any more. */
static void forget_settled(struct consumer *c)
{
    struct overdue *o = c->overdue;
    uint64_t oldest = 0;

    if (consumer_loan_from(c, &oldest) == NULL)
        oldest = UINT64_MAX;
    while (o->count != 0 && o->marks[o->first].loans <= oldest) {
        o->first = (o->first + 1) % OVERDUE_MARKS;
        o->count--;
    }
}

/* Where the marks are full, which takes a timeout that has grown, the newest one moves on. */
static void note(struct consumer *c, uint64_t now, uint64_t step)
{
    if (c->overdue == NULL) {
        c->overdue = calloc(1, sizeof *c->overdue);
        SL_ASSERT(c->overdue != NULL);
    }
    struct overdue *o = c->overdue;
    struct overdue_mark *last = &o->marks[(o->first + o->count - 1) % OVERDUE_MARKS];
    if (o->count != 0 && (last->loans == c->next_loan || now - last->at < step))
        return;
    if (o->count != OVERDUE_MARKS)
        last = &o->marks[(o->first + o->count++) % OVERDUE_MARKS];
    *last = (struct overdue_mark){now, c->next_loan};
}

static void tell(struct shard *s, const struct consumer *c, uint64_t timeout_ms)
{
    struct overdue_mail *mail = calloc(1, sizeof *mail);

    SL_ASSERT(mail != NULL);
    mail->mail.kind = MAIL_OVERDUE;
    mail->mail.to = c->peer->handle;
    mail->consumer = (struct consumer_ref){s->index, c->at};
    mail->cookie = c->cookie;
    mail->is_getter = c->is_getter;
    mail->timeout_ms = timeout_ms;
    peer_flush(s, c->peer);
    shard_post(s, &mail->mail);
}
