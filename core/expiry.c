#include "core/expiry.h"

#include "core/aside.h"
#include "core/base/limits.h"
#include "core/commands.h"
#include "core/delayed.h"
#include "core/discard.h"
#include "core/levels.h"
#include "core/overdue.h"
#include "core/retry.h"

static bool is_unused(struct shard *s, const struct queue *q);
static void look_at(struct shard *s, struct queue *q);

void expiry_watch(struct shard *s, struct queue *q)
{
    struct entry next;

    if (backlog_peek(queue_front(q), &next) != BACKLOG_EMPTY && next.deadline != 0)
        due_by(&s->dues, &q->due, next.deadline);
    if (aside_deadline(q) != 0)
        due_by(&s->dues, &q->due, aside_deadline(q));
}

void expiry_renew(struct shard *s, struct queue *q)
{
    if (q->rules.expires_ms == RULES_NONE)
        return;
    q->lease_end = s->now + q->rules.expires_ms;
    due_by(&s->dues, &q->due, q->lease_end);
}

bool expiry_discard(struct shard *s, struct queue *q)
{
    struct entry next;

    if (aside_discard_expired(s, q))
        return true;
    for (uint32_t i = 0; i < SL_LEND_BUDGET; i++) {
        enum backlog_head head = backlog_peek(queue_front(q), &next);
        if (head == BACKLOG_EMPTY || !expiry_is_due(s, &next))
            return false;
        if (!queue_may_discard(q, head, &next)) {
            (void)queue_peek(s, q, &next); /* has it fetched; the queue is busy then */
            return false;
        }
        queue_pop(s, q, &next);
        queue_discard(s, q, &next, DISCARD_EXPIRED);
    }
    return true;
}

bool expiry_run(struct shard *s)
{
    struct due *due;
    bool more = false;

    s->fresh = UINT64_MAX;
    for (uint32_t i = 0; !more && (due = due_take(&s->dues, s->now)) != NULL; i++) {
        look_at(s, LIST_OF(due, struct queue, due));
        more = i >= SL_LEND_BUDGET;
    }
    return more || due_next(&s->dues) <= s->now;
}

/* Nobody can use what is there while the server stops. */
static bool is_unused(struct shard *s, const struct queue *q)
{
    return q->consumers_count == 0 && !atomic_load_explicit(&s->is_stopping, memory_order_relaxed);
}

static void look_at(struct shard *s, struct queue *q)
{
    if (q->delayed != NULL) {
        shard_queue_is_busy(s, q);
        return;
    }
    if (q->lease_end != 0 && q->lease_end <= s->now) {
        if (is_unused(s, q)) {
            shard_remove_queue(s, q);
            return;
        }
        q->lease_end = s->now + q->rules.expires_ms;
    }
    if (q->lease_end != 0)
        due_by(&s->dues, &q->due, q->lease_end);

    if (retry_count(q) > 0)
        retry_resume(s, q);
    overdue_look(s, q);
    struct entry next;
    if (expiry_discard(s, q))
        due_by(&s->dues, &q->due, s->now);
    else if (backlog_peek(queue_front(q), &next) != BACKLOG_AWAY || !expiry_is_due(s, &next))
        expiry_watch(s, q); /* else it is being fetched */
}
