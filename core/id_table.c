/* id_table.c - how an id of a window is found: chains in buckets, of which there are about as many
 * as ids.  The table grows by splitting one bucket and shrinks by joining two (linear hashing). */
#include "core/id_piece.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT 10u
#define PAGE_BUCKETS (1u << PAGE_SHIFT)
#define BUCKETS_FIRST 8u

static uint32_t *bucket_at(const struct id_window *w, uint32_t number);
static uint32_t bucket_of(const struct id_window *w, const struct id_slot *slot);
static uint32_t number_of(uint32_t hash, uint32_t buckets);
static uint32_t half_of(uint32_t buckets);
static uint32_t *link_to(const struct id_window *w, uint32_t place);
static void grow(struct id_window *w);
static void make_room(struct id_window *w);
static void shrink(struct id_window *w);

void id_table_deinit(struct id_window *w)
{
    for (uint32_t i = 0; i < w->pages_room; i++)
        free(w->bucket_pages[i]);
    free(w->bucket_pages);
    w->bucket_pages = NULL;
    w->pages_room = w->buckets = w->first_page_room = 0;
}

uint32_t id_table_find(const struct id_window *w, struct message_id id, uint64_t now)
{
    struct id_slot wanted;

    if (w->buckets == 0)
        return ID_PLACE_NONE;
    memcpy(wanted.id, &id, sizeof id);
    for (uint32_t at = *bucket_at(w, bucket_of(w, &wanted)); at != ID_PLACE_NONE;) {
        const struct id_slot *slot = id_slot_at(w, at);
        if (memcmp(slot->id, wanted.id, sizeof wanted.id) == 0 &&
            !id_slot_is_over(w->pieces[at >> ID_PIECE_SHIFT], slot, now))
            return at;
        at = slot->next;
    }
    return ID_PLACE_NONE;
}

void id_table_warm(const struct id_window *w, uint32_t hash, uint32_t step)
{
    if (w->buckets == 0)
        return;
    const uint32_t *link = bucket_at(w, number_of(hash, w->buckets));
    if (step == 0) {
        __builtin_prefetch(link);
        return;
    }
    while (step-- > 1 && *link != ID_PLACE_NONE)
        link = &id_slot_at(w, *link)->next;
    if (*link == ID_PLACE_NONE)
        return;
    const struct id_slot *slot = id_slot_at(w, *link);
    __builtin_prefetch(slot);
    __builtin_prefetch(&slot->over); /* the next line, of some */
}

void id_table_enter(struct id_window *w, uint32_t place)
{
    if (w->count > w->buckets || w->buckets == 0)
        grow(w);
    struct id_slot *slot = id_slot_at(w, place);
    uint32_t *bucket = bucket_at(w, bucket_of(w, slot));
    slot->next = *bucket;
    *bucket = place;
}

void id_table_leave(struct id_window *w, uint32_t place)
{
    *link_to(w, place) = id_slot_at(w, place)->next;
    /* Two for each that goes, so that an empty window is a small one. */
    for (int i = 0; i < 2 && w->count < w->buckets / 2 && w->buckets > BUCKETS_FIRST; i++)
        shrink(w);
}

void id_table_move(struct id_window *w, uint32_t place, uint32_t to)
{
    *link_to(w, place) = to;
}

static uint32_t *bucket_at(const struct id_window *w, uint32_t number)
{
    return &w->bucket_pages[number >> PAGE_SHIFT][number & (PAGE_BUCKETS - 1)];
}

static uint32_t bucket_of(const struct id_window *w, const struct id_slot *slot)
{
    return number_of(slot->id[0], w->buckets);
}

static uint32_t number_of(uint32_t hash, uint32_t buckets)
{
    uint32_t half = half_of(buckets);
    uint32_t number = hash & (2 * half - 1);

    return number < buckets ? number : number & (half - 1);
}

/* The largest power of two that is not more. */
static uint32_t half_of(uint32_t buckets)
{
    return 1u << (31 - (uint32_t)__builtin_clz(buckets));
}

static uint32_t *link_to(const struct id_window *w, uint32_t place)
{
    uint32_t *link = bucket_at(w, bucket_of(w, id_slot_at(w, place)));

    while (*link != place) {
        SL_ASSERT(*link != ID_PLACE_NONE);
        link = &id_slot_at(w, *link)->next;
    }
    return link;
}

/* What belongs into the new bucket stands in the one that it is split from. */
static void grow(struct id_window *w)
{
    make_room(w);
    if (w->buckets == 0) {
        w->buckets = BUCKETS_FIRST;
        for (uint32_t i = 0; i < BUCKETS_FIRST; i++)
            *bucket_at(w, i) = ID_PLACE_NONE;
        return;
    }
    uint32_t number = w->buckets;
    uint32_t *from = bucket_at(w, number - half_of(number));
    uint32_t *to = bucket_at(w, number);
    *to = ID_PLACE_NONE;
    w->buckets++;
    while (*from != ID_PLACE_NONE) {
        uint32_t place = *from;
        struct id_slot *slot = id_slot_at(w, place);
        if (bucket_of(w, slot) != number) {
            from = &slot->next;
            continue;
        }
        *from = slot->next;
        slot->next = *to;
        *to = place;
    }
}

static void make_room(struct id_window *w)
{
    uint32_t page = w->buckets >> PAGE_SHIFT;

    if (page >= w->pages_room) {
        uint32_t room = w->pages_room == 0 ? 1 : w->pages_room * 2;
        w->bucket_pages = realloc(w->bucket_pages, room * sizeof *w->bucket_pages);
        SL_ASSERT(w->bucket_pages != NULL);
        memset(w->bucket_pages + w->pages_room, 0,
               (room - w->pages_room) * sizeof *w->bucket_pages);
        w->bytes += (room - w->pages_room) * sizeof *w->bucket_pages;
        w->pages_room = room;
    }
    uint32_t room = page == 0                       ? w->first_page_room
                    : w->bucket_pages[page] == NULL ? 0
                                                    : PAGE_BUCKETS;
    if (w->buckets - (page << PAGE_SHIFT) < room)
        return;
    uint32_t more = page != 0 ? PAGE_BUCKETS : room == 0 ? BUCKETS_FIRST : room * 2;
    w->bucket_pages[page] = realloc(w->bucket_pages[page], more * sizeof(uint32_t));
    SL_ASSERT(w->bucket_pages[page] != NULL);
    w->bytes += (more - room) * sizeof(uint32_t);
    if (page == 0)
        w->first_page_room = more;
}

static void shrink(struct id_window *w)
{
    uint32_t number = w->buckets - 1;
    uint32_t at = *bucket_at(w, number);

    w->buckets--;
    uint32_t *bucket = bucket_at(w, number_of(number, w->buckets));
    while (at != ID_PLACE_NONE) {
        struct id_slot *slot = id_slot_at(w, at);
        uint32_t next = slot->next;
        slot->next = *bucket;
        *bucket = at;
        at = next;
    }
    if ((number & (PAGE_BUCKETS - 1)) != 0 || number == 0)
        return;
    free(w->bucket_pages[number >> PAGE_SHIFT]);
    w->bucket_pages[number >> PAGE_SHIFT] = NULL;
    w->bytes -= PAGE_BUCKETS * sizeof(uint32_t);
}
