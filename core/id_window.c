#include "core/id_window.h"

#include "core/id_piece.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 8u /* ids of a window's first piece: many queues have few */
#define ROOM_GROWTH 4u
#define PIECES_FIRST 4u
#define PIECES_MAX (1u << (32 - ID_PIECE_SHIFT))
#define SPARSE_IDS (ID_PIECE_IDS / 4) /* two neighbours with no more become one */

static struct id_piece *piece_for(struct id_window *w, const struct remembered_id *id);
static bool takes(const struct id_piece *p, const struct remembered_id *id);
static struct id_piece *piece_new(struct id_window *w, uint32_t room);
static struct id_piece *piece_grow(struct id_window *w, struct id_piece *p);
static void piece_free(struct id_window *w, uint32_t at);
static uint32_t free_number(struct id_window *w);
static void append(struct id_window *w, struct id_piece *p);
static struct id_piece *in_order(const struct id_window *w, uint32_t at);
static bool find(const struct id_window *w, sl_seq seq, uint32_t *at, uint32_t *offset);
static void forget(struct id_window *w, uint32_t at, uint32_t offset);
static void join_sparse(struct id_window *w, uint32_t at);
static bool may_join(const struct id_window *w, const struct id_piece *a, const struct id_piece *b);
static void tell(const struct id_piece *p, const struct id_slot *slot, struct remembered_id *out);

void id_window_deinit(struct id_window *w)
{
    for (uint32_t i = 0; i < w->pieces_count; i++)
        free(w->pieces[i]);
    id_table_deinit(w);
    free(w->pieces);
    free(w->order);
    *w = (struct id_window){0};
}

bool id_window_has(const struct id_window *w, struct message_id id, uint64_t now)
{
    return id_table_find(w, id, now) != ID_PLACE_NONE;
}

void id_window_add(struct id_window *w, const struct remembered_id *id)
{
    struct id_piece *p = piece_for(w, id);
    struct id_slot *slot = &p->slots[p->end];
    uint64_t over = id->time - p->first_time + id->ttl;

    SL_CHECK(id->seq.v > w->newest);
    w->newest = id->seq.v;
    memcpy(slot->id, &id->id, sizeof id->id);
    slot->seq = (uint32_t)(id->seq.v - p->first_seq);
    slot->over = id->ttl == ID_LASTS ? ID_LASTS : (uint32_t)over;
    p->end++;
    p->live++;
    w->count++;
    id_table_enter(w, id_place(p, p->end - 1));
}

bool id_window_remove(struct id_window *w, sl_seq seq)
{
    uint32_t at;
    uint32_t offset;

    if (!find(w, seq, &at, &offset))
        return false;
    forget(w, at, offset);
    return true;
}

void id_window_expire(struct id_window *w, uint64_t now, uint32_t n)
{
    while (n-- > 0 && w->order_count > 0) {
        const struct id_piece *p = in_order(w, 0);
        if (!id_slot_is_over(p, &p->slots[p->from], now))
            return;
        id_window_drop_oldest(w);
    }
}

void id_window_drop_oldest(struct id_window *w)
{
    forget(w, 0, in_order(w, 0)->from);
}

bool id_window_oldest(const struct id_window *w, struct remembered_id *out)
{
    if (w->order_count == 0)
        return false;
    const struct id_piece *p = in_order(w, 0);
    tell(p, &p->slots[p->from], out);
    return true;
}

void id_window_each_above(const struct id_window *w, sl_seq above,
                          bool (*on_id)(void *context, const struct remembered_id *id),
                          void *context)
{
    uint32_t first = w->order_count;
    struct remembered_id id;

    while (first > 0 && in_order(w, first - 1)->first_seq > above.v)
        first--;
    for (uint32_t at = first > 0 ? first - 1 : 0; at < w->order_count; at++) {
        const struct id_piece *p = in_order(w, at);
        for (uint32_t i = p->from; i < p->end; i++) {
            if (p->slots[i].over == ID_SLOT_GONE || p->first_seq + p->slots[i].seq <= above.v)
                continue;
            tell(p, &p->slots[i], &id);
            if (!on_id(context, &id))
                return;
        }
    }
}

void id_window_saved(struct id_window *w, uint64_t file)
{
    for (uint32_t at = w->order_count; at > 0 && in_order(w, at - 1)->file == 0; at--)
        in_order(w, at - 1)->file = file;
}

uint64_t id_window_first_file(const struct id_window *w)
{
    return w->order_count == 0 ? 0 : in_order(w, 0)->file;
}

uint64_t id_window_renew(struct id_window *w, uint64_t below, uint64_t file,
                         bool (*on_id)(void *context, const struct remembered_id *id),
                         void *context)
{
    uint64_t first = 0;
    struct remembered_id id;

    for (uint32_t at = 0; at < w->order_count; at++) {
        struct id_piece *p = in_order(w, at);
        for (uint32_t i = p->from; p->file != 0 && p->file < below && i < p->end; i++) {
            if (p->slots[i].over == ID_SLOT_GONE)
                continue;
            tell(p, &p->slots[i], &id);
            (void)on_id(context, &id);
        }
        if (p->file != 0 && p->file < below)
            p->file = file;
        if (p->file != 0 && (first == 0 || p->file < first))
            first = p->file;
    }
    return first;
}

