#include "core/id_piece.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 8u /* ids of a window's first piece: many queues have few */
#define ROOM_GROWTH 4u
#define PIECES_FIRST 4u
#define PIECES_MAX (1u << (32 - ID_PIECE_SHIFT))

static bool takes(const struct id_piece *p, const struct remembered_id *id);
static struct id_piece *piece_new(struct id_window *w, uint32_t room);
static struct id_piece *piece_grow(struct id_window *w, struct id_piece *p);
static uint32_t free_number(struct id_window *w);
static void append(struct id_window *w, struct id_piece *p);
static void join_before(struct id_window *w, uint32_t at);
static bool may_join(const struct id_window *w, const struct id_piece *a, const struct id_piece *b);
static void move_ids(struct id_window *w, struct id_piece *from, struct id_piece *to);

struct id_piece *id_piece_for(struct id_window *w, const struct remembered_id *id)
{
    struct id_piece *last = w->order_count == 0 ? NULL : id_piece_at(w, w->order_count - 1);

    if (last != NULL && takes(last, id)) {
        if (last->end < last->room)
            return last;
        return piece_grow(w, last);
    }
    struct id_piece *p = piece_new(w, last == NULL ? ROOM_FIRST : ID_PIECE_IDS);
    p->first_seq = id->seq.v;
    p->first_time = id->time;
    append(w, p);
    return p;
}

void id_piece_drop(struct id_window *w, uint32_t at)
{
    struct id_piece *p = id_piece_at(w, at);

    w->pieces[p->number] = NULL;
    w->next_number = p->number;
    w->bytes -= sizeof *p + p->room * sizeof p->slots[0];
    free(p);
    if (at == 0)
        w->order_first++;
    else
        memmove(&w->order[w->order_first + at], &w->order[w->order_first + at + 1],
                (w->order_count - at - 1) * sizeof(struct id_piece *));
    w->order_count--;
    if (w->order_count == 0)
        w->order_first = 0;
}

void id_piece_join_around(struct id_window *w, uint32_t at)
{
    if (at + 1 < w->order_count)
        join_before(w, at + 1);
    if (at != 0)
        join_before(w, at);
}

static bool takes(const struct id_piece *p, const struct remembered_id *id)
{
    return p->end < ID_PIECE_IDS && id->seq.v - p->first_seq < UINT32_MAX &&
           id->time >= p->first_time &&
           (id->ttl == ID_LASTS || id->time - p->first_time + id->ttl < ID_LASTS);
}

static struct id_piece *piece_new(struct id_window *w, uint32_t room)
{
    struct id_piece *p = malloc(sizeof *p + room * sizeof p->slots[0]);

    SL_ASSERT(p != NULL); /* bounded by the node's budget for ids */
    *p = (struct id_piece){.number = free_number(w), .room = room};
    w->pieces[p->number] = p;
    w->bytes += sizeof *p + room * sizeof p->slots[0];
    return p;
}

static struct id_piece *piece_grow(struct id_window *w, struct id_piece *p)
{
    uint32_t room = p->room * ROOM_GROWTH < ID_PIECE_IDS ? p->room * ROOM_GROWTH : ID_PIECE_IDS;

    w->bytes += (room - p->room) * sizeof p->slots[0];
    p = realloc(p, sizeof *p + room * sizeof p->slots[0]);
    SL_ASSERT(p != NULL);
    p->room = room;
    w->pieces[p->number] = p;
    w->order[w->order_first + w->order_count - 1] = p;
    return p;
}

/* Of a window that flows, the number that was freed last. */
static uint32_t free_number(struct id_window *w)
{
    for (uint32_t i = 0; w->order_count < w->pieces_count && i < w->pieces_count; i++) {
        uint32_t number = (w->next_number + i) % w->pieces_count;
        if (w->pieces[number] != NULL)
            continue;
        w->next_number = number + 1;
        return number;
    }
    if (w->pieces_count == w->pieces_room) {
        uint32_t room = w->pieces_room == 0 ? PIECES_FIRST : w->pieces_room * 2;
        w->pieces = realloc(w->pieces, room * sizeof(struct id_piece *));
        SL_ASSERT(w->pieces != NULL);
        w->bytes += (room - w->pieces_room) * sizeof(struct id_piece *);
        w->pieces_room = room;
    }
    SL_ASSERT(w->pieces_count < PIECES_MAX);
    w->pieces[w->pieces_count] = NULL;
    return w->pieces_count++;
}

static void append(struct id_window *w, struct id_piece *p)
{
    if (w->order_first + w->order_count == w->order_room) {
        if (w->order_first > w->order_room / 2)
            memmove(w->order, w->order + w->order_first,
                    w->order_count * sizeof(struct id_piece *));
        else {
            uint32_t room = w->order_room == 0 ? PIECES_FIRST : w->order_room * 2;
            struct id_piece **order = malloc(room * sizeof(struct id_piece *));
            SL_ASSERT(order != NULL);
            if (w->order_count != 0)
                memcpy(order, w->order + w->order_first,
                       w->order_count * sizeof(struct id_piece *));
            free(w->order);
            w->bytes += (room - w->order_room) * sizeof(struct id_piece *);
            w->order = order;
            w->order_room = room;
        }
        w->order_first = 0;
    }
    w->order[w->order_first + w->order_count++] = p;
}

/* With the one before it. */
static void join_before(struct id_window *w, uint32_t at)
{
    struct id_piece *before = id_piece_at(w, at - 1);
    struct id_piece *p = id_piece_at(w, at);

    if (!may_join(w, before, p))
        return;
    struct id_piece *both = piece_new(w, ID_PIECE_IDS);
    both->first_seq = before->first_seq;
    both->first_time = before->first_time;
    both->file = before->file < p->file ? before->file : p->file;
    move_ids(w, before, both);
    move_ids(w, p, both);
    w->order[w->order_first + at - 1] = both;
    w->bytes -= sizeof *before + before->room * sizeof before->slots[0];
    w->pieces[before->number] = NULL;
    free(before);
    id_piece_drop(w, at);
}

/* Both full ones with holes, and what is kept of them can be said from the first one's start. */
static bool may_join(const struct id_window *w, const struct id_piece *a, const struct id_piece *b)
{
    uint64_t seqs = b->first_seq + b->slots[b->end - 1].seq - a->first_seq;
    uint64_t ms = b->first_time - a->first_time;

    if (!id_piece_is_sparse(a) || !id_piece_is_sparse(b) ||
        b == id_piece_at(w, w->order_count - 1) || b->first_time < a->first_time ||
        seqs >= UINT32_MAX || ms >= ID_LASTS)
        return false;
    for (uint32_t i = b->from; i < b->end; i++)
        if (b->slots[i].over != ID_LASTS && b->slots[i].over + ms >= ID_LASTS)
            return false;
    return (a->file == 0) == (b->file == 0);
}

static void move_ids(struct id_window *w, struct id_piece *from, struct id_piece *to)
{
    uint32_t seqs = (uint32_t)(from->first_seq - to->first_seq);
    uint32_t ms = (uint32_t)(from->first_time - to->first_time);

    for (uint32_t i = from->from; i < from->end; i++) {
        struct id_slot *slot = &to->slots[to->end];
        if (from->slots[i].over == ID_SLOT_GONE)
            continue;
        *slot = from->slots[i];
        slot->seq += seqs;
        if (slot->over != ID_LASTS)
            slot->over += ms;
        id_table_move(w, id_place(from, i), id_place(to, to->end));
        to->end++;
        to->live++;
    }
}
