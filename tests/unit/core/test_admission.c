#include "core/admission.h"

#include "core/properties.h"
#include "core/transaction.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)

static struct table t;
static struct sitter *s;
static struct table_maker m;

static void declare(const char *queue, const char *argument, int64_t n)
{
    table_begin(&m);
    table_write_s64(&m.w, sl_bytes_of(argument), n);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-overflow"), SL_BYTES_LITERAL("reject-publish"));
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, queue, table_end(&m)), SL_OK);
}

static void set_up(const char *argument, int64_t n)
{
    table_init(&t, 2, BUDGET);
    s = table_sit(&t, 0);
    declare("q", argument, n);
}

static void publish(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        table_publish(s, "", "q", i);
}

static uint64_t refused(void)
{
    return atomic_load(&s->client.worker->counters.refused);
}

static struct message *make_message(const char *queue)
{
    uint64_t body = 1;
    struct message *msg =
        message_new(SL_BYTES_LITERAL(""), sl_bytes_of(queue), properties_none, sizeof body);
    struct sl_bytes bytes = {(const uint8_t *)&body, sizeof body};

    CU_ASSERT_EQUAL_FATAL(message_append(&msg, bytes), SL_OK);
    return msg;
}

static void not_one_too_many_is_admitted_before_the_shard_has_heard_of_any(void)
{
    set_up("x-max-length", 3);
    publish(0, 10); /* all in one run */
    CU_ASSERT_EQUAL(refused(), 7);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 3);
    table_consume(&t, s, "q", 0, true);
    CU_ASSERT_EQUAL_FATAL(s->told_count, 3);
    CU_ASSERT_EQUAL(s->told[2].body, 2); /* the first ones stay */
    publish(10, 12);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 5); /* the places are free again */
    table_deinit(&t);
}

static void bytes_are_admitted_as_exactly(void)
{
    set_up("x-max-length-bytes", 2 * sizeof(uint64_t) + 7);
    publish(0, 5);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    CU_ASSERT_EQUAL(refused(), 3);
    table_deinit(&t);
}

static void a_queue_for_nothing_refuses_everything(void)
{
    set_up("x-max-length", 0);
    table_consume(&t, s, "q", 0, true);
    publish(0, 5);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 0);
    CU_ASSERT_EQUAL(refused(), 5);
    table_deinit(&t);
}

static void a_full_queue_refuses_for_itself_only(void)
{
    set_up("x-max-length", 1);
    table_declare(&t, s, "other");
    table_bind(&t, s, "q", "amq.fanout", "");
    table_bind(&t, s, "other", "amq.fanout", "");
    for (uint64_t i = 0; i < 3; i++)
        table_publish(s, "amq.fanout", "", i);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "other"), 3);
    table_deinit(&t);
}

static void what_comes_back_is_never_refused_but_counts(void)
{
    set_up("x-max-length", 2);
    publish(0, 2);
    table_settle(&t);
    struct subscription *sub = table_consume(&t, s, "q", 2, false);
    publish(2, 4);
    CU_ASSERT_EQUAL(refused(), 0);
    table_settle(&t);
    settlement_forget(&s->settlement, sub);
    broker_drop(&s->client, sub);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 4);
    sub = table_consume(&t, s, "q", 2, false);
    publish(4, 5);
    CU_ASSERT_EQUAL(refused(), 1);
    table_deinit(&t);
}

static void a_purge_gives_the_places_back(void)
{
    set_up("x-max-length", 2);
    publish(0, 2);
    broker_purge_queue(&s->client, 5, sl_bytes_of("q"));
    table_settle(&t);
    publish(0, 3);
    CU_ASSERT_EQUAL(refused(), 1);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    table_deinit(&t);
}

static void a_queue_that_is_gone_can_still_be_asked(void)
{
    const struct routed what = {.key = SL_BYTES_LITERAL("q")};
    const struct route *route;

    set_up("x-max-length", 1);
    CU_ASSERT_EQUAL_FATAL(broker_route(&s->client, &what, &route), SL_OK);
    struct transaction tx = {0};
    const struct message *at_fault;
    CU_ASSERT_TRUE_FATAL(transaction_add_publish(&tx, make_message("q"), false));
    CU_ASSERT_EQUAL(transaction_prepare(&tx, &s->client, 0, &at_fault), SL_OK);
    broker_delete_queue(&s->client, 5, sl_bytes_of("q"), false, false);
    table_settle(&t);
    broker_group_begin(&s->client);
    transaction_publish_all(&tx, &s->client, NULL, NULL);
    broker_group_end(&s->client);
    table_settle(&t);
    table_deinit(&t);
}

