/* Messages of any exchange that come later, on the real core, on a log, with time in the test's
 * hands. */
#include "core/schedule.h"

#include "core/broker.h"
#include "core/keeper.h"
#include "core/queue.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)
#define BUDGET_NONE 1u /* everything that can be paged out is */
#define HOUR_MS 3600000

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;

static void sit(uint64_t budget)
{
    table_init_on(&t, 2, budget, disk);
    a = table_sit(&t, 0);
    table_sit(&t, 1);
}

static void declare_exchange(const char *name, bool is_internal)
{
    struct exchange_declaration d = {.name = sl_bytes_of(name),
                                     .type = SL_BYTES_LITERAL("direct"),
                                     .is_durable = true,
                                     .is_internal = is_internal};

    broker_declare_exchange(&a->client, 1, &d);
    table_sync(&t);
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
}

static void begin(uint64_t budget)
{
    disk = faulty_disk_new();
    sit(budget);
    CU_ASSERT_EQUAL_FATAL(table_declare_durable(&t, a, "q", table_empty), SL_OK);
    declare_exchange("x", false);
    CU_ASSERT_EQUAL_FATAL(table_bind(&t, a, "q", "x", "q"), SL_OK);
    table_sync(&t);
}

static void start_again(uint64_t budget)
{
    table_sync(&t);
    table_drop(&t);
    sit(budget);
}

static void end(void)
{
    table_deinit(&t);
    faulty_disk_free(disk);
}

static enum sl_err send(const char *exchange, int64_t delay_ms, bool is_scheduled)
{
    struct properties_maker m;
    struct properties p = {.present = PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE,
                           .delivery_mode = 2};
    struct sl_writer w = {m.room, m.room + sizeof m.room, false};
    const struct route *route;

    table_begin(&m.headers);
    table_write_s64(&m.headers.w, SL_BYTES_LITERAL("x-delay"), delay_ms);
    p.headers = table_end(&m.headers);
    properties_encode(&p, &w);
    struct message *msg = message_new(sl_bytes_of(exchange), SL_BYTES_LITERAL("q"),
                                      (struct sl_bytes){m.room, (size_t)(w.pos - m.room)}, 0);
    msg->is_scheduled = is_scheduled;
    const struct routed what = routed_of(msg);
    broker_worker_refresh(a->client.worker);
    enum sl_err err = broker_route(&a->client, &what, &route);
    if (err == SL_OK)
        broker_publish(&a->client, route, msg);
    else
        message_unref(msg);
    table_sync(&t);
    return err;
}

static int64_t ready(void)
{
    table_sync(&t);
    return table_ready(&t, a, "q");
}

/* UINT64_MAX: there is no queue that holds what is scheduled. */
static uint64_t held(void)
{
    struct topology *topology = broker_topology(t.broker);

    topology_lock(topology);
    const struct exchange *e = topology_exchange(a->client.vhost, SL_BYTES_LITERAL(""));
    uint64_t count = e->holding == NULL ? UINT64_MAX : e->holding->held;
    topology_unlock(topology);
    return count;
}

static void wait(uint64_t ms)
{
    table_wait(&t, ms);
    table_sync(&t);
}

static void checkpoint(void)
{
    struct keeper *k = table_keeper(&t);
    uint64_t ms = 0;

    CU_ASSERT_EQUAL(table_checkpoint(&t, k, &ms), SL_OK);
    keeper_free(k);
}

static void an_exchange_that_is_not_there_or_internal_takes_nothing_for_later(void)
{
    begin(BUDGET);
    declare_exchange("inside", true);
    CU_ASSERT_EQUAL(send("none", 1000, true), SL_ENOENT);
    CU_ASSERT_EQUAL(send("inside", 1000, true), SL_EDENIED);
    wait(1000);
    CU_ASSERT_EQUAL(ready(), 0);
    end();
}

