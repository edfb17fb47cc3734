#include "core/retry.h"

#include "core/aside.h"
#include "core/base/assert.h"
#include "core/memory.h"
#include "core/queue.h"
#include "tests/support/table_log.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#define BUDGET (512u * 1024)

static struct faulty_disk *disk;
static struct table t;
static struct sitter *s;
static struct subscription *sub;

static struct queue_rules rules_of(const char *type, int64_t min, int64_t max)
{
    static struct table_maker m;
    struct queue_rules r;

    table_begin(&m);
    if (type != NULL)
        table_write_string(&m.w, sl_bytes_of("x-delayed-retry-type"), sl_bytes_of(type));
    if (min >= 0)
        table_write_s64(&m.w, sl_bytes_of("x-delayed-retry-min"), min);
    if (max >= 0)
        table_write_s64(&m.w, sl_bytes_of("x-delayed-retry-max"), max);
    rules_read(&r, table_end(&m));
    return r;
}

static void set_up(int64_t min, int64_t max)
{
    struct table_maker m;

    table_begin(&m);
    table_write_string(&m.w, sl_bytes_of("x-delayed-retry-type"), sl_bytes_of("all"));
    table_write_s64(&m.w, sl_bytes_of("x-delayed-retry-min"), min);
    table_write_s64(&m.w, sl_bytes_of("x-delayed-retry-max"), max);
    struct sl_bytes arguments = table_end(&m);
    disk = faulty_disk_new();
    SL_ASSERT(disk != NULL);
    table_init_on(&t, 1, BUDGET, disk);
    s = table_sit(&t, 0);
    SL_ASSERT(table_declare_durable(&t, s, "q", arguments) == SL_OK);
}

