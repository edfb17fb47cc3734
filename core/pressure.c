#include "core/pressure.h"

#include "core/memory.h"

static void look_at_memory(struct pressure *p);

uint8_t pressure_look(struct pressure *p, const struct commit_log *log, uint64_t *openings)
{
    look_at_memory(p);
    uint64_t now = atomic_load(&p->openings);
    uint8_t held_by = pressure_now(p, log);
    if (now != *openings)
        held_by &= (uint8_t)~HELD_BY_MEMORY;
    *openings = now;
    return held_by;
}

uint8_t pressure_now(const struct pressure *p, const struct commit_log *log)
{
    uint8_t held_by = 0;

    if (atomic_load(&p->is_memory_short))
        held_by |= HELD_BY_MEMORY;
    if (atomic_load_explicit(&p->is_disk_low, memory_order_relaxed) ||
        (log != NULL && commit_log_is_out_of_room(log)))
        held_by |= HELD_BY_DISK;
    if (log != NULL && commit_log_is_behind(log))
        held_by |= HELD_BY_LOG;
    return held_by;
}

const char *pressure_reason(uint8_t held_by)
{
    static const char *const REASONS[] = {
        [0] = "",
        [HELD_BY_MEMORY] = "low on memory",
        [HELD_BY_DISK] = "low on disk",
        [HELD_BY_MEMORY | HELD_BY_DISK] = "low on memory & disk",
    };
    return REASONS[held_by & HELD_BY_ALARM];
}

static void look_at_memory(struct pressure *p)
{
    uint64_t used = memory_used();
    bool was_short = atomic_load(&p->is_memory_short);

    if (!was_short && used > p->budget_bytes)
        atomic_store(&p->is_memory_short, true);
    if (was_short && used < p->budget_bytes - p->budget_bytes / 5 &&
        atomic_compare_exchange_strong(&p->is_memory_short, &was_short, false))
        atomic_fetch_add(&p->openings, 1);
}
