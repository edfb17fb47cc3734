#include "core/pressure.h"

#include "core/memory.h"
#include "tests/support/unit.h"

#define BUDGET 1000000u

static void take(uint64_t bytes)
{
    memory_charge(bytes);
    memory_settle();
}

static void give(uint64_t bytes)
{
    memory_release(bytes);
    memory_settle();
}

static void nobody_is_held_at_the_budget_and_everybody_above_it(void)
{
    struct pressure p = {.budget_bytes = BUDGET};
    uint64_t seen = 0;

    take(BUDGET);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &seen), 0);
    take(1);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &seen), HELD_BY_MEMORY);
    give(1 + BUDGET / 5);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &seen), HELD_BY_MEMORY);
    give(1);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &seen), 0);
    give(BUDGET - BUDGET / 5 - 1);
}

static void who_looks_late_still_gets_a_turn(void)
{
    struct pressure p = {.budget_bytes = BUDGET};
    uint64_t early = 0;
    uint64_t late = 0;

    take(BUDGET + 1);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &early), HELD_BY_MEMORY);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &late), HELD_BY_MEMORY);
    give(BUDGET);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &early), 0);
    take(BUDGET);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &early), HELD_BY_MEMORY);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &late), 0);
    CU_ASSERT_EQUAL(pressure_look(&p, NULL, &late), HELD_BY_MEMORY);
    give(BUDGET + 1);
}

static void a_low_disk_and_short_memory_are_told_apart(void)
{
    struct pressure p = {.budget_bytes = BUDGET};
    uint64_t seen = 0;

    atomic_store(&p.is_disk_low, true);
    CU_ASSERT_STRING_EQUAL(pressure_reason(pressure_look(&p, NULL, &seen)), "low on disk");
    take(BUDGET + 1);
    CU_ASSERT_STRING_EQUAL(pressure_reason(pressure_look(&p, NULL, &seen)), "low on memory & disk");
    atomic_store(&p.is_disk_low, false);
    CU_ASSERT_STRING_EQUAL(pressure_reason(pressure_look(&p, NULL, &seen)), "low on memory");
    give(BUDGET + 1);
    CU_ASSERT_STRING_EQUAL(pressure_reason(pressure_look(&p, NULL, &seen)), "");
}

static void who_only_waits_for_a_slow_disk_is_not_told(void)
{
    CU_ASSERT_STRING_EQUAL(pressure_reason(HELD_BY_LOG), "");
    CU_ASSERT_STRING_EQUAL(pressure_reason(HELD_BY_LOG | HELD_BY_DISK), "low on disk");
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nobody_is_held_at_the_budget_and_everybody_above_it),
        UNIT(who_looks_late_still_gets_a_turn),
        UNIT(a_low_disk_and_short_memory_are_told_apart),
        UNIT(who_only_waits_for_a_slow_disk_is_not_told),
        CU_TEST_INFO_NULL,
    };
    return unit_run("pressure", tests);
}