static void tear_down(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void publish(uint64_t from, uint64_t end)
{
    for (uint64_t i = from; i < end; i++)
        table_publish_persistent(s, "", "q", i);
    table_settle(&t);
    table_flush(&t);
}

static void consume(void)
{
    sub = table_consume(&t, s, "q", 0, false);
    table_flush(&t);
}

static void give_back(size_t told)
{
    SL_ASSERT(settlement_settle(&s->settlement, &s->client, s->told[told].tag, false,
                                SETTLE_RETURNED) == SL_OK);
    table_settle(&t);
}

static void without_a_type_or_a_least_time_nothing_waits(void)
{
    CU_ASSERT_EQUAL(rules_of(NULL, 100, 100).retry_min_ms, 0);
    CU_ASSERT_EQUAL(rules_of("disabled", 100, 100).retry_min_ms, 0);
    CU_ASSERT_EQUAL(rules_of("all", -1, 100).retry_min_ms, 0);
    CU_ASSERT_EQUAL(rules_of("all", 0, 100).retry_min_ms, 0);
    CU_ASSERT_EQUAL(rules_of("all", 100, 0).retry_min_ms, 0);
    CU_ASSERT_EQUAL(rules_of("all", 100, -1).retry_min_ms, 100);
    CU_ASSERT_EQUAL(rules_of("failed", 100, 200).retry_max_ms, 200);
    CU_ASSERT_EQUAL(rules_of("returned", 100, -1).retry_max_ms, UINT32_MAX);
}

static void each_return_waits_longer_up_to_the_most(void)
{
    static const uint64_t WAITS[] = {100, 200, 250, 250};
    set_up(100, 250);
    publish(0, 1);
    consume();
    for (size_t i = 0; i < sizeof WAITS / sizeof *WAITS; i++) {
        CU_ASSERT_EQUAL_FATAL(s->told_count, i + 1);
        CU_ASSERT_EQUAL(s->told[i].returns, i);
        give_back(i);
        table_wait(&t, WAITS[i] - 1);
        CU_ASSERT_EQUAL(s->told_count, i + 1);
        table_wait(&t, 1);
    }
    tear_down();
}

static void what_waits_is_not_ready_and_is_held_all_the_same(void)
{
    set_up(100, 100);
    publish(0, 3);
    consume();
    give_back(0);
    struct queue *q = table_queue(&t);
    CU_ASSERT_EQUAL(retry_count(q), 1);
    CU_ASSERT_EQUAL(queue_ready(q), 0);
    CU_ASSERT_EQUAL(queue_count(q), 1);
    CU_ASSERT_EQUAL(q->ready_bytes, 8);
    broker_purge_queue(&s->client, 9, sl_bytes_of("q"));
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT_EQUAL(s->last->messages, 1);
    CU_ASSERT_PTR_NULL(q->aside);
    CU_ASSERT_EQUAL(q->ready_bytes, 0);
    tear_down();
}

static void it_goes_out_before_everything_later_that_is_not_out(void)
{
    set_up(100, 100);
    publish(0, 1);
    sub = table_consume(&t, s, "q", 1, false);
    table_flush(&t);
    give_back(0);
    publish(1, 4);
    CU_ASSERT_EQUAL(s->told[1].body, 1);
    table_wait(&t, 100);
    SL_ASSERT(settlement_settle(&s->settlement, &s->client, s->told[1].tag, false,
                                SETTLE_CONSUMED) == SL_OK);
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT_EQUAL_FATAL(s->told_count, 3);
    CU_ASSERT_EQUAL(s->told[2].body, 0);
    tear_down();
}

static void a_restart_ends_the_wait_and_keeps_the_count(void)
{
    set_up(100000, 100000);
    publish(0, 2);
    consume();
    give_back(0);
    give_back(1);
    table_flush(&t);
    table_drop(&t);
    table_init_on(&t, 1, BUDGET, disk);
    s = table_sit(&t, 0);
    consume();
    table_flush(&t);
    CU_ASSERT_EQUAL_FATAL(s->told_count, 2);
    CU_ASSERT_EQUAL(s->told[0].body, 0);
    CU_ASSERT_EQUAL(s->told[1].returns, 1);
    tear_down();
}

static void many_that_wait_are_paged_out_and_come_back_in_order(void)
{
    enum { MANY = 2000 };
    set_up(100, 100);
    publish(0, MANY);
    consume();
    for (int i = 0; i < 4; i++) {
        broker_client_written(&s->client, s->cost);
        table_flush(&t);
    }
    CU_ASSERT_EQUAL_FATAL(s->told_count, MANY);
    settlement_deinit(&s->settlement);
    settlement_init(&s->settlement);
    broker_drop(&s->client, sub);
    table_settle(&t);
    CU_ASSERT_EQUAL(retry_count(table_queue(&t)), MANY);
    memory_charge(2 * BUDGET); /* elsewhere: nothing may stay */
    for (int i = 0; i < 8; i++)
        table_flush(&t);
    struct entry *entries[8];
    CU_ASSERT_EQUAL(aside_residents(table_queue(&t), entries, 8), 0);
    memory_release(2 * BUDGET);
    table_wait(&t, 100);
    struct sitter *other = table_sit(&t, 0);
    table_consume(&t, other, "q", 0, true);
    for (int i = 0; i < 8; i++) {
        broker_client_written(&other->client, other->cost);
        table_flush(&t);
    }
    CU_ASSERT_EQUAL_FATAL(other->told_count, MANY);
    for (uint64_t i = 0; i < MANY; i++)
        CU_ASSERT_EQUAL(other->told[i].body, i);
    CU_ASSERT_EQUAL(other->redelivered, MANY);
    tear_down();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(without_a_type_or_a_least_time_nothing_waits),
        UNIT(each_return_waits_longer_up_to_the_most),
        UNIT(what_waits_is_not_ready_and_is_held_all_the_same),
        UNIT(it_goes_out_before_everything_later_that_is_not_out),
        UNIT(a_restart_ends_the_wait_and_keeps_the_count),
        UNIT(many_that_wait_are_paged_out_and_come_back_in_order),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/retry", tests);
}