static void nobody_has_the_queue_before_something_is_scheduled(void)
{
    begin(BUDGET);
    CU_ASSERT_EQUAL(send("", 1000, false), SL_OK);
    CU_ASSERT_EQUAL(held(), UINT64_MAX);
    start_again(BUDGET);
    CU_ASSERT_EQUAL(held(), UINT64_MAX);
    end();
}

static void what_only_has_the_header_is_not_delayed(void)
{
    begin(BUDGET);
    CU_ASSERT_EQUAL(send("", HOUR_MS, true), SL_OK);
    CU_ASSERT_EQUAL(send("", HOUR_MS, false), SL_OK);
    CU_ASSERT_EQUAL(send("x", HOUR_MS, false), SL_OK);
    CU_ASSERT_EQUAL(ready(), 2);
    CU_ASSERT_EQUAL(held(), 1);
    end();
}

static void it_comes_by_its_own_exchange_and_not_before_its_time(void)
{
    static const char *const EXCHANGES[] = {"", "x"};

    for (size_t i = 0; i < 4; i++) {
        begin(i / 2 == 0 ? BUDGET : BUDGET_NONE);
        CU_ASSERT_EQUAL(send(EXCHANGES[i % 2], HOUR_MS, true), SL_OK);
        CU_ASSERT_EQUAL(held(), 1);
        wait(HOUR_MS - 1);
        CU_ASSERT_EQUAL(ready(), 0);
        wait(1);
        CU_ASSERT_EQUAL(ready(), 1);
        CU_ASSERT_EQUAL(held(), 0);
        end();
    }
}

static void one_whose_exchange_is_gone_is_gone_alone(void)
{
    begin(BUDGET);
    CU_ASSERT_EQUAL(send("x", 5000, true), SL_OK);
    CU_ASSERT_EQUAL(send("", 5000, true), SL_OK);
    broker_delete_exchange(&a->client, 1, SL_BYTES_LITERAL("x"), false);
    table_sync(&t);
    CU_ASSERT_EQUAL(held(), 2);
    wait(5000);
    CU_ASSERT_EQUAL(ready(), 1);
    CU_ASSERT_EQUAL(held(), 0);
    CU_ASSERT_EQUAL(table_live_entries(&t), 1);
    end();
}

static void they_come_once_over_starts(bool has_checkpoints, uint64_t budget)
{
    begin(budget);
    for (int64_t i = 1; i <= 8; i++)
        CU_ASSERT_EQUAL(send(i % 2 == 0 ? "" : "x", i * HOUR_MS, true), SL_OK);
    for (int64_t i = 1; i <= 8; i++) {
        if (has_checkpoints)
            checkpoint();
        start_again(budget);
        CU_ASSERT_EQUAL(held(), (uint64_t)(9 - i));
        wait(HOUR_MS);
        CU_ASSERT_EQUAL(ready(), i);
    }
    broker_purge_queue(&a->client, 1, SL_BYTES_LITERAL("q"));
    CU_ASSERT_EQUAL(ready(), 0);
    CU_ASSERT_EQUAL(table_live_entries(&t), 0);
    start_again(budget);
    CU_ASSERT_EQUAL(held(), 0);
    CU_ASSERT_EQUAL(send("x", 1000, true), SL_OK); /* by the queue that there is */
    wait(1000);
    CU_ASSERT_EQUAL(ready(), 1);
    end();
}

static void they_come_once_over_starts_from_the_log_and_from_checkpoints(void)
{
    they_come_once_over_starts(false, BUDGET);
    they_come_once_over_starts(true, BUDGET);
    they_come_once_over_starts(true, BUDGET_NONE);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(an_exchange_that_is_not_there_or_internal_takes_nothing_for_later),
        UNIT(nobody_has_the_queue_before_something_is_scheduled),
        UNIT(what_only_has_the_header_is_not_delayed),
        UNIT(it_comes_by_its_own_exchange_and_not_before_its_time),
        UNIT(one_whose_exchange_is_gone_is_gone_alone),
        UNIT(they_come_once_over_starts_from_the_log_and_from_checkpoints),
        CU_TEST_INFO_NULL};
    return unit_run("core/schedule", tests);
}
