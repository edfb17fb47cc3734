#include "core/limit.h"

#include "core/aside.h"
#include "core/base/limits.h"
#include "core/discard.h"
#include "core/levels.h"

static bool is_over(const struct queue *q);
static bool drop_aside(struct shard *s, struct queue *q);

bool limit_enforce(struct shard *s, struct queue *q)
{
    struct entry next;

    for (uint32_t i = 0; i < SL_LEND_BUDGET; i++) {
        if (q->aside != NULL && is_over(q) && drop_aside(s, q))
            continue;
        if (!is_over(q) || !queue_may_discard(q, queue_peek(s, q, &next), &next))
            return false; /* what is away makes the queue busy when it is there */
        if (!is_over(q))
            return false; /* some expired meanwhile */
        queue_pop(s, q, &next);
        queue_discard(s, q, &next, DISCARD_MAXLEN);
    }
    return true;
}

static bool is_over(const struct queue *q)
{
    return queue_count(q) > q->rules.max_length || q->ready_bytes > q->rules.max_bytes;
}

/* False: what is oldest does not stand aside, or has gone back to have its message fetched. */
static bool drop_aside(struct shard *s, struct queue *q)
{
    struct aside_item *oldest = aside_oldest(q);
    struct entry next;

    if (oldest == NULL || (backlog_peek(queue_front(q), &next) != BACKLOG_EMPTY &&
                           aside_order(&next) < aside_order(&oldest->entry)))
        return false;
    if (oldest->entry.msg == NULL && discard_needs_message(q)) {
        aside_return(q, oldest);
        return false;
    }
    struct entry entry = aside_take(q, oldest);
    queue_taken(s, q, &entry);
    queue_discard(s, q, &entry, DISCARD_MAXLEN);
    return true;
}
