#include "core/slowdown.h"

#include "core/base/hash_map.h"

static struct slowdown_place *find(struct slowdown *s, struct sl_bytes address, uint64_t now_ms,
                                   bool is_entered);

uint64_t slowdown_wait(struct slowdown *s, struct sl_bytes address, uint64_t now_ms)
{
    struct slowdown_place *p = find(s, address, now_ms, false);

    if (p == NULL || p->failures <= SLOWDOWN_FREE_FAILURES)
        return 0;
    uint32_t times = p->failures - SLOWDOWN_FREE_FAILURES - 1;
    uint64_t step = times > 5 ? SLOWDOWN_STEP_MAX_MS : (uint64_t)SLOWDOWN_FIRST_MS << times;
    if (step > SLOWDOWN_STEP_MAX_MS)
        step = SLOWDOWN_STEP_MAX_MS;
    uint64_t turn = (p->turn_ms > now_ms ? p->turn_ms : now_ms) + step;
    if (turn - now_ms > SLOWDOWN_WAIT_MAX_MS)
        return UINT64_MAX;
    p->turn_ms = turn;
    return turn - now_ms;
}

void slowdown_note_failure(struct slowdown *s, struct sl_bytes address, uint64_t now_ms)
{
    struct slowdown_place *p = find(s, address, now_ms, true);

    p->failures++;
    p->last_ms = now_ms;
}

/* NULL: it is not there, and is not to be entered. */
static struct slowdown_place *find(struct slowdown *s, struct sl_bytes address, uint64_t now_ms,
                                   bool is_entered)
{
    uint64_t hash = hash_map_hash(address) | 1;
    struct slowdown_place *quietest = NULL;

    for (uint32_t i = 0; i < SLOWDOWN_PROBES; i++) {
        struct slowdown_place *p = &s->places[((hash >> 1) + i) % SLOWDOWN_PLACES];
        if (p->address != 0 && now_ms - p->last_ms > SLOWDOWN_FORGET_MS)
            *p = (struct slowdown_place){.address = 0};
        if (p->address == hash)
            return p;
        if (quietest == NULL || p->last_ms < quietest->last_ms)
            quietest = p;
    }
    if (!is_entered)
        return NULL;
    *quietest = (struct slowdown_place){.address = hash};
    return quietest;
}
