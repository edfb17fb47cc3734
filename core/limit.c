#include "core/limit.h"

#include "core/base/limits.h"
#include "core/discard.h"

static bool is_over(const struct queue *q);

bool limit_enforce(struct shard *s, struct queue *q)
{
    struct entry next;

    for (uint32_t i = 0; i < SL_LEND_BUDGET; i++) {
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
