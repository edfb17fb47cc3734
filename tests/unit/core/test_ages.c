#include "core/ages.h"

#include "tests/support/unit.h"

#include <string.h>

static struct ages a;

static void nothing_noted_is_nothing_known(void)
{
    memset(&a, 0, sizeof a);
    CU_ASSERT_EQUAL(ages_time(&a, 5), 0);
}

static void a_bad_record_is_refused(void)
{
    uint8_t room[AGES_BYTES_MAX] = {0, 0, 0, 2};

    CU_ASSERT_EQUAL(ages_read(&a, (struct sl_bytes){NULL, 0}), SL_ECORRUPT);
    CU_ASSERT_EQUAL(a.count, 0);
    CU_ASSERT_EQUAL(ages_read(&a, (struct sl_bytes){room, 20}), SL_ECORRUPT);
    CU_ASSERT_EQUAL(ages_read(&a, (struct sl_bytes){room, 36}), SL_ECORRUPT); /* does not grow */
    CU_ASSERT_EQUAL(a.count, 0);
    memset(room, 0xff, 4);
    CU_ASSERT_EQUAL(ages_read(&a, (struct sl_bytes){room, sizeof room}), SL_ECORRUPT);
}

static void within_seconds_it_is_right_to_a_second(void)
{
    memset(&a, 0, sizeof a);
    for (uint64_t ms = 1000; ms <= 15000; ms += 100)
        ages_note(&a, ms, ms); /* ten sequences a second, called as the time they came at */
    for (uint64_t seq = 1000; seq <= 15000; seq += 100) {
        uint64_t told = ages_time(&a, seq);
        CU_ASSERT(told <= seq && seq - told < AGES_STEP_MS);
    }
}

static void what_comes_after_a_pause_came_after_it(void)
{
    memset(&a, 0, sizeof a);
    ages_note(&a, 1, 1000);
    ages_note(&a, 2, 2000);
    for (uint64_t ms = 3000; ms <= 900000; ms += 1000)
        ages_note(&a, 3, ms);
    CU_ASSERT_EQUAL(ages_time(&a, 3), 900000);
    CU_ASSERT_EQUAL(ages_time(&a, 2), 2000);
}

static void of_years_it_is_right_to_a_sixteenth(void)
{
    const uint64_t end = 3ull * 365 * 24 * 3600;

    memset(&a, 0, sizeof a);
    for (uint64_t s = 1; s <= end; s += s < 100000 ? 1 : 60)
        ages_note(&a, s, s * 1000);
    CU_ASSERT(a.count < AGES_MARKS_MAX);
    CU_ASSERT_EQUAL(ages_time(&a, 1), 1000); /* none was lost */
    for (uint64_t s = 1; s < end; s += s / 7 + 1) {
        uint64_t told = ages_time(&a, s) / 1000;
        CU_ASSERT(told <= s && s - told <= (end - s) / 16 + 61);
    }
}

static void what_is_older_than_all_marks_is_at_least_that_old(void)
{
    memset(&a, 0, sizeof a);
    ages_note(&a, 100, 5000);
    CU_ASSERT_EQUAL(ages_time(&a, 1), 5000);
}

static void time_that_goes_back_is_not_noted(void)
{
    memset(&a, 0, sizeof a);
    ages_note(&a, 100, 5000);
    ages_note(&a, 200, 4000);
    ages_note(&a, 50, 9000);
    CU_ASSERT_EQUAL(a.count, 1);
    CU_ASSERT_EQUAL(ages_time(&a, 300), 5000);
}

static void it_comes_back_as_it_was_written(void)
{
    uint8_t room[AGES_BYTES_MAX];
    struct ages back;

    memset(&a, 0, sizeof a);
    for (uint64_t s = 1; s <= 100000; s++)
        ages_note(&a, s, s * 1000);
    size_t n = ages_write(&a, room);
    CU_ASSERT_EQUAL(ages_read(&back, (struct sl_bytes){room, n}), SL_OK);
    CU_ASSERT_EQUAL(back.count, a.count);
    CU_ASSERT_EQUAL(memcmp(back.marks, a.marks, a.count * sizeof *a.marks), 0);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(nothing_noted_is_nothing_known),
                                  UNIT(a_bad_record_is_refused),
                                  UNIT(within_seconds_it_is_right_to_a_second),
                                  UNIT(what_comes_after_a_pause_came_after_it),
                                  UNIT(of_years_it_is_right_to_a_sixteenth),
                                  UNIT(what_is_older_than_all_marks_is_at_least_that_old),
                                  UNIT(time_that_goes_back_is_not_noted),
                                  UNIT(it_comes_back_as_it_was_written),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/ages", tests);
}
