/* Ids of messages that the broker itself sends on, and that wait on their way. */
#include "core/dedup.h"

#include "core/broker.h"
#include "core/evacuation.h"
#include "tests/support/properties_maker.h"
#include "tests/support/table_log.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define BUDGET (64u * 1024 * 1024)
#define DELAY_MS 90000u
#define MANY 20u /* more than the first chunk, which so leaves memory */

static struct faulty_disk *disk;
static struct table t;
static struct sitter *a;

static void sit(void)
{
    table_init_on(&t, 2, BUDGET, disk);
    a = table_sit(&t, 0);
}

static void declare(void)
{
    struct table_maker m;
    struct exchange_declaration e = {.name = SL_BYTES_LITERAL("later"),
                                     .type = SL_BYTES_LITERAL("x-delayed-message"),
                                     .is_durable = true,
                                     .arguments = table_of_string(&m, "x-delayed-type", "fanout")};
    struct queue_declaration q = {.name = SL_BYTES_LITERAL("q"), .is_durable = true};

    broker_declare_exchange(&a->client, 1, &e);
    table_sync(&t);
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
    q.arguments = table_of_string(&m, "x-dead-letter-exchange", "later");
    broker_declare_queue(&a->client, 2, &q, "");
    table_sync(&t);
    CU_ASSERT_EQUAL_FATAL(a->last->err, SL_OK);
    CU_ASSERT_EQUAL_FATAL(table_bind(&t, a, "q", "later", ""), SL_OK);
}

static void publish(uint64_t body, bool is_persistent)
{
    struct properties_maker m;
    char id[16];

    snprintf(id, sizeof id, "%llu", (unsigned long long)body);
    table_begin(&m.headers);
    table_write_string(&m.headers.w, SL_BYTES_LITERAL("dedup-id"), sl_bytes_of(id));
    table_write_s64(&m.headers.w, SL_BYTES_LITERAL("x-delay"), DELAY_MS);
    table_publish_with(a, "", "q", properties_of_headers(&m, table_end(&m.headers), is_persistent),
                       body);
}

/* Messages are refused by their consumer, and wait to come to their queue again. */
static void begin(bool is_persistent)
{
    disk = faulty_disk_new();
    sit();
    declare();
    for (uint64_t i = 0; i < MANY; i++)
        publish(i, is_persistent);
    table_consume(&t, a, "q", 0, false);
    table_sync(&t);
    CU_ASSERT_EQUAL_FATAL(a->told_count, MANY);
    CU_ASSERT_EQUAL(
        settlement_settle(&a->settlement, &a->client, (sl_tag){0}, true, SETTLE_REJECTED), SL_OK);
    table_sync(&t);
}

static void crash(void)
{
    table_drop(&t);
    sit();
    table_consume(&t, a, "q", 0, false);
    table_sync(&t);
}

static void they_come_back(void)
{
    size_t before = a->told_count;

    table_wait(&t, DELAY_MS - 1);
    table_sync(&t);
    CU_ASSERT_EQUAL(a->told_count, before);
    table_wait(&t, 1);
    table_sync(&t);
    CU_ASSERT_EQUAL(a->told_count, before + MANY);
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void dead_letters_that_waited_are_not_asked_for_their_ids(void)
{
    begin(true);
    they_come_back();
}

static void nor_transient_ones(void)
{
    begin(false);
    they_come_back();
}

static void nor_after_a_start(void)
{
    begin(true);
    crash();
    they_come_back();
}

static void nor_from_the_end_of_the_log(void)
{
    begin(true);
    struct evacuation *e = table_evacuate(&t, (sl_lsn){0}, commit_log_end(t.log));
    for (int i = 0; i < 100 && !evacuation_is_over(e); i++)
        table_turn(&t, a);
    CU_ASSERT(evacuation_is_over(e));
    CU_ASSERT(e->records >= MANY);
    evacuation_unref(e);
    table_sync(&t);
    crash();
    they_come_back();
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(dead_letters_that_waited_are_not_asked_for_their_ids),
                                  UNIT(nor_transient_ones), UNIT(nor_after_a_start),
                                  UNIT(nor_from_the_end_of_the_log), CU_TEST_INFO_NULL};
    return unit_run("core/dedup_waiting", tests);
}
