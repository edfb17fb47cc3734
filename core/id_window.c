#include "core/id_window.h"

#include "core/id_piece.h"

#include <stdlib.h>
#include <string.h>

#define WARM_STEPS 3u
#define WARM_STEP_IDS 4u

static bool find(const struct id_window *w, sl_seq seq, uint32_t *at, uint32_t *offset);
static void forget(struct id_window *w, uint32_t at, uint32_t offset);
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

void id_window_warm(const struct id_window *w, struct message_id id, uint32_t step)
{
    uint32_t word[4];

    if (!id_window_is_large(w))
        return;
    memcpy(word, &id, sizeof id);
    id_table_warm(w, word[0], step);
}

void id_window_add(struct id_window *w, const struct remembered_id *id)
{
    struct id_piece *p = id_piece_for(w, id);
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
        const struct id_piece *p = id_piece_at(w, 0);
        if (!id_slot_is_over(p, &p->slots[p->from], now))
            return;
        id_window_drop_oldest(w);
    }
}

void id_window_end_lasting(struct id_window *w, uint64_t time)
{
    for (uint32_t at = 0; at < w->order_count; at++) {
        struct id_piece *p = id_piece_at(w, at);
        uint64_t over = time > p->first_time ? time - p->first_time : 1;
        for (uint32_t i = p->from; i < p->end; i++)
            if (p->slots[i].over == ID_LASTS)
                p->slots[i].over = over < ID_LASTS ? (uint32_t)over : ID_LASTS - 1;
    }
}

void id_window_drop_oldest(struct id_window *w)
{
    const struct id_piece *p = id_piece_at(w, 0);

    /* The next ones are going to leave too: their buckets are anywhere. */
    for (uint32_t step = 0; step < WARM_STEPS && id_window_is_large(w); step++) {
        uint32_t next = p->from + (WARM_STEPS - step) * WARM_STEP_IDS;
        if (next < p->end)
            id_table_warm(w, p->slots[next].id[0], step);
    }
    forget(w, 0, p->from);
}

bool id_window_oldest(const struct id_window *w, struct remembered_id *out)
{
    if (w->order_count == 0)
        return false;
    const struct id_piece *p = id_piece_at(w, 0);
    tell(p, &p->slots[p->from], out);
    return true;
}

void id_window_each_above(const struct id_window *w, sl_seq above,
                          bool (*on_id)(void *context, const struct remembered_id *id),
                          void *context)
{
    uint32_t first = w->order_count;
    struct remembered_id id;

    while (first > 0 && id_piece_at(w, first - 1)->first_seq > above.v)
        first--;
    for (uint32_t at = first > 0 ? first - 1 : 0; at < w->order_count; at++) {
        const struct id_piece *p = id_piece_at(w, at);
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
    for (uint32_t at = w->order_count; at > 0 && id_piece_at(w, at - 1)->file == 0; at--)
        id_piece_at(w, at - 1)->file = file;
}

uint64_t id_window_least_file(const struct id_window *w)
{
    uint64_t least = 0;

    for (uint32_t at = 0; at < w->order_count; at++) {
        const struct id_piece *p = id_piece_at(w, at);
        if (p->file != 0 && (least == 0 || p->file < least))
            least = p->file;
    }
    return least;
}

void id_window_renew(struct id_window *w, uint64_t below, uint64_t file,
                     bool (*on_id)(void *context, const struct remembered_id *id), void *context)
{
    struct remembered_id id;

    for (uint32_t at = 0; at < w->order_count; at++) {
        struct id_piece *p = id_piece_at(w, at);
        for (uint32_t i = p->from; p->file != 0 && p->file < below && i < p->end; i++) {
            if (p->slots[i].over == ID_SLOT_GONE)
                continue;
            tell(p, &p->slots[i], &id);
            (void)on_id(context, &id);
        }
        if (p->file != 0 && p->file < below)
            p->file = file;
    }
}

void id_window_check(const struct id_window *w)
{
    uint64_t count = 0;
    uint64_t newest = 0;

    for (uint32_t at = 0; at < w->order_count; at++) {
        const struct id_piece *p = id_piece_at(w, at);
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

static bool find(const struct id_window *w, sl_seq seq, uint32_t *at, uint32_t *offset)
{
    uint32_t low = 0;
    uint32_t high = w->order_count;

    while (low < high) { /* the last piece that does not begin behind it */
        uint32_t middle = low + (high - low) / 2;
        if (id_piece_at(w, middle)->first_seq <= seq.v)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    *at = low - 1;
    const struct id_piece *p = id_piece_at(w, *at);
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
    struct id_piece *p = id_piece_at(w, at);

    w->count--;
    id_table_leave(w, id_place(p, offset));
    p->slots[offset].over = ID_SLOT_GONE;
    p->live--;
    if (p->live == 0) {
        id_piece_drop(w, at);
        return;
    }
    while (p->slots[p->from].over == ID_SLOT_GONE)
        p->from++;
    if (id_piece_is_sparse(p))
        id_piece_join_around(w, at);
}

static void tell(const struct id_piece *p, const struct id_slot *slot, struct remembered_id *out)
{
    memcpy(&out->id, slot->id, sizeof out->id);
    out->seq.v = p->first_seq + slot->seq;
    out->time = p->first_time;
    out->ttl = slot->over;
}
