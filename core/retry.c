#include "core/retry.h"

#include "core/aside.h"
#include "core/base/limits.h"

static uint64_t delay_of(const struct queue_rules *r, uint32_t returns);
static void watch(struct shard *s, struct queue *q);

void retry_later(struct shard *s, struct queue *q, const struct entry *entry)
{
    struct aside_item *item = aside_put(q, entry);

    due_by(&q->aside->delayed, &item->of_waiting, s->now + delay_of(&q->rules, entry->returns));
    queue_note_return(s, q, entry);
    watch(s, q);
}

void retry_resume(struct shard *s, struct queue *q)
{
    struct due *due;

    for (uint32_t i = 0; i < SL_LEND_BUDGET && q->aside != NULL &&
                         (due = due_take(&q->aside->delayed, s->now)) != NULL;
         i++) {
        aside_return(q, LIST_OF(due, struct aside_item, of_waiting));
        shard_queue_is_busy(s, q);
    }
    watch(s, q);
}

uint64_t retry_count(const struct queue *q)
{
    return q->aside == NULL ? 0 : q->aside->delayed.count;
}

bool retry_is_full(const struct queue *q)
{
    return retry_count(q) >= SL_RETRY_WAITING_MAX;
}

static uint64_t delay_of(const struct queue_rules *r, uint32_t returns)
{
    uint64_t most = r->retry_max_ms;

    return returns > most / r->retry_min_ms ? most : r->retry_min_ms * returns;
}

static void watch(struct shard *s, struct queue *q)
{
    if (retry_count(q) > 0)
        due_by(&s->dues, &q->due, due_next(&q->aside->delayed));
}
