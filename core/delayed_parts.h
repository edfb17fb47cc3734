/*
 * delayed_parts.h - what the files of delayed.h share: delayed.c (arrival, the wheels),
 * delayed_release.c (what is due goes on), delayed_kept.c (exchanges, checkpoints, recovery).
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_DELAYED_PARTS_H
#define SLUICE_CORE_DELAYED_PARTS_H

#include "core/delayed.h"
#include "core/queue.h"

#define DELAYED_NEAR 0u /* the level of what waits in memory, and of what is fetched for that */

struct delayed {
    uint64_t cursor; /* of the order's time; 0: nothing has come yet */
    sl_lsn gate;     /* nothing goes on before that is durable */
};

/* The level of what is due then. */
uint8_t delayed_level(uint64_t cursor, uint64_t due);
/* Is what is due then in the right slot there? */
bool delayed_fits(uint8_t level, uint64_t due);
uint64_t delayed_cursor_at(uint64_t time);
/* The entry, which is counted, takes its place; with its reference. */
void delayed_put(struct queue *q, struct entry *entry, uint8_t level);
/* It waits in memory, or for its message. */
void delayed_put_near(struct queue *q, struct entry *entry);

/* What is near without its message gets it: memory was short, or it came from a wider wheel late. */
void delayed_fetch_near(struct shard *s, struct queue *q);
/* Sends what is due on; at most *budget.  True: there is more. */
bool delayed_release(struct shard *s, struct queue *q, uint32_t *budget);

/* One more is held, or one less. */
void delayed_count(struct queue *q, const struct entry *entry, int by);

#endif
