#include "core/dispatch.h"

#include "core/base/assert.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)

static struct table t;
static struct sitter *s; /* publishes */

static void set_up(bool is_single)
{
    struct table_maker m;

    table_init(&t, 1, BUDGET);
    s = table_sit(&t, 0);
    table_begin(&m);
    table_write_bool(&m.w, sl_bytes_of("x-single-active-consumer"), is_single);
    SL_ASSERT(table_declare_with(&t, s, "q", table_end(&m)) == SL_OK);
}

static struct queue *queue_of_table(void)
{
    return broker_worker_at(t.broker, 0)->shard->queues[0];
}

static struct sitter *consumer_of(int64_t priority, uint32_t prefetch)
{
    struct sitter *who = table_sit(&t, 0);
    struct subscribe_options o = {
        .queue = sl_bytes_of("q"), .prefetch = prefetch, .priority = priority};

    SL_ASSERT(broker_subscribe(&who->client, 3, &o) != NULL);
    table_settle(&t);
    SL_ASSERT(who->last->err == SL_OK);
    return who;
}

static void publish(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
}

static void ack(struct sitter *who, size_t told)
{
    SL_ASSERT(settlement_settle(&who->settlement, &who->client, who->told[told].tag, false,
                                SETTLE_CONSUMED) == SL_OK);
    table_settle(&t);
}

static void without_priorities_there_are_no_ranks(void)
{
    set_up(false);
    consumer_of(0, 0);
    CU_ASSERT_PTR_NULL(queue_of_table()->ranks);
    table_deinit(&t);
}

static void the_last_of_them_takes_the_ranks_along(void)
{
    set_up(false);
    struct sitter *one = consumer_of(5, 0);
    struct sitter *two = consumer_of(-5, 0);
    CU_ASSERT_PTR_NOT_NULL(queue_of_table()->ranks);
    table_leave(&t, one);
    table_leave(&t, two);
    table_settle(&t);
    CU_ASSERT_PTR_NULL(queue_of_table()->ranks);
    table_deinit(&t);
}

static void ranks_are_served_from_the_highest_down(void)
{
    static const int64_t PRIORITIES[] = {0, INT64_MIN, 7, -1, INT64_MAX, 1};
    static const int ORDER[] = {4, 2, 5, 0, 3, 1};
    struct sitter *who[6];
    set_up(false);
    for (int i = 0; i < 6; i++)
        who[i] = consumer_of(PRIORITIES[i], 1);
    publish(6);
    for (uint64_t i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL_FATAL(who[ORDER[i]]->told_count, 1);
        CU_ASSERT_EQUAL(who[ORDER[i]]->told[0].body, i);
    }
    table_deinit(&t);
}

static void equals_take_turns(void)
{
    struct sitter *who[3];
    set_up(false);
    for (int i = 0; i < 3; i++)
        who[i] = consumer_of(4, 0);
    publish(30);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(who[i]->told_count, 10);
    table_deinit(&t);
}

static void a_higher_one_that_can_take_again_goes_first(void)
{
    set_up(false);
    struct sitter *high = consumer_of(1, 1);
    struct sitter *low = consumer_of(0, 0);
    publish(2);
    CU_ASSERT_EQUAL(high->told_count, 1);
    CU_ASSERT_EQUAL(low->told_count, 1);
    ack(high, 0);
    publish(1);
    CU_ASSERT_EQUAL(high->told_count, 2);
    CU_ASSERT_EQUAL(low->told_count, 1);
    table_deinit(&t);
}

static void many_ranks_are_fine(void)
{
    enum { MANY = 13 }; /* as many as have a place at the table */
    struct sitter *who[MANY];
    set_up(false);
    for (int i = 0; i < MANY; i++)
        who[i] = consumer_of((i * 5) % MANY + 1, 1);
    publish(MANY);
    for (int i = 0; i < MANY; i++) {
        CU_ASSERT_EQUAL_FATAL(who[i]->told_count, 1);
        CU_ASSERT_EQUAL(who[i]->told[0].body, (uint64_t)(MANY - 1 - (i * 5) % MANY));
    }
    table_deinit(&t);
}

static void one_alone_is_lent_to_and_the_oldest_takes_over(void)
{
    set_up(true);
    struct sitter *who[3];
    for (int i = 0; i < 3; i++)
        who[i] = consumer_of(0, 0);
    for (uint64_t i = 0; i < 3; i++) {
        publish(1);
        CU_ASSERT_EQUAL(who[i]->told_count, i + 1); /* and what came back */
        for (uint64_t k = i + 1; k < 3; k++)
            CU_ASSERT_EQUAL(who[k]->told_count, 0);
        table_leave(&t, who[i]);
        table_settle(&t);
    }
    CU_ASSERT_PTR_NULL(queue_of_table()->active);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 3);
    table_deinit(&t);
}

static void the_next_one_waits_until_nothing_is_out(void)
{
    set_up(true);
    struct sitter *low = consumer_of(0, 0);
    publish(3);
    struct sitter *high = consumer_of(1, 0);
    publish(1);
    CU_ASSERT_EQUAL(low->told_count, 3);
    CU_ASSERT_EQUAL(high->told_count, 0);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(high->told_count, 0);
        ack(low, i);
    }
    CU_ASSERT_EQUAL(high->told_count, 1);
    CU_ASSERT_EQUAL(low->told_count, 3);
    table_deinit(&t);
}

static void a_lower_priority_takes_nothing_over(void)
{
    set_up(true);
    struct sitter *high = consumer_of(0, 0);
    struct sitter *low = consumer_of(-1, 0);
    publish(2);
    CU_ASSERT_EQUAL(high->told_count, 2);
    CU_ASSERT_EQUAL(low->told_count, 0);
    table_deinit(&t);
}

static void only_that_one_is_active_in_listings(void)
{
    uint32_t active = 0;
    set_up(true);
    for (int i = 0; i < 3; i++)
        consumer_of(0, 0);
    struct queue *q = queue_of_table();
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next)
        active += dispatch_is_active(LIST_OF(at, struct consumer, of_queue));
    CU_ASSERT_EQUAL(active, 1);
    CU_ASSERT_PTR_EQUAL(q->active, LIST_OF(q->consumers.next, struct consumer, of_queue));
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(without_priorities_there_are_no_ranks),
        UNIT(the_last_of_them_takes_the_ranks_along),
        UNIT(ranks_are_served_from_the_highest_down),
        UNIT(equals_take_turns),
        UNIT(a_higher_one_that_can_take_again_goes_first),
        UNIT(many_ranks_are_fine),
        UNIT(one_alone_is_lent_to_and_the_oldest_takes_over),
        UNIT(the_next_one_waits_until_nothing_is_out),
        UNIT(a_lower_priority_takes_nothing_over),
        UNIT(only_that_one_is_active_in_listings),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/dispatch", tests);
}
