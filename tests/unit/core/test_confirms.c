#include "core/confirms.h"

#include "tests/support/unit.h"

static const struct sl_handle A = {1, 1, 0};
static const struct sl_handle B = {2, 1, 0};

static void nobody_is_confirmed_before_the_hand_over(void)
{
    struct confirm_line line = {0};
    struct waiting_publisher w;

    confirm_line_add(&line, A, 1, (sl_tag){3}, 1);
    CU_ASSERT_FALSE(confirm_line_next(&line, (sl_lsn){1000}, &w));
    confirm_line_deinit(&line);
}

static void nobody_is_confirmed_before_his_place_is_durable(void)
{
    struct confirm_line line = {0};
    struct waiting_publisher w;

    confirm_line_add(&line, A, 1, (sl_tag){3}, 1);
    confirm_line_place(&line, (sl_lsn){10});
    CU_ASSERT_FALSE(confirm_line_next(&line, (sl_lsn){9}, &w));
    CU_ASSERT_TRUE_FATAL(confirm_line_next(&line, (sl_lsn){10}, &w));
    CU_ASSERT_EQUAL(w.tag.v, 3);
    CU_ASSERT_FALSE(confirm_line_next(&line, (sl_lsn){10}, &w));
    confirm_line_deinit(&line);
}

static void one_number_stands_for_all_tags_of_a_run(void)
{
    struct confirm_line line = {0};
    struct waiting_publisher w;

    for (uint64_t tag = 1; tag <= 500; tag++)
        confirm_line_add(&line, A, 1, (sl_tag){tag}, 1);
    confirm_line_place(&line, (sl_lsn){10});
    CU_ASSERT_TRUE_FATAL(confirm_line_next(&line, (sl_lsn){10}, &w));
    CU_ASSERT_EQUAL(w.tag.v, 500);
    CU_ASSERT_TRUE(confirm_line_is_empty(&line));
    confirm_line_deinit(&line);
}

static void a_later_run_waits_for_its_own_place(void)
{
    struct confirm_line line = {0};
    struct waiting_publisher w;

    confirm_line_add(&line, A, 1, (sl_tag){1}, 1);
    confirm_line_place(&line, (sl_lsn){10});
    confirm_line_add(&line, A, 1, (sl_tag){2}, 1);
    confirm_line_place(&line, (sl_lsn){20});
    CU_ASSERT_TRUE_FATAL(confirm_line_next(&line, (sl_lsn){15}, &w));
    CU_ASSERT_EQUAL(w.tag.v, 1);
    CU_ASSERT_FALSE(confirm_line_next(&line, (sl_lsn){15}, &w));
    CU_ASSERT_TRUE_FATAL(confirm_line_next(&line, (sl_lsn){20}, &w));
    CU_ASSERT_EQUAL(w.tag.v, 2);
    confirm_line_deinit(&line);
}

static void publishers_of_one_run_are_told_apart_and_stay_in_order_as_the_line_grows(void)
{
    struct confirm_line line = {0};
    struct waiting_publisher w;
    uint64_t expected = 0;

    for (uint64_t run = 1; run <= 100; run++) {
        confirm_line_add(&line, A, run, (sl_tag){1}, 1);
        confirm_line_add(&line, B, run, (sl_tag){2}, 1);
        confirm_line_add(&line, A, run + 1000, (sl_tag){3}, 1);
        confirm_line_place(&line, (sl_lsn){run});
        if (run % 3 == 0) {
            CU_ASSERT_TRUE_FATAL(confirm_line_next(&line, (sl_lsn){run}, &w));
            CU_ASSERT_EQUAL(w.tag.v, expected % 3 + 1);
            expected++;
        }
    }
    while (confirm_line_next(&line, (sl_lsn){100}, &w)) {
        CU_ASSERT_EQUAL(w.tag.v, expected % 3 + 1);
        expected++;
    }
    CU_ASSERT_EQUAL(expected, 300);
    confirm_line_deinit(&line);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nobody_is_confirmed_before_the_hand_over),
        UNIT(nobody_is_confirmed_before_his_place_is_durable),
        UNIT(one_number_stands_for_all_tags_of_a_run),
        UNIT(a_later_run_waits_for_its_own_place),
        UNIT(publishers_of_one_run_are_told_apart_and_stay_in_order_as_the_line_grows),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/confirms", tests);
}
