#include "core/groups.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/memory.h"
#include "core/queue.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (512u * 1024)

static struct faulty_disk *disk;
static struct table t;
static struct sitter *s;     /* publishes */
static struct sitter *first; /* consumes, and so does */
static struct sitter *second;

static void sit(void)
{
    s = table_sit(&t, 0);
    first = table_sit(&t, 0);
    second = table_sit(&t, 0);
}

static void set_up(void)
{
    disk = faulty_disk_new();
    SL_ASSERT(disk != NULL);
    table_init_on(&t, 1, BUDGET, disk);
    sit();
    SL_ASSERT(table_declare_durable(&t, s, "q", table_empty) == SL_OK);
}

static void tear_down(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void publish(const char *group, uint64_t body)
{
    struct properties_maker m;

    table_publish_with(s, "", "q", properties_of_header(&m, "JMSXGroupID", group, true), body);
}

static void publish_many(const char *group, uint64_t from, uint64_t end)
{
    for (uint64_t i = from; i < end; i++) {
        publish(group, i);
        if (i % 512 == 511)
            table_settle(&t);
    }
    table_settle(&t);
    for (int i = 0; i < 4; i++)
        table_flush(&t);
}

static void settle(struct sitter *who, size_t told, enum settle_verdict verdict)
{
    SL_ASSERT(settlement_settle(&who->settlement, &who->client, who->told[told].tag, false,
                                verdict) == SL_OK);
    table_settle(&t);
    table_flush(&t);
}

/* "a" is pinned to the first consumer, which has no credit; the second takes what else there is. */
static void pin_a_to_the_first(void)
{
    table_consume(&t, first, "q", 1, false);
    publish_many("a", 0, 1);
    SL_ASSERT(first->told_count == 1);
    table_consume(&t, second, "q", 0, false);
}

static void assert_told(const struct sitter *who, uint64_t from, size_t n)
{
    CU_ASSERT_EQUAL_FATAL(who->told_count, n);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(who->told[i].body, from + i);
}

static void a_queue_without_grouped_messages_has_no_groups(void)
{
    set_up();
    table_consume(&t, first, "q", 1, false);
    for (uint64_t i = 0; i < 10; i++)
        table_publish_persistent(s, "", "q", i);
    table_settle(&t);
    CU_ASSERT_PTR_NULL(table_queue(&t)->groups);
    CU_ASSERT_PTR_NULL(table_queue(&t)->aside);
    tear_down();
}

static void nothing_is_left_of_groups_when_their_consumers_are_gone(void)
{
    set_up();
    pin_a_to_the_first();
    publish_many("a", 1, 10);
    CU_ASSERT_EQUAL(aside_count(table_queue(&t)), 9);
    table_leave(&t, first);
    table_leave(&t, second);
    table_settle(&t);
    CU_ASSERT_PTR_NULL(table_queue(&t)->groups);
    CU_ASSERT_PTR_NULL(table_queue(&t)->aside);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 10);
    tear_down();
}

static void only_so_many_are_overtaken(void)
{
    set_up();
    pin_a_to_the_first();
    publish_many("a", 1, 1 + SL_GROUPS_OVERTAKEN);
    publish_many("b", 50000, 50001);
    CU_ASSERT_EQUAL(second->told_count, 1);
    publish_many("a", 10000, 10001);
    publish_many("b", 50001, 50002);
    CU_ASSERT_EQUAL(second->told_count, 1);
    CU_ASSERT_EQUAL(aside_count(table_queue(&t)), SL_GROUPS_OVERTAKEN);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), SL_GROUPS_OVERTAKEN + 2);
    settle(first, 0, SETTLE_CONSUMED);
    CU_ASSERT_EQUAL(second->told_count, 2);
    tear_down();
}

