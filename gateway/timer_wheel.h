/*
 * timer_wheel.h - thousands of deadlines in milliseconds; setting and firing one is O(1).
 *
 * A wheel of seven levels with 64 slots each.  A timer lies on the level of the highest six-bit
 * digit in which its time differs from the wheel's, in the slot of that digit.  So every
 * occupied slot lies ahead of the wheel's own digit, everything on a lower level is due before
 * anything on a higher one, and the next occupied slot is two bit scans away.  A slot of a
 * higher level is dealt out to lower ones when the wheel reaches it.
 *
 * Thread: the owner's.
 */
#ifndef SLUICE_GATEWAY_TIMER_WHEEL_H
#define SLUICE_GATEWAY_TIMER_WHEEL_H

#include "core/base/list.h"

#include <stdint.h>

#define TIMER_WHEEL_LEVELS 7 /* 2^42 ms: 139 years of uptime */
#define TIMER_WHEEL_SLOTS 64

#define TIMER_NEVER UINT64_MAX

struct timer {
    struct list node;
    uint64_t at_ms; /* TIMER_NEVER: not set */
    void (*on_fire)(struct timer *t);
};

struct timer_wheel {
    uint64_t now_ms;                       /* everything up to here has fired */
    uint64_t occupied[TIMER_WHEEL_LEVELS]; /* a bit may be set for a slot that became empty */
    struct list slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ms);

void timer_init(struct timer *t, void (*on_fire)(struct timer *t));
/* Sets or moves the timer; a time that has passed means the next millisecond, TIMER_NEVER takes
 * it off. */
void timer_set(struct timer_wheel *w, struct timer *t, uint64_t at_ms);
void timer_cancel(struct timer *t);

/* When timer_wheel_advance has something to do, maybe only a slot to deal out; TIMER_NEVER. */
uint64_t timer_wheel_next_ms(const struct timer_wheel *w);

/* Moves to now_ms and calls on_fire of every timer that has come due, in order of time.  A
 * timer is not set any more when it fires; on_fire may set and cancel timers, its own too. */
void timer_wheel_advance(struct timer_wheel *w, uint64_t now_ms);

#endif
