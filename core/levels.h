/*
 * levels.h - a queue's backlogs, one for each priority that was ever in use.
 *
 * Priority 0 has the backlog in the queue itself, and a queue without x-max-priority has no other.
 * What is next is the head of the highest level that holds anything.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_LEVELS_H
#define SLUICE_CORE_LEVELS_H

#include "core/queue.h"

/* The backlog of that priority, made when it is new; at most rules.max_priority. */
struct backlog *levels_at(struct queue *q, uint8_t priority);
static inline struct backlog *queue_level(struct queue *q, uint8_t priority)
{
    return priority == 0 ? &q->backlog : levels_at(q, priority);
}
/* The highest that is not empty; the queue's own when all are. */
struct backlog *levels_front(struct queue *q);
static inline struct backlog *queue_front(struct queue *q)
{
    return q->levels == NULL ? &q->backlog : levels_front(q);
}

/* Calls back for every backlog, the highest first; the empty ones too. */
void queue_each_backlog(struct queue *q,
                        void (*on_backlog)(void *context, uint8_t priority, struct backlog *b),
                        void *context);

/* The newest sequence that was pushed. */
sl_seq queue_newest(const struct queue *q);

void levels_deinit(struct queue *q); /* all must be empty */

#endif
