/*
 * expiry.h - what ends by time: entries at the head of their queue, and queues that nobody uses.
 *
 * Only the entry that is next expires, so one behind a longer-lived one waits for it.  An entry
 * that has no time to live at all still is offered to who can take it at once: what came in a run
 * of the shard expires at the end of that run at the earliest (shard.fresh).
 *
 * Each shard keeps its queues by when they are to be looked at, also for what others wait for
 * (retry.h, overdue.h); what is due in vain costs a look.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_EXPIRY_H
#define SLUICE_CORE_EXPIRY_H

#include "core/queue.h"

static inline bool expiry_is_due(const struct shard *s, const struct entry *entry)
{
    return entry->deadline != 0 && entry->deadline <= s->now && entry->seq.v < s->fresh;
}

/* The entry that is next may have changed: the queue is looked at when that expires. */
void expiry_watch(struct shard *s, struct queue *q);
/* The queue is in use: its lease begins anew. */
void expiry_renew(struct shard *s, struct queue *q);
/* Discards what is next and expired, at most SL_LEND_BUDGET; true when it stopped there. */
bool expiry_discard(struct shard *s, struct queue *q);

/* At the end of a run: looks at the queues that are due.  True when there is more to do. */
bool expiry_run(struct shard *s);

#endif
