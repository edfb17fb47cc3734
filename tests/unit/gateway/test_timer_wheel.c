#include "gateway/timer_wheel.h"

#include "tests/support/unit.h"

#include <stdlib.h>

struct probe {
    struct timer timer;
    uint64_t due_ms;
    unsigned fired;
};

static struct timer_wheel wheel;
static uint64_t last_due_ms; /* of those that fired in one advance, they come in this order */

static void on_fire(struct timer *t)
{
    struct probe *p = LIST_OF(t, struct probe, timer);

    p->fired++;
    CU_ASSERT(p->due_ms <= wheel.now_ms);
    CU_ASSERT(last_due_ms <= p->due_ms);
    last_due_ms = p->due_ms;
}

static void begin(uint64_t now_ms)
{
    timer_wheel_init(&wheel, now_ms);
    last_due_ms = 0;
}

static void set(struct probe *p, uint64_t at_ms)
{
    p->due_ms = at_ms;
    timer_set(&wheel, &p->timer, at_ms);
}

static void never_fires_early_and_fires_at_its_millisecond(void)
{
    static const uint64_t DELAYS[] = {1, 2, 63, 64, 65, 4095, 4096, 4097, 262144, 10000000};

    for (size_t i = 0; i < sizeof DELAYS / sizeof DELAYS[0]; i++) {
        struct probe p = {.fired = 0};
        uint64_t start = 1234567 + i * 7777;

        begin(start);
        timer_init(&p.timer, on_fire);
        set(&p, start + DELAYS[i]);
        timer_wheel_advance(&wheel, start + DELAYS[i] - 1);
        CU_ASSERT_EQUAL(p.fired, 0);
        timer_wheel_advance(&wheel, start + DELAYS[i]);
        CU_ASSERT_EQUAL(p.fired, 1);
        timer_wheel_advance(&wheel, start + 10 * DELAYS[i]);
        CU_ASSERT_EQUAL(p.fired, 1);
    }
}

static void a_cancelled_timer_never_fires(void)
{
    struct probe p = {.fired = 0};

    begin(100);
    timer_init(&p.timer, on_fire);
    set(&p, 150);
    timer_cancel(&p.timer);
    set(&p, 5000);
    timer_set(&wheel, &p.timer, TIMER_NEVER);
    timer_wheel_advance(&wheel, 10000);
    CU_ASSERT_EQUAL(p.fired, 0);
    CU_ASSERT_EQUAL(timer_wheel_next_ms(&wheel), TIMER_NEVER);
}

static void a_time_that_has_passed_means_the_next_millisecond(void)
{
    struct probe p = {.fired = 0};

    begin(100);
    timer_init(&p.timer, on_fire);
    set(&p, 7);
    timer_wheel_advance(&wheel, 100);
    CU_ASSERT_EQUAL(p.fired, 0);
    timer_wheel_advance(&wheel, 101);
    CU_ASSERT_EQUAL(p.fired, 1);
}

static void the_next_time_is_never_later_than_the_first_timer(void)
{
    struct probe p = {.fired = 0};

    begin(1000);
    CU_ASSERT_EQUAL(timer_wheel_next_ms(&wheel), TIMER_NEVER);
    timer_init(&p.timer, on_fire);
    set(&p, 1000000);
    unsigned steps = 0;
    while (p.fired == 0 && steps++ < TIMER_WHEEL_LEVELS) {
        uint64_t next = timer_wheel_next_ms(&wheel);
        CU_ASSERT(next > wheel.now_ms && next <= 1000000);
        timer_wheel_advance(&wheel, next);
    }
    CU_ASSERT_EQUAL(p.fired, 1); /* one step a level at most, not one a millisecond */
    CU_ASSERT_EQUAL(wheel.now_ms, 1000000);
}

static void set_again(struct timer *t)
{
    struct probe *p = LIST_OF(t, struct probe, timer);

    if (++p->fired < 3)
        timer_set(&wheel, t, 0);
}

static void a_firing_timer_may_set_itself_for_a_later_advance(void)
{
    struct probe p = {.fired = 0};

    begin(10);
    timer_init(&p.timer, set_again);
    set(&p, 20);
    timer_wheel_advance(&wheel, 30);
    CU_ASSERT_EQUAL(p.fired, 1);
    timer_wheel_advance(&wheel, 31);
    timer_wheel_advance(&wheel, 32);
    timer_wheel_advance(&wheel, 33);
    CU_ASSERT_EQUAL(p.fired, 3);
}

/* Thousands of timers that are set, moved and cancelled at random fire in order, once each. */
static void every_timer_fires_once_in_order(void)
{
    enum { COUNT = 5000 };
    static struct probe probes[COUNT];
    unsigned expected = 0;
    unsigned fired = 0;

    srand(1);
    begin(999);
    for (size_t i = 0; i < COUNT; i++) {
        probes[i] = (struct probe){.fired = 0};
        timer_init(&probes[i].timer, on_fire);
        set(&probes[i], 1000 + (uint64_t)(rand() % 300000));
        if (i % 3 == 0)
            set(&probes[i], 1000 + (uint64_t)(rand() % 300000));
        if (i % 7 == 0)
            timer_cancel(&probes[i].timer);
        else
            expected++;
    }
    for (uint64_t now = 999; now < 302000; now += (uint64_t)(rand() % 2000)) {
        last_due_ms = 0;
        timer_wheel_advance(&wheel, now);
        for (size_t i = 0; i < COUNT; i += 611)
            CU_ASSERT_EQUAL(probes[i].fired, i % 7 != 0 && probes[i].due_ms <= wheel.now_ms);
    }
    timer_wheel_advance(&wheel, 302000);
    for (size_t i = 0; i < COUNT; i++)
        fired += probes[i].fired;
    CU_ASSERT_EQUAL(fired, expected);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(never_fires_early_and_fires_at_its_millisecond),
        UNIT(a_cancelled_timer_never_fires),
        UNIT(a_time_that_has_passed_means_the_next_millisecond),
        UNIT(the_next_time_is_never_later_than_the_first_timer),
        UNIT(a_firing_timer_may_set_itself_for_a_later_advance),
        UNIT(every_timer_fires_once_in_order),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/timer_wheel", tests);
}