static void a_refused_copy_is_dead_lettered_where_the_queue_says_so(void)
{
    table_init(&t, 2, BUDGET);
    s = table_sit(&t, 0);
    table_declare(&t, s, "dead");
    table_begin(&m);
    table_write_s64(&m.w, sl_bytes_of("x-max-length"), 1);
    table_write_string(&m.w, sl_bytes_of("x-overflow"), sl_bytes_of("reject-publish-dlx"));
    table_write_string(&m.w, sl_bytes_of("x-dead-letter-exchange"), sl_bytes_of(""));
    table_write_string(&m.w, sl_bytes_of("x-dead-letter-routing-key"), sl_bytes_of("dead"));
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, "q", table_end(&m)), SL_OK);
    publish(0, 3);
    CU_ASSERT_EQUAL(refused(), 2);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 2);
    table_deinit(&t);
}

static void a_dead_letter_is_no_exception_to_the_limit(void)
{
    set_up("x-max-length", 2);
    table_begin(&m);
    table_write_s64(&m.w, sl_bytes_of("x-message-ttl"), 10);
    table_write_string(&m.w, sl_bytes_of("x-dead-letter-exchange"), sl_bytes_of(""));
    table_write_string(&m.w, sl_bytes_of("x-dead-letter-routing-key"), sl_bytes_of("q"));
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, "from", table_end(&m)), SL_OK);
    for (uint64_t i = 0; i < 5; i++)
        table_publish(s, "", "from", i);
    table_settle(&t);
    table_wait(&t, 10);
    CU_ASSERT_EQUAL(table_ready(&t, s, "from"), 0);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    table_consume(&t, s, "q", 0, true);
    publish(5, 8);
    table_settle(&t);
    CU_ASSERT_EQUAL(s->told_count, 4); /* every place came back, and none too many */
    table_deinit(&t);
}

static void a_transaction_that_one_queue_refuses_takes_no_place(void)
{
    struct transaction tx = {0};
    const struct message *at_fault = NULL;

    set_up("x-max-length", 2);
    declare("small", "x-max-length", 1);
    CU_ASSERT_TRUE_FATAL(transaction_add_publish(&tx, make_message("q"), false));
    CU_ASSERT_TRUE_FATAL(transaction_add_publish(&tx, make_message("small"), false));
    CU_ASSERT_TRUE_FATAL(transaction_add_publish(&tx, make_message("q"), false));
    CU_ASSERT_TRUE_FATAL(transaction_add_publish(&tx, make_message("small"), false));
    CU_ASSERT_EQUAL(transaction_prepare(&tx, &s->client, 0, &at_fault), SL_EFULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tx.full);
    CU_ASSERT_TRUE(sl_bytes_are(tx.full->queue, "small"));
    CU_ASSERT_PTR_EQUAL(at_fault, tx.publishes[3].msg);
    transaction_clear(&tx);
    publish(0, 2);
    CU_ASSERT_EQUAL(refused(), 0);
    table_publish(s, "", "small", 1);
    CU_ASSERT_EQUAL(refused(), 0);
    table_settle(&t);
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(not_one_too_many_is_admitted_before_the_shard_has_heard_of_any),
        UNIT(bytes_are_admitted_as_exactly),
        UNIT(a_queue_for_nothing_refuses_everything),
        UNIT(a_full_queue_refuses_for_itself_only),
        UNIT(what_comes_back_is_never_refused_but_counts),
        UNIT(a_purge_gives_the_places_back),
        UNIT(a_queue_that_is_gone_can_still_be_asked),
        UNIT(a_refused_copy_is_dead_lettered_where_the_queue_says_so),
        UNIT(a_dead_letter_is_no_exception_to_the_limit),
        UNIT(a_transaction_that_one_queue_refuses_takes_no_place),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/admission", tests);
}
