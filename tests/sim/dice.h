/*
 * dice.h - every choice of a simulation, from one number.
 */
#ifndef SLUICE_TESTS_SIM_DICE_H
#define SLUICE_TESTS_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *d) /* splitmix64 */
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint32_t dice_roll(struct dice *d, uint32_t sides) /* 0 to sides - 1 */
{
    return (uint32_t)(dice_next(d) >> 32) % sides;
}

static inline bool dice_chance(struct dice *d, uint32_t percent)
{
    return dice_roll(d, 100) < percent;
}

#endif
