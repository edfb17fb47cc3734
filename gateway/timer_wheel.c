#include "gateway/timer_wheel.h"

#include "core/base/assert.h"

#define DIGIT_BITS 6
#define TIME_MAX ((1ull << (DIGIT_BITS * TIMER_WHEEL_LEVELS)) - 1)

static void place(struct timer_wheel *w, struct timer *t);
static void deal_out(struct timer_wheel *w, struct list *slot, struct list *due);
static void fire(struct list *due);
static int lowest_level(const struct timer_wheel *w);

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ms)
{
    SL_ASSERT(now_ms <= TIME_MAX);
    w->now_ms = now_ms;
    for (int level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        w->occupied[level] = 0;
        for (int i = 0; i < TIMER_WHEEL_SLOTS; i++)
            list_init(&w->slots[level][i]);
    }
}

void timer_init(struct timer *t, void (*on_fire)(struct timer *t))
{
    list_init(&t->node);
    t->at_ms = TIMER_NEVER;
    t->on_fire = on_fire;
}

void timer_set(struct timer_wheel *w, struct timer *t, uint64_t at_ms)
{
    timer_cancel(t);
    if (at_ms == TIMER_NEVER)
        return;
    t->at_ms = at_ms;
    if (t->at_ms <= w->now_ms)
        t->at_ms = w->now_ms + 1;
    if (t->at_ms > TIME_MAX)
        t->at_ms = TIME_MAX;
    place(w, t);
}

void timer_cancel(struct timer *t)
{
    list_remove(&t->node);
    t->at_ms = TIMER_NEVER;
}

uint64_t timer_wheel_next_ms(const struct timer_wheel *w)
{
    int level = lowest_level(w);

    if (level < 0)
        return TIMER_NEVER;
    int shift = DIGIT_BITS * level;
    uint64_t slot = (uint64_t)__builtin_ctzll(w->occupied[level]);
    uint64_t upper = w->now_ms >> shift >> DIGIT_BITS;
    return (upper << DIGIT_BITS | slot) << shift;
}

void timer_wheel_advance(struct timer_wheel *w, uint64_t now_ms)
{
    struct list due;
    uint64_t next;

    list_init(&due);
    while ((next = timer_wheel_next_ms(w)) <= now_ms) {
        int level = lowest_level(w);
        int slot = __builtin_ctzll(w->occupied[level]);

        w->now_ms = next;
        w->occupied[level] &= ~(1ull << slot);
        deal_out(w, &w->slots[level][slot], &due);
    }
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
    fire(&due);
}

/* Between the wheel's time and the timer's, the digits above the level are the same. */
static void place(struct timer_wheel *w, struct timer *t)
{
    int level = (63 - __builtin_clzll(t->at_ms ^ w->now_ms)) / DIGIT_BITS;
    int slot = (int)(t->at_ms >> (DIGIT_BITS * level) & (TIMER_WHEEL_SLOTS - 1));

    w->occupied[level] |= 1ull << slot;
    list_push(&w->slots[level][slot], &t->node);
}

static void deal_out(struct timer_wheel *w, struct list *slot, struct list *due)
{
    struct list *node;

    while ((node = list_pop(slot)) != NULL) {
        struct timer *t = LIST_OF(node, struct timer, node);

        if (t->at_ms <= w->now_ms) {
            t->at_ms = TIMER_NEVER;
            list_push(due, &t->node);
        } else
            place(w, t);
    }
}

/* Only now: the wheel is whole again, so whoever fires may set timers. */
static void fire(struct list *due)
{
    struct list *node;

    while ((node = list_pop(due)) != NULL) {
        struct timer *t = LIST_OF(node, struct timer, node);
        t->on_fire(t);
    }
}

static int lowest_level(const struct timer_wheel *w)
{
    for (int level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        if (w->occupied[level] != 0)
            return level;
    }
    return -1;
}
