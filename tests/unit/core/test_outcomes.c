#include "core/outcomes.h"

#include "core/base/limits.h"
#include "core/memory.h"
#include "tests/support/unit.h"

static struct outcomes o;
static struct live live;

static struct outcome outcome_of(uint64_t number, uint64_t time)
{
    struct outcome outcome = {.verdict = number % 2, .time = time};

    sl_store_u64(outcome.key, number);
    return outcome;
}

static void begin(void)
{
    live = (struct live){.stretch_bytes = 4096};
    o = (struct outcomes){0};
}

static void end(void)
{
    outcomes_deinit(&o, &live);
    for (uint64_t n = live.first; n < live.first + live.count; n++)
        CU_ASSERT_EQUAL(live_at(&live, n)->entries, 0);
    live_deinit(&live);
}

static void add(uint64_t from, uint64_t n, uint64_t time)
{
    for (uint64_t i = from; i < from + n; i++) {
        struct outcome outcome = outcome_of(i, time);
        outcomes_add(&o, &outcome, &live);
    }
}

static bool knows(uint64_t number, uint64_t now)
{
    struct outcome wanted = outcome_of(number, 0);
    const struct outcome *found = outcomes_find(&o, wanted.key, now);

    CU_ASSERT_TRUE(found == NULL || found->verdict == wanted.verdict);
    return found != NULL;
}

static void what_was_never_decided_is_not_known(void)
{
    begin();
    CU_ASSERT_FALSE(knows(1, 0));
    add(1, 1, 5);
    CU_ASSERT_FALSE(knows(2, 5));
    end();
}

static void the_first_outcome_stays(void)
{
    struct outcome other = outcome_of(2, 7);

    begin();
    add(2, 1, 5);
    other.verdict = VERDICT_ROLLBACK;
    outcomes_add(&o, &other, &live);
    CU_ASSERT_TRUE(knows(2, 7));
    CU_ASSERT_EQUAL(o.count, 1);
    end();
}

static void after_seven_days_it_is_forgotten_and_may_come_again(void)
{
    begin();
    add(1, 1, 5);
    CU_ASSERT_TRUE(knows(1, 5 + SL_OUTCOMES_MS - 1));
    CU_ASSERT_FALSE(knows(1, 5 + SL_OUTCOMES_MS));
    add(1, 1, 5 + SL_OUTCOMES_MS);
    CU_ASSERT_TRUE(knows(1, 5 + SL_OUTCOMES_MS));
    end();
    begin();
    add(1, OUTCOMES_BLOCK, 5);
    add(1, 1, 5 + SL_OUTCOMES_MS); /* the old block goes */
    CU_ASSERT_EQUAL(o.count, 1);
    end();
}

static void they_leave_the_memory_to_messages(void)
{
    memory_settle();
    uint64_t before = memory_used();

    begin();
    add(1, 10 * OUTCOMES_BLOCK, 5);
    memory_settle();
    CU_ASSERT_EQUAL(memory_used(), before);
    end();
}

static void a_million_are_remembered_and_the_oldest_go(void)
{
    uint64_t n = SL_OUTCOMES_MAX + 2 * OUTCOMES_BLOCK;

    begin();
    add(1, n, 5);
    CU_ASSERT_FALSE(knows(1, 5));
    CU_ASSERT_TRUE(knows(n - SL_OUTCOMES_MAX + 1, 5));
    CU_ASSERT_TRUE(o.count >= SL_OUTCOMES_MAX);
    CU_ASSERT_TRUE(o.count <= SL_OUTCOMES_MAX + OUTCOMES_BLOCK);
    end();
}

static void a_full_block_is_written_once_and_again_where_its_place_is_given_up(void)
{
    begin();
    add(1, OUTCOMES_BLOCK - 1, 5);
    CU_ASSERT_PTR_NULL(outcomes_unwritten(&o));
    add(OUTCOMES_BLOCK, 2, 5);
    struct outcome_block *block = outcomes_unwritten(&o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    outcome_block_placed(block, (sl_lsn){100}, 64, &live);
    CU_ASSERT_PTR_NULL(outcomes_unwritten(&o));
    CU_ASSERT_EQUAL(live_at(&live, 0)->bytes, 64);
    CU_ASSERT_PTR_NULL(outcomes_within(&o, (sl_lsn){0}, (sl_lsn){100}));
    CU_ASSERT_PTR_EQUAL(outcomes_within(&o, (sl_lsn){100}, (sl_lsn){101}), block);
    outcome_block_placed(block, (sl_lsn){5000}, 64, &live);
    CU_ASSERT_EQUAL(live_at(&live, 0)->bytes, 0);
    CU_ASSERT_EQUAL(live_at(&live, 1)->bytes, 64);
    end();
}

static void what_is_no_outcome_is_not_read(void)
{
    uint8_t bytes[OUTCOME_BYTES] = {0};
    struct sl_reader whole = {bytes, bytes + sizeof bytes, false};
    struct sl_reader part = {bytes, bytes + sizeof bytes - 1, false};
    struct outcome outcome;

    CU_ASSERT_EQUAL(outcome_read(&part, &outcome), SL_ECORRUPT);
    CU_ASSERT_EQUAL(outcome_read(&whole, &outcome), SL_OK);
    bytes[OUTCOME_BYTES - 1] = 2;
    whole = (struct sl_reader){bytes, bytes + sizeof bytes, false};
    CU_ASSERT_EQUAL(outcome_read(&whole, &outcome), SL_ECORRUPT);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_was_never_decided_is_not_known),
        UNIT(the_first_outcome_stays),
        UNIT(after_seven_days_it_is_forgotten_and_may_come_again),
        UNIT(they_leave_the_memory_to_messages),
        UNIT(a_million_are_remembered_and_the_oldest_go),
        UNIT(a_full_block_is_written_once_and_again_where_its_place_is_given_up),
        UNIT(what_is_no_outcome_is_not_read),
        CU_TEST_INFO_NULL};
    return unit_run("core/outcomes", tests);
}
