#include "core/live.h"

#include "tests/support/unit.h"

#include <stdlib.h>

#define STRETCH 1000u

static sl_lsn at(uint64_t stretch)
{
    return (sl_lsn){stretch * STRETCH + 7};
}

static void what_was_added_and_taken_off_leaves_nothing(void)
{
    struct live l = {.stretch_bytes = STRETCH};

    for (uint64_t i = 0; i < 100; i++)
        live_add(&l, at(i), 10, 1);
    for (uint64_t i = 0; i < 100; i++)
        live_sub(&l, at(99 - i), 10, 1);
    CU_ASSERT_EQUAL(l.count, 0);
    live_deinit(&l);
}

static void an_old_stretch_keeps_what_is_in_it_while_the_rest_slides_on(void)
{
    struct live l = {.stretch_bytes = STRETCH};

    live_add(&l, at(3), 5, 1);
    for (uint64_t i = 3; i < 5000; i++) {
        live_add(&l, at(i), 100, 2);
        if (i >= 8)
            live_sub(&l, at(i - 5), 100, 2);
    }
    CU_ASSERT_EQUAL(l.first, 3);
    CU_ASSERT_EQUAL(live_at(&l, 3)->bytes, 5);
    CU_ASSERT_EQUAL(live_at(&l, 3)->entries, 1);
    CU_ASSERT_EQUAL(live_at(&l, 100)->entries, 0);
    CU_ASSERT_EQUAL(live_at(&l, 4999)->bytes, 100);
    live_sub(&l, at(3), 5, 1);
    CU_ASSERT_EQUAL(l.first, 4995);
    CU_ASSERT_EQUAL(l.count, 5);
    CU_ASSERT_TRUE(l.room >= 4997);
    live_deinit(&l);
}

static void places_may_come_in_any_order(void)
{
    struct live l = {.stretch_bytes = STRETCH};

    live_add(&l, at(50), 1, 1);
    live_add(&l, at(2), 2, 1);
    live_add(&l, at(47), 3, 1);
    CU_ASSERT_EQUAL(l.first, 2);
    CU_ASSERT_EQUAL(live_at(&l, 2)->bytes, 2);
    CU_ASSERT_EQUAL(live_at(&l, 30)->bytes, 0);
    CU_ASSERT_EQUAL(live_at(&l, 47)->bytes, 3);
    live_sub(&l, at(2), 2, 1);
    CU_ASSERT_EQUAL(l.first, 47);
    live_add(&l, at(40), 4, 1); /* where an older one was */
    CU_ASSERT_EQUAL(live_at(&l, 40)->bytes, 4);
    CU_ASSERT_EQUAL(live_at(&l, 41)->bytes, 0);
    CU_ASSERT_EQUAL(live_at(&l, 50)->bytes, 1);
    live_deinit(&l);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_was_added_and_taken_off_leaves_nothing),
        UNIT(an_old_stretch_keeps_what_is_in_it_while_the_rest_slides_on),
        UNIT(places_may_come_in_any_order),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/live", tests);
}
