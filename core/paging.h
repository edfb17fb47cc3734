/*
 * paging.h - what a shard's queues hold goes out of memory while there is too much in it.
 *
 * Closed chunks are stored (chunk.h) from the tail towards the head and dropped once their INDEX
 * is durable.  Where that is not enough, loans, heads and small chunks let go of their messages
 * and keep their entries.  A message that no record holds is written first, as a PAGED record.
 *
 * Steps, each on top of those before, by the memory that is used of the budget:
 *   above 1/2  closed chunks, but for the few at the head
 *   above 5/8  loans
 *   above 3/4  heads, small chunks, what was returned
 *
 * Queues take turns: one that was looked at stands behind all others, and one with nothing to
 * page leaves the list until something comes to it.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_PAGING_H
#define SLUICE_CORE_PAGING_H

#include "core/base/ids.h"
#include "core/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct backlog;
struct queue;
struct shard;

enum paging_step { PAGING_NONE, PAGING_CHUNKS, PAGING_LOANS, PAGING_ALL };

struct paging {
    uint64_t budget; /* of memory, in all; 0: nothing is paged */
    enum paging_step step;
    struct list queues;   /* of queue.of_paging: they may have something to page */
    struct list later;    /* the same, once wait is durable */
    struct list dropping; /* of chunk.of_dropping, in the order of their INDEX records */
    uint64_t leaving;     /* bytes of messages that go with these */
    sl_lsn wait;          /* of those in later, the first; 0: there are none */
    bool has_risen;       /* the step: other shards are to look, too; taken by the broker */
};

void paging_init(struct paging *p, uint64_t budget);
/* Does a turn's share of it.  True: there is more to do at once. */
bool paging_run(struct shard *s);

/* Something came to the queue or went out of it. */
void paging_note(struct shard *s, struct queue *q);
static inline bool paging_is_on(const struct paging *p)
{
    return p->step != PAGING_NONE;
}

bool paging_waits_for_log(const struct paging *p);
bool paging_is_freed_by(const struct paging *p, sl_lsn durable);

/* Closed chunks of the queue that are not stored get their INDEX record, but for one that is being
 * consumed, those with a message that is not in the log, and those of which a restart needs nothing;
 * they stay in memory. */
void paging_store_full_chunks(struct shard *s, struct queue *q);

/* The closed chunks of that backlog leave memory, however much of it there is. */
void paging_page_out(struct shard *s, struct queue *q, struct backlog *b);

#endif
