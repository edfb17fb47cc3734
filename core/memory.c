#include "core/memory.h"

#include <stdatomic.h>

_Thread_local int64_t memory_unsettled;

static _Atomic int64_t used;
static _Atomic uint64_t room_taken;

static bool fits(uint64_t taken, uint64_t bytes, uint64_t most);

void memory_settle(void)
{
    if (memory_unsettled == 0)
        return;
    atomic_fetch_add_explicit(&used, memory_unsettled, memory_order_relaxed);
    memory_unsettled = 0;
}

uint64_t memory_used(void)
{
    int64_t now = atomic_load_explicit(&used, memory_order_relaxed);
    return now < 0 ? 0 : (uint64_t)now;
}

bool memory_room_take(uint64_t bytes, uint64_t most)
{
    uint64_t taken = atomic_load_explicit(&room_taken, memory_order_relaxed);

    do {
        if (!fits(taken, bytes, most))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&room_taken, &taken, taken + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void memory_room_give(uint64_t bytes)
{
    atomic_fetch_sub_explicit(&room_taken, bytes, memory_order_relaxed);
}

bool memory_room_is_free(uint64_t bytes, uint64_t most)
{
    return fits(atomic_load_explicit(&room_taken, memory_order_relaxed), bytes, most);
}

static bool fits(uint64_t taken, uint64_t bytes, uint64_t most)
{
    return taken == 0 || (taken <= most && bytes <= most - taken);
}