static void what_comes_back_stands_aside_beyond_that_bound(void)
{
    set_up();
    table_consume(&t, first, "q", 2, false);
    publish_many("a", 0, 2);
    struct subscription *sub = table_consume(&t, second, "q", 0, false);
    publish_many("a", 2, 2 + SL_GROUPS_OVERTAKEN);
    publish_many("b", 50000, 50001);
    settle(first, 0, SETTLE_RETURNED);
    CU_ASSERT_EQUAL(first->told_count, 3); /* it is the first of its group, and there is credit */
    CU_ASSERT_EQUAL(first->told[2].body, 0);
    settlement_deinit(&second->settlement);
    settlement_init(&second->settlement);
    broker_drop(&second->client, sub);
    table_settle(&t);
    table_consume(&t, second, "q", 0, false);
    CU_ASSERT_EQUAL(second->told[1].body, 50000);
    tear_down();
}

static void what_stands_aside_is_paged_out_and_comes_back_in_order(void)
{
    uint64_t n = 3000;
    set_up();
    pin_a_to_the_first();
    publish_many("a", 1, n);
    publish_many("b", 50000, 50001);
    CU_ASSERT_EQUAL(second->told_count, 1);
    memory_charge(2 * BUDGET); /* elsewhere: nothing may stay */
    for (int i = 0; i < 8; i++)
        table_flush(&t);
    struct entry *entries[8];
    CU_ASSERT_EQUAL(aside_residents(table_queue(&t), entries, 8), 0);
    CU_ASSERT_EQUAL(aside_count(table_queue(&t)), n - 1);
    memory_release(2 * BUDGET);
    for (uint64_t i = 0; i + 1 < n; i++)
        settle(first, (size_t)i, SETTLE_CONSUMED);
    assert_told(first, 0, n);
    CU_ASSERT_EQUAL(first->redelivered, 0);
    tear_down();
}

static void what_stands_aside_is_there_after_a_restart_in_order(void)
{
    set_up();
    pin_a_to_the_first();
    publish_many("a", 1, 100);
    publish_many("b", 50000, 50001);
    CU_ASSERT_EQUAL(aside_count(table_queue(&t)), 99);
    table_drop(&t);
    table_init_on(&t, 1, BUDGET, disk);
    sit();
    table_consume(&t, first, "q", 0, true);
    for (int i = 0; i < 4; i++)
        table_flush(&t);
    CU_ASSERT_EQUAL_FATAL(first->told_count, 101);
    for (uint64_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(first->told[i].body, i);
    tear_down();
}

static void thousands_of_groups_each_stay_in_order_with_one_consumer(void)
{
    enum { GROUPS = 2000, EACH = 5 };
    char name[16];
    set_up();
    table_consume(&t, first, "q", 500, false);
    table_consume(&t, second, "q", 500, false);
    for (uint64_t n = 0; n < EACH; n++)
        for (uint64_t g = 0; g < GROUPS; g++) {
            snprintf(name, sizeof name, "%u", (unsigned)g);
            publish(name, n * GROUPS + g);
            if (g % 512 == 511)
                table_settle(&t);
        }
    table_settle(&t);
    struct sitter *const both[] = {first, second};
    size_t done[2] = {0, 0};
    while (done[0] + done[1] < GROUPS * EACH) {
        size_t before = done[0] + done[1];
        for (int i = 0; i < 2; i++)
            if (done[i] < both[i]->told_count)
                settle(both[i], done[i]++, SETTLE_CONSUMED);
        if (done[0] + done[1] == before)
            table_flush(&t);
    }
    static uint64_t next[GROUPS];
    static int owner[GROUPS];
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < both[i]->told_count; k++) {
            uint64_t g = both[i]->told[k].body % GROUPS;
            CU_ASSERT_EQUAL(both[i]->told[k].body / GROUPS, next[g]++);
            CU_ASSERT_TRUE(owner[g] == 0 || owner[g] == i + 1);
            owner[g] = i + 1;
        }
    for (int g = 0; g < GROUPS; g++)
        CU_ASSERT_EQUAL(next[g], EACH);
    tear_down();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_queue_without_grouped_messages_has_no_groups),
        UNIT(nothing_is_left_of_groups_when_their_consumers_are_gone),
        UNIT(only_so_many_are_overtaken),
        UNIT(what_comes_back_stands_aside_beyond_that_bound),
        UNIT(what_stands_aside_is_paged_out_and_comes_back_in_order),
        UNIT(what_stands_aside_is_there_after_a_restart_in_order),
        UNIT(thousands_of_groups_each_stay_in_order_with_one_consumer),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/groups", tests);
}
