#include "core/credit.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <stddef.h>
#include <stdlib.h>

static uint64_t take_marks(_Atomic uint64_t *starved);

struct session_window *session_window_new(void)
{
    struct session_window *w = calloc(1, sizeof *w);

    SL_ASSERT(w != NULL);
    atomic_init(&w->refs, 1);
    return w;
}

struct session_window *session_window_ref(struct session_window *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void session_window_unref(struct session_window *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1)
        free(w);
}

static int64_t room(struct session_window *w)
{
    uint64_t lent = atomic_load(&w->lent);
    uint64_t written = atomic_load(&w->written);

    return (int64_t)SL_SESSION_WINDOW_BYTES - (int64_t)(lent - written);
}

int64_t session_window_room(struct session_window *w, uint32_t shard)
{
    int64_t now = room(w);

    if (now > 0)
        return now;
    atomic_fetch_or(&w->starved, 1ull << shard);
    return room(w);
}

void session_window_lend(struct session_window *w, uint64_t bytes)
{
    atomic_fetch_add(&w->lent, bytes);
}

uint64_t session_window_written(struct session_window *w, uint64_t written)
{
    atomic_store(&w->written, written);
    if (room(w) < (int64_t)SL_SESSION_WINDOW_BYTES / 2)
        return 0;
    return take_marks(&w->starved);
}

struct credit_group *credit_group_new(uint32_t limit)
{
    struct credit_group *g = calloc(1, sizeof *g);

    SL_ASSERT(g != NULL);
    atomic_init(&g->refs, 1);
    atomic_init(&g->limit, limit);
    return g;
}

struct credit_group *credit_group_ref(struct credit_group *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void credit_group_unref(struct credit_group *g)
{
    if (atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1)
        free(g);
}

static bool try_take(struct credit_group *g)
{
    uint32_t limit = atomic_load(&g->limit);
    int64_t out = atomic_load(&g->out);

    do {
        if (limit != 0 && out >= (int64_t)limit)
            return false;
    } while (!atomic_compare_exchange_weak(&g->out, &out, out + 1));
    return true;
}

bool credit_group_take(struct credit_group *g, uint32_t shard)
{
    if (try_take(g))
        return true;
    atomic_fetch_or(&g->starved, 1ull << shard);
    return try_take(g);
}

void credit_group_join(struct credit_group *g, uint32_t loans)
{
    atomic_fetch_add(&g->out, loans);
}

uint64_t credit_group_give(struct credit_group *g, uint32_t loans)
{
    atomic_fetch_sub(&g->out, loans);
    return take_marks(&g->starved);
}

uint64_t credit_group_set_limit(struct credit_group *g, uint32_t limit)
{
    atomic_store(&g->limit, limit);
    return take_marks(&g->starved);
}

static uint64_t take_marks(_Atomic uint64_t *starved)
{
    return atomic_load(starved) == 0 ? 0 : atomic_exchange(starved, 0);
}
