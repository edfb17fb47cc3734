/*
 * evacuation.h - what still lives in a mostly dead stretch of the log moves to the log's end.
 *
 *   keeper --LANE_EVACUATE--> every shard: looks for its entries whose records lie in the stretch,
 *                             appends those messages anew (MOVED; PAGED where nothing of them is
 *                             logged) and notes the new place; opens stored chunks that hold
 *                             such entries, or whose own INDEX record lies there
 *   keeper: evacuation_is_over; the next checkpoint finds nothing live in the stretch
 *
 * One record serves all entries of the shard that shared one.  What cannot be moved now (settled,
 * lent or returned while its message was being read; not readable) stays where it is: a shard
 * looks again until it finds nothing or can do nothing.
 *
 * Why no entry is ever without its record, wherever a crash falls: the segment goes only after a
 * later checkpoint, itself durable, in which no shard has anything live there.  Until then the
 * record at the old place is whole, and a start that does not see MOVED goes on with it; one that
 * does sees it before the end of the log, and so the record with it.  The new place counts as live
 * from the append on, before any entry points to it: so no checkpoint in between lets go of it.
 * MOVED never makes an entry, and is true however often it is read.
 *
 * Thread: a shard's side the owning worker; the counted reference any.
 */
#ifndef SLUICE_CORE_EVACUATION_H
#define SLUICE_CORE_EVACUATION_H

#include "core/base/ids.h"

#include <stdatomic.h>

struct shard;
struct fetch_request;

struct evacuation { /* the fields below refs: what the shards did so far */
    sl_lsn from;    /* records that begin here, or behind it */
    sl_lsn to;      /* and before here */
    _Atomic uint32_t refs;
    _Atomic uint32_t shards_left;
    atomic_bool is_cancelled;
    _Atomic uint64_t records; /* written anew */
    _Atomic uint64_t entries; /* that use them now */
    _Atomic uint64_t left;    /* found and not moved, when the shard could do no more */
};

/* With a reference for the caller and one for each shard, which is to be sent one item.  Aborts
 * without memory: our own size. */
struct evacuation *evacuation_new(sl_lsn from, sl_lsn to, uint32_t shards);
void evacuation_unref(struct evacuation *e);
bool evacuation_is_over(const struct evacuation *e);
/* What was not moved by now stays where it is; it is over soon. */
void evacuation_cancel(struct evacuation *e);
/* A shard has nothing more to do with it, done or not: gives up its reference. */
void evacuation_leave(struct evacuation *e);

/* ---- for shard.c ---- */

/* Takes the shard's reference; one at a time. */
void evacuation_take(struct shard *s, struct evacuation *e);
/* Does a slice; true when there is more to do at once. */
bool evacuation_run(struct shard *s);
/* Takes an answer to a request of its own: one that names no queue. */
void evacuation_fetched(struct shard *s, struct fetch_request *r);
/* It goes on when the log has come so far; 0: it does not wait for that. */
sl_lsn evacuation_waits_for(const struct shard *s);
/* The shard ends. */
void evacuation_drop(struct shard *s);

#endif
