#include "core/due.h"

#include "core/base/assert.h"

#include <stdbool.h>
#include <stdlib.h>

#define ROOM_FIRST 16u

static bool is_before(const struct due *a, const struct due *b);
static void sift_up(struct due_heap *h, struct due *d, uint32_t i);
static void sift_down(struct due_heap *h, struct due *d, uint32_t i);
static void put(struct due_heap *h, struct due *d, uint32_t i);

void due_heap_deinit(struct due_heap *h)
{
    SL_ASSERT(h->count == 0);
    free(h->at);
    *h = (struct due_heap){0};
}

void due_by(struct due_heap *h, struct due *d, uint64_t at)
{
    if (d->place != 0) {
        if (at >= d->at)
            return;
        d->at = at;
        sift_up(h, d, d->place - 1);
        return;
    }
    if (h->count == h->room) {
        uint32_t room = h->room == 0 ? ROOM_FIRST : h->room * 2;
        struct due **wide = realloc(h->at, room * sizeof(struct due *));
        SL_ASSERT(wide != NULL); /* one for each queue */
        h->at = wide;
        h->room = room;
    }
    d->at = at;
    sift_up(h, d, h->count++);
}

void due_remove(struct due_heap *h, struct due *d)
{
    if (d->place == 0)
        return;
    uint32_t i = d->place - 1;
    struct due *last = h->at[--h->count];
    d->place = 0;
    if (last == d)
        return;
    if (i > 0 && is_before(last, h->at[(i - 1) / 2]))
        sift_up(h, last, i);
    else
        sift_down(h, last, i);
}

struct due *due_take(struct due_heap *h, uint64_t now)
{
    if (h->count == 0 || h->at[0]->at > now)
        return NULL;
    struct due *first = h->at[0];
    due_remove(h, first);
    return first;
}

static bool is_before(const struct due *a, const struct due *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void sift_up(struct due_heap *h, struct due *d, uint32_t i)
{
    while (i > 0 && is_before(d, h->at[(i - 1) / 2])) {
        put(h, h->at[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    put(h, d, i);
}

static void sift_down(struct due_heap *h, struct due *d, uint32_t i)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < h->count && is_before(h->at[child + 1], h->at[child]))
            child++;
        if (child >= h->count || !is_before(h->at[child], d))
            break;
        put(h, h->at[child], i);
        i = child;
    }
    put(h, d, i);
}

static void put(struct due_heap *h, struct due *d, uint32_t i)
{
    h->at[i] = d;
    d->place = i + 1;
}
