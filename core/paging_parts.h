/*
 * paging_parts.h - what the files of paging.h share: paging.c (when, and whose turn it is),
 * paging_queue.c (what goes out of one queue, in which order), paging_write.c (what must be in the
 * log first).
 *
 * All of them work off a budget, that of a run; at 0 they come to an end soon.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_PAGING_PARTS_H
#define SLUICE_CORE_PAGING_PARTS_H

#include "core/chunk.h"
#include "core/paging.h"
#include "core/queue.h"

#define PAGING_BATCH SL_CHUNK_ENTRIES_MAX

/* WAITS: for the log to be durable up to paging.wait. */
enum paging_progress { PAGING_DONE, PAGING_MORE, PAGING_WAITS };

static inline void paging_spend(uint32_t *budget, uint64_t work)
{
    *budget = work >= *budget ? 0 : *budget - (uint32_t)work;
}

/* ---- paging_queue.c ---- */

/* Pages a part of what the step asks of the queue. */
enum paging_progress paging_of_queue(struct shard *s, struct queue *q, uint32_t *budget);
/* The youngest closed chunk leaves memory: it has the longest time. */
void paging_drop_closed(struct shard *s, struct queue *q, struct backlog *b, uint32_t *budget);

/* ---- paging_write.c ---- */

/* Writes the chunk's INDEX record, and before it its messages that have no record. */
void paging_store(struct shard *s, const struct queue *q, struct chunk *c, uint32_t *budget);
/* Messages that have no record get one; at most PAGING_BATCH. */
void paging_write(struct shard *s, struct entry **entries, uint32_t n, uint32_t *budget);

#endif
