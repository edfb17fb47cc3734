/*
 * remnants.h - what a shard still has in a stretch of the log, found queue by queue.
 *
 * A remnant is a single entry, ready or out, whose record lies in the stretch, or a stored chunk
 * that may hold such entries or whose own INDEX record lies there.  Only so many are kept, those
 * with the lowest places; the rest is for a later look, which begins at limit.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_REMNANTS_H
#define SLUICE_CORE_REMNANTS_H

#include "core/queue.h"

#define REMNANTS_MAX 16384u

struct remnant {
    sl_lsn place; /* of its record; of a chunk, the lowest that may be in it */
    struct slot_ref queue;
    struct slot_ref consumer; /* that has it; generation 0: it is ready, or a chunk */
    union {
        uint64_t loan;
        sl_lsn index; /* of a chunk: its INDEX record */
    };
    sl_seq seq;         /* 0: a chunk */
    uint32_t index_len; /* of a chunk */
    uint32_t from;      /* the same: entries of its INDEX before that one have left it */
    uint8_t level;      /* priority of the backlog that it is in; of one that is out, its own */
};

struct remnants { /* zeroed is empty */
    struct remnant *items;
    size_t count, room;
    sl_lsn from;  /* the stretch, or what is left of it */
    sl_lsn limit; /* all before it that was found is here */
};

void remnants_deinit(struct remnants *v);
/* Empties it for a look at [from, to). */
void remnants_begin(struct remnants *v, sl_lsn from, sl_lsn to);
/* Adds the queue's; returns about how many entries it had to look at. */
uint64_t remnants_look(struct remnants *v, struct queue *q);
/* All were looked at: puts them in the order of their places. */
void remnants_end(struct remnants *v);

/* Where it is, or would be; NULL: the queue is gone. */
struct backlog *remnant_backlog(const struct shard *s, const struct remnant *remnant);
/* The entry, where it still is what it was; NULL: not here any more.  Until the next change. */
struct entry *remnant_entry(const struct shard *s, const struct remnant *remnant);

#endif
