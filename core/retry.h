/*
 * retry.h - patience with what was given back: x-delayed-retry-type, -min and -max.
 *
 * A returned entry waits min times the number of its returns, at most max; then it is in its old
 * place again and goes out before everything later that is not out.  Meanwhile it is in the
 * queue, but not ready; limits count it.  It does not wait on through a restart.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_RETRY_H
#define SLUICE_CORE_RETRY_H

#include "core/queue.h"

static inline bool retry_waits(const struct queue *q)
{
    return q->rules.retry_min_ms != 0;
}

/* A loan came back, counted: instead of queue_return. */
void retry_later(struct shard *s, struct queue *q, const struct entry *entry);
/* Those whose time has come are ready. */
void retry_resume(struct shard *s, struct queue *q);
/* How many wait. */
uint64_t retry_count(const struct queue *q);
/* What waits is in memory; with so many nothing is lent until some have gone. */
bool retry_is_full(const struct queue *q);

#endif
