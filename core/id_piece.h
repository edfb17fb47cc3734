/*
 * id_piece.h - a thousand ids of a window in one block: what the window (id_window.c), its pieces
 * in their order (id_piece.c) and its hash table (id_table.c) share.
 *
 * A place in a window is the number of a piece and an offset in it.  Ids of one bucket are chained
 * by place.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_ID_PIECE_H
#define SLUICE_CORE_ID_PIECE_H

#include "core/base/assert.h"
#include "core/id_window.h"

#define ID_PIECE_SHIFT 10u
#define ID_PIECE_IDS (1u << ID_PIECE_SHIFT)
#define ID_PLACE_NONE UINT32_MAX
#define ID_SLOT_GONE 0u /* in id_slot.over */

struct id_slot { /* words, so that it is 28 bytes */
    uint32_t id[4];
    uint32_t next; /* place of the next in its bucket */
    uint32_t seq;  /* from the first one's */
    uint32_t over; /* when, from the first one's time; ID_LASTS: never; ID_SLOT_GONE */
};
_Static_assert(sizeof(struct id_slot) == 28, "with its part of the buckets 32 bytes an id");

struct id_piece {
    uint32_t number;
    uint32_t from; /* those before are gone */
    uint32_t end;
    uint32_t live; /* of those between, how many are not gone */
    uint32_t room;
    uint64_t first_seq;
    uint64_t first_time;
    uint64_t file; /* the oldest that some of them are in; 0: none is in any */
    struct id_slot slots[];
};

static inline struct id_slot *id_slot_at(const struct id_window *w, uint32_t place)
{
    return &w->pieces[place >> ID_PIECE_SHIFT]->slots[place & (ID_PIECE_IDS - 1)];
}

static inline uint32_t id_place(const struct id_piece *p, uint32_t offset)
{
    return p->number << ID_PIECE_SHIFT | offset;
}

static inline bool id_slot_is_over(const struct id_piece *p, const struct id_slot *slot,
                                   uint64_t now)
{
    return slot->over != ID_LASTS && p->first_time + slot->over <= now;
}

static inline struct id_piece *id_piece_at(const struct id_window *w, uint32_t at)
{
    return w->order[w->order_first + at];
}

/* Those that leave in their order leave nothing behind; of others holes would remain. */
static inline bool id_piece_is_sparse(const struct id_piece *p)
{
    return p->live < ID_PIECE_IDS / 4;
}

/* Where that id goes, at the end: the last one, or a new one. */
struct id_piece *id_piece_for(struct id_window *w, const struct remembered_id *id);
/* All its ids are gone. */
void id_piece_drop(struct id_window *w, uint32_t at);
/* It is sparse: becomes one with each neighbour that is so too. */
void id_piece_join_around(struct id_window *w, uint32_t at);

/* ---- the table ---- */

void id_table_deinit(struct id_window *w);
/* The place of an id that is not over at that time. */
uint32_t id_table_find(const struct id_window *w, struct message_id id, uint64_t now);
/* Asks for the bucket of that hash (step 0), or for the first, second... id in it. */
void id_table_warm(const struct id_window *w, uint32_t hash, uint32_t step);
/* w->count counts it already. */
void id_table_enter(struct id_window *w, uint32_t place);
/* w->count does not count it any more. */
void id_table_leave(struct id_window *w, uint32_t place);
/* What lies at place is to be found at another one, where a copy of it is. */
void id_table_move(struct id_window *w, uint32_t place, uint32_t to);

#endif
