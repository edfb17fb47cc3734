#include "core/credit.h"

#include "core/base/limits.h"
#include "tests/support/unit.h"

static void a_full_window_lends_no_more_and_leaves_its_mark(void)
{
    struct session_window *w = session_window_new();

    session_window_lend(w, SL_SESSION_WINDOW_BYTES);
    CU_ASSERT_TRUE(session_window_room(w, 3) <= 0);
    CU_ASSERT_EQUAL(session_window_written(w, SL_SESSION_WINDOW_BYTES), 1u << 3);
    CU_ASSERT_TRUE(session_window_room(w, 3) > 0);
    session_window_unref(w);
}

static void nobody_is_poked_for_a_little_room(void)
{
    struct session_window *w = session_window_new();

    session_window_lend(w, SL_SESSION_WINDOW_BYTES);
    CU_ASSERT_TRUE(session_window_room(w, 0) <= 0);
    CU_ASSERT_EQUAL(session_window_written(w, 10), 0);
    CU_ASSERT_EQUAL(session_window_written(w, SL_SESSION_WINDOW_BYTES / 2), 1);
    CU_ASSERT_EQUAL(session_window_written(w, SL_SESSION_WINDOW_BYTES), 0); /* told once */
    session_window_unref(w);
}

static void a_group_is_never_over_its_limit(void)
{
    struct credit_group *g = credit_group_new(2);

    CU_ASSERT_TRUE(credit_group_take(g, 0));
    CU_ASSERT_TRUE(credit_group_take(g, 1));
    CU_ASSERT_FALSE(credit_group_take(g, 1));
    CU_ASSERT_EQUAL(credit_group_give(g, 1), 1u << 1);
    CU_ASSERT_TRUE(credit_group_take(g, 1));
    CU_ASSERT_FALSE(credit_group_take(g, 0));
    credit_group_unref(g);
}

static void a_raised_limit_wakes_those_who_starved(void)
{
    struct credit_group *g = credit_group_new(1);

    CU_ASSERT_TRUE(credit_group_take(g, 5));
    CU_ASSERT_FALSE(credit_group_take(g, 5));
    CU_ASSERT_EQUAL(credit_group_set_limit(g, 0), 1u << 5);
    CU_ASSERT_TRUE(credit_group_take(g, 5));
    credit_group_unref(g);
}

static void loans_from_before_the_group_count_in_it(void)
{
    struct credit_group *g = credit_group_new(3);

    credit_group_join(g, 3);
    CU_ASSERT_FALSE(credit_group_take(g, 0));
    credit_group_give(g, 1);
    CU_ASSERT_TRUE(credit_group_take(g, 0));
    credit_group_unref(g);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_full_window_lends_no_more_and_leaves_its_mark),
        UNIT(nobody_is_poked_for_a_little_room),
        UNIT(a_group_is_never_over_its_limit),
        UNIT(a_raised_limit_wakes_those_who_starved),
        UNIT(loans_from_before_the_group_count_in_it),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/credit", tests);
}
