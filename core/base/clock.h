/*
 * clock.h - what time it is, as a vtable, so that a test can hold the hands.
 */
#ifndef SLUICE_CORE_BASE_CLOCK_H
#define SLUICE_CORE_BASE_CLOCK_H

#include <stdint.h>

struct sl_clock {
    uint64_t (*monotonic_ms)(void *self); /* for timers: never goes back */
    uint64_t (*wall_ms)(void *self);      /* since 1970, for people and timestamps */
    void *self;
};

extern const struct sl_clock sl_clock_system;

static inline uint64_t sl_clock_monotonic_ms(const struct sl_clock *c)
{
    return c->monotonic_ms(c->self);
}

static inline uint64_t sl_clock_wall_ms(const struct sl_clock *c)
{
    return c->wall_ms(c->self);
}

#endif
