/*
 * credit.h - two bounds that shards and sessions share across threads.
 *
 * A session_window bounds the bytes lent to a session and not yet written to its socket.  A
 * credit_group bounds the loans of all consumers of one channel together (basic.qos with
 * global).  Both work the same way: the shard takes; when there is nothing to take it leaves a
 * mark (its bit in starved) and looks once more; the one who gives back sees the mark and
 * pokes those shards.  Either the second look or the mark is seen, never neither: both sides
 * use sequentially consistent operations.
 */
#ifndef SLUICE_CORE_CREDIT_H
#define SLUICE_CORE_CREDIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CREDIT_SHARDS_MAX 64u /* the bits of starved */

struct session_window {
    _Atomic uint32_t refs;
    _Atomic uint64_t lent;    /* bytes, by shards */
    _Atomic uint64_t written; /* bytes, by the session's worker */
    _Atomic uint64_t starved; /* one bit per shard */
};

struct session_window *session_window_new(void); /* aborts without memory */
struct session_window *session_window_ref(struct session_window *w);
void session_window_unref(struct session_window *w);

/* Shard: how many bytes may be lent now; the last message may pass it.  Leaves the mark when
 * that is none. */
int64_t session_window_room(struct session_window *w, uint32_t shard);
void session_window_lend(struct session_window *w, uint64_t bytes);

/* Session: written is the new total; never shrinks.  Returns the shards to poke, once half of
 * the window is free again. */
uint64_t session_window_written(struct session_window *w, uint64_t written);

struct credit_group {
    _Atomic uint32_t refs;
    _Atomic uint32_t limit; /* 0: none */
    _Atomic int64_t out;
    _Atomic uint64_t starved;
};

struct credit_group *credit_group_new(uint32_t limit); /* aborts without memory */
struct credit_group *credit_group_ref(struct credit_group *g);
void credit_group_unref(struct credit_group *g);

/* Shard: takes one; false, with the mark left, when the limit is reached. */
bool credit_group_take(struct credit_group *g, uint32_t shard);
/* Shard: counts loans that were out before the consumer joined. */
void credit_group_join(struct credit_group *g, uint32_t loans);
/* Shard: gives back.  Returns the shards to poke. */
uint64_t credit_group_give(struct credit_group *g, uint32_t loans);
/* Session: a new limit.  Returns the shards to poke. */
uint64_t credit_group_set_limit(struct credit_group *g, uint32_t limit);

#endif
