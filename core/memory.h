/*
 * memory.h - how much memory messages take, over all threads (SEMANTICS 10).
 *
 * Counted are messages with all their parts, the entries of queues and what waits in outboxes.
 * Each thread counts for itself and adds up once a turn (memory_settle), so a message costs no
 * shared counter.  The sum may lag by what the threads did since; it is a budget, not a ledger.
 */
#ifndef SLUICE_CORE_MEMORY_H
#define SLUICE_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern _Thread_local int64_t memory_unsettled; /* use the functions */

void memory_settle(void);   /* the calling thread's share, at the end of its turn */
uint64_t memory_used(void); /* any thread */

/* Messages that are still coming in are not in that sum (arrival.h); they share room of their
 * own.  Any thread.  False: with these bytes more than most would be taken.  Who asks while nobody
 * has any always gets it, however much it is. */
bool memory_room_take(uint64_t bytes, uint64_t most);
void memory_room_give(uint64_t bytes);
/* Would it be given now? */
bool memory_room_is_free(uint64_t bytes, uint64_t most);

#define MEMORY_UNSETTLED_MAX (256 * 1024)

static inline void memory_charge(size_t bytes)
{
    memory_unsettled += (int64_t)bytes;
    if (memory_unsettled > MEMORY_UNSETTLED_MAX)
        memory_settle();
}

static inline void memory_release(size_t bytes)
{
    memory_unsettled -= (int64_t)bytes;
    if (memory_unsettled < -MEMORY_UNSETTLED_MAX)
        memory_settle();
}

#endif
