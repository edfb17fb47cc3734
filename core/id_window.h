/*
 * id_window.h - the ids that one queue remembers, in the order in which they came.
 *
 * Ids stand in pieces of a thousand, each piece one block, and beside their order in a hash table
 * that grows and shrinks by one bucket at a time: neither a first nor a hundred-millionth id makes
 * anyone wait, and a full window takes 32 bytes an id.
 *
 * An id is the keyed hash of what a publisher said (dedup_id.h).  One whose time is over is not
 * found any more, and leaves when those before it have left.
 *
 * Times are ms of the order's time (docs/decisions/0009).
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_ID_WINDOW_H
#define SLUICE_CORE_ID_WINDOW_H

#include "core/base/ids.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_LASTS UINT32_MAX /* no time of its own */
#define ID_WINDOW_LARGE 8192u

struct message_id {
    uint64_t high;
    uint64_t low;
};

struct remembered_id {
    struct message_id id;
    sl_seq seq;    /* of the message that it came with */
    uint64_t time; /* when it came */
    uint32_t ttl;  /* ms for which it is remembered, above 0; or ID_LASTS */
};

struct id_piece;

struct id_window {            /* zeroed is empty */
    struct id_piece **pieces; /* by number; NULL: free */
    uint32_t pieces_count, pieces_room;
    uint32_t next_number;    /* where a free one is looked for */
    struct id_piece **order; /* the same, oldest first, from order_first on */
    uint32_t order_first, order_count, order_room;
    uint32_t **bucket_pages;
    uint32_t pages_room;
    uint32_t buckets;
    uint32_t first_page_room; /* buckets in the first page, while it is the only one */
    uint64_t count;           /* ids */
    uint64_t newest;          /* sequence that was added last */
    uint64_t bytes;           /* of memory */
};

void id_window_deinit(struct id_window *w);

/* Is it there, and not over at that time? */
bool id_window_has(const struct id_window *w, struct message_id id, uint64_t now);
/* More than the caches hold beside all else. */
static inline bool id_window_is_large(const struct id_window *w)
{
    return w->count > ID_WINDOW_LARGE;
}
/* Asks for the memory that the question for this id is going to read; in steps 0, 1, 2 with some
 * time between, each of which reads what the one before has asked for. */
void id_window_warm(const struct id_window *w, struct message_id id, uint32_t step);
/* The sequence is above all that were added before; the id is not there, or is over. */
void id_window_add(struct id_window *w, const struct remembered_id *id);
/* The id that came with that message goes; false: it is not there. */
bool id_window_remove(struct id_window *w, sl_seq seq);

/* Drops the oldest ones while they are over, at most n. */
void id_window_expire(struct id_window *w, uint64_t now, uint32_t n);
/* Those that have no time of their own are over at that time. */
void id_window_end_lasting(struct id_window *w, uint64_t time);
/* Drops the oldest; there is one. */
void id_window_drop_oldest(struct id_window *w);
/* Tells the oldest; false: there is none. */
bool id_window_oldest(const struct id_window *w, struct remembered_id *out);
/* Tells each with a sequence above that one, oldest first; false from on_id ends it. */
void id_window_each_above(const struct id_window *w, sl_seq above,
                          bool (*on_id)(void *context, const struct remembered_id *id),
                          void *context);

/* ---- which files of the disk its ids are in (id_keeping.h) ---- */

/* All that are in none yet are in that file, whose number is not 0. */
void id_window_saved(struct id_window *w, uint64_t file);
/* The least file that it needs; 0: none.  Looks at all pieces. */
uint64_t id_window_least_file(const struct id_window *w);
/* Where they leave in any order: tells the ids that are in files below that one, and are in `file`
 * from now on.  Looks at all pieces. */
void id_window_renew(struct id_window *w, uint64_t below, uint64_t file,
                     bool (*on_id)(void *context, const struct remembered_id *id), void *context);

void id_window_check(const struct id_window *w); /* asserts the invariants; tests */

#endif
