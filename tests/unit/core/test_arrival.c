#include "core/arrival.h"

#include "core/base/limits.h"
#include "core/memory.h"
#include "core/properties.h"
#include "tests/support/unit.h"

#define KIB 1024u

static struct arrival arrival;

static uint64_t used(void)
{
    memory_settle();
    return memory_used();
}

static void begin(size_t body_len)
{
    struct message *msg = message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, body_len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    arrival_begin(&arrival, msg);
}

static void add(size_t n)
{
    static const uint8_t part[100 * KIB];

    CU_ASSERT_EQUAL(arrival_add(&arrival, (struct sl_bytes){part, n}), SL_OK);
}

static void what_is_not_whole_is_not_in_the_budget(void)
{
    uint64_t before = used();

    begin(4096 * KIB);
    CU_ASSERT_EQUAL(used(), before);
    for (int i = 0; i < 30; i++)
        add(100 * KIB);
    CU_ASSERT_EQUAL(used(), before);
    struct message *msg = arrival_end(&arrival);
    CU_ASSERT_EQUAL(used(), before + message_cost(msg));
    CU_ASSERT_EQUAL(message_body(msg).len, 3000 * KIB);
    message_unref(msg);
    CU_ASSERT_EQUAL(used(), before);
}

static void what_is_forgotten_leaves_nothing_behind(void)
{
    uint64_t before = used();

    begin(2048 * KIB);
    CU_ASSERT_TRUE(memory_room_take(2048 * KIB, 3000 * KIB));
    arrival.room = 2048 * KIB;
    add(100 * KIB);
    arrival_drop(&arrival);
    arrival_drop(&arrival);
    CU_ASSERT_EQUAL(used(), before);
    CU_ASSERT_TRUE(memory_room_is_free(3000 * KIB, 3000 * KIB));
}

static void room_is_bounded(void)
{
    CU_ASSERT_TRUE(memory_room_take(60, 100));
    CU_ASSERT_FALSE(memory_room_take(41, 100));
    CU_ASSERT_FALSE(memory_room_take(UINT64_MAX, 100));
    CU_ASSERT_FALSE(memory_room_is_free(1, 50)); /* a smaller bound than what is taken */
    CU_ASSERT_TRUE(memory_room_take(40, 100));
    CU_ASSERT_FALSE(memory_room_is_free(1, 100));
    memory_room_give(60);
    CU_ASSERT_TRUE(memory_room_is_free(60, 100));
    memory_room_give(40);
}

static void the_only_one_gets_what_it_needs(void)
{
    CU_ASSERT_TRUE(memory_room_take(1000, 100));
    CU_ASSERT_FALSE(memory_room_take(1, 100));
    memory_room_give(1000);
    CU_ASSERT_TRUE(memory_room_take(1, 100));
    memory_room_give(1);
}

static void the_pace_is_that_of_a_whole_period(void)
{
    begin(200 * KIB);
    CU_ASSERT_TRUE(arrival_keeps_pace(&arrival, 0)); /* it may have begun just now */
    CU_ASSERT_FALSE(arrival_keeps_pace(&arrival, 0));
    CU_ASSERT_TRUE(arrival_keeps_pace(&arrival, 1));
    arrival.room = 1;
    CU_ASSERT_TRUE(memory_room_take(1, 1));
    CU_ASSERT_FALSE(arrival_keeps_pace(&arrival, SL_ARRIVAL_PACE_BYTES));
    CU_ASSERT_TRUE(arrival_keeps_pace(&arrival, 2 * SL_ARRIVAL_PACE_BYTES));
    arrival_excuse(&arrival);
    CU_ASSERT_TRUE(arrival_keeps_pace(&arrival, 2 * SL_ARRIVAL_PACE_BYTES));
    arrival_drop(&arrival);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(room_is_bounded),
        UNIT(the_only_one_gets_what_it_needs),
        UNIT(what_is_not_whole_is_not_in_the_budget),
        UNIT(what_is_forgotten_leaves_nothing_behind),
        UNIT(the_pace_is_that_of_a_whole_period),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/arrival", tests);
}