void id_window_check(const struct id_window *w)
{
    uint64_t count = 0;
    uint64_t newest = 0;

    for (uint32_t at = 0; at < w->order_count; at++) {
        const struct id_piece *p = in_order(w, at);
        uint32_t live = 0;
        SL_ASSERT(w->pieces[p->number] == p && p->from < p->end && p->end <= p->room);
        SL_ASSERT(p->slots[p->from].over != ID_SLOT_GONE);
        for (uint32_t i = p->from; i < p->end; i++) {
            struct remembered_id id;
            if (p->slots[i].over == ID_SLOT_GONE)
                continue;
            tell(p, &p->slots[i], &id);
            SL_ASSERT(id.seq.v > newest);
            SL_ASSERT(id_window_has(w, id.id, 0));
            newest = id.seq.v;
            live++;
        }
        SL_ASSERT(live == p->live);
        count += live;
    }
    SL_ASSERT(count == w->count);
}

/* The last one, or the next. */
static struct id_piece *piece_for(struct id_window *w, const struct remembered_id *id)
{
    struct id_piece *last = w->order_count == 0 ? NULL : in_order(w, w->order_count - 1);

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

static void piece_free(struct id_window *w, uint32_t at)
{
    struct id_piece *p = in_order(w, at);

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

static struct id_piece *in_order(const struct id_window *w, uint32_t at)
{
    return w->order[w->order_first + at];
}

static bool find(const struct id_window *w, sl_seq seq, uint32_t *at, uint32_t *offset)
{
    uint32_t low = 0;
    uint32_t high = w->order_count;

    while (low < high) { /* the last piece that does not begin behind it */
        uint32_t middle = low + (high - low) / 2;
        if (in_order(w, middle)->first_seq <= seq.v)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    *at = low - 1;
    const struct id_piece *p = in_order(w, *at);
    low = p->from;
    high = p->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->first_seq + p->slots[middle].seq < seq.v)
            low = middle + 1;
        else
            high = middle;
    }
    *offset = low;
    return low < p->end && p->first_seq + p->slots[low].seq == seq.v &&
           p->slots[low].over != ID_SLOT_GONE;
}

static void forget(struct id_window *w, uint32_t at, uint32_t offset)
{
    struct id_piece *p = in_order(w, at);

    w->count--;
    id_table_leave(w, id_place(p, offset));
    p->slots[offset].over = ID_SLOT_GONE;
    p->live--;
    if (p->live == 0) {
        piece_free(w, at);
        return;
    }
    while (p->slots[p->from].over == ID_SLOT_GONE)
        p->from++;
    /* Those that leave in their order need nothing more; of others holes would remain. */
    if (p->live >= SPARSE_IDS)
        return;
    if (at + 1 < w->order_count)
        join_sparse(w, at + 1);
    if (at != 0)
        join_sparse(w, at);
}

/* With the one before it. */
static void join_sparse(struct id_window *w, uint32_t at)
{
    struct id_piece *before = in_order(w, at - 1);
    struct id_piece *p = in_order(w, at);

    if (!may_join(w, before, p))
        return;
    struct id_piece *both = piece_new(w, ID_PIECE_IDS);
    both->first_seq = before->first_seq;
    both->first_time = before->first_time;
    both->file = before->file != 0 ? before->file : p->file;
    id_piece_move(w, before, both);
    id_piece_move(w, p, both);
    w->order[w->order_first + at - 1] = both;
    w->bytes -= sizeof *before + before->room * sizeof before->slots[0];
    w->pieces[before->number] = NULL;
    free(before);
    piece_free(w, at);
}

/* Both full ones with holes, and what is kept of them can be said from the first one's start. */
static bool may_join(const struct id_window *w, const struct id_piece *a, const struct id_piece *b)
{
    uint64_t seqs = b->first_seq + b->slots[b->end - 1].seq - a->first_seq;
    uint64_t ms = b->first_time - a->first_time;

    if (a->live >= SPARSE_IDS || b->live >= SPARSE_IDS || b == in_order(w, w->order_count - 1) ||
        b->first_time < a->first_time || seqs >= UINT32_MAX || ms >= ID_LASTS)
        return false;
    for (uint32_t i = b->from; i < b->end; i++)
        if (b->slots[i].over != ID_LASTS && b->slots[i].over + ms >= ID_LASTS)
            return false;
    return (a->file == 0) == (b->file == 0);
}

void id_piece_move(struct id_window *w, struct id_piece *from, struct id_piece *to)
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

static void tell(const struct id_piece *p, const struct id_slot *slot, struct remembered_id *out)
{
    memcpy(&out->id, slot->id, sizeof out->id);
    out->seq.v = p->first_seq + slot->seq;
    out->time = p->first_time;
    out->ttl = slot->over;
}
