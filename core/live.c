#include "core/live.h"

#include "core/base/assert.h"

#include <stdlib.h>

#define STRETCHES_FIRST 8u

static struct live_stretch *stretch_of(struct live *l, uint64_t number);
static void make_room(struct live *l, uint64_t first, uint64_t count);

void live_deinit(struct live *l)
{
    free(l->stretches);
    *l = (struct live){.stretch_bytes = l->stretch_bytes};
}

void live_add_anywhere(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries)
{
    struct live_stretch *stretch = stretch_of(l, place.v / l->stretch_bytes);

    stretch->bytes += bytes;
    stretch->entries += entries;
}

void live_sub_anywhere(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries)
{
    uint64_t number = place.v / l->stretch_bytes;

    SL_ASSERT(number >= l->first && number - l->first < l->count);
    struct live_stretch *stretch = stretch_of(l, number);
    SL_ASSERT(stretch->bytes >= bytes && stretch->entries >= entries);
    stretch->bytes -= bytes;
    stretch->entries -= entries;
    while (l->count > 0 && live_at(l, l->first)->entries == 0) {
        SL_ASSERT(live_at(l, l->first)->bytes == 0);
        l->first++;
        l->count--;
        l->last_bytes = 0;
    }
}

static struct live_stretch *stretch_of(struct live *l, uint64_t number)
{
    uint64_t first = l->count == 0 || number < l->first ? number : l->first;
    uint64_t end = l->count == 0 || number >= l->first + l->count ? number + 1
                                                                  : l->first + l->count;

    if (first != l->first || end - first != l->count)
        make_room(l, first, end - first);
    l->last = &l->stretches[number % l->room];
    l->last_from = number * l->stretch_bytes;
    l->last_bytes = l->stretch_bytes;
    return l->last;
}

/* From now on it is these; what they had stays, what is new is zero. */
static void make_room(struct live *l, uint64_t first, uint64_t count)
{
    uint64_t room = l->room == 0 ? STRETCHES_FIRST : l->room;
    struct live_stretch *stretches = l->stretches;

    while (room < count)
        room *= 2;
    if (room != l->room) {
        stretches = calloc(room, sizeof *stretches);
        SL_ASSERT(stretches != NULL);
        for (uint64_t n = l->first; n < l->first + l->count; n++)
            stretches[n % room] = *live_at(l, n);
        free(l->stretches);
    } else
        for (uint64_t n = first; n < first + count; n++)
            if (l->count == 0 || n < l->first || n >= l->first + l->count)
                stretches[n % room] = (struct live_stretch){0, 0};
    l->stretches = stretches;
    l->room = room;
    l->first = first;
    l->count = count;
}
