#include "core/base/clock.h"

#include <time.h>

static uint64_t read_ms(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t system_monotonic_ms(void *self)
{
    (void)self;
    return read_ms(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ms(void *self)
{
    (void)self;
    return read_ms(CLOCK_REALTIME);
}

const struct sl_clock sl_clock_system = {system_monotonic_ms, system_wall_ms, 0};
