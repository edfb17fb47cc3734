#include "core/overdue.h"

#include "core/base/assert.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)
#define TIMEOUT 32000u
#define LATE (TIMEOUT / 16) /* at most */

static struct table t;
static struct sitter *s;
static struct table_maker m;

static void set_up(const char *argument)
{
    table_init(&t, 2, BUDGET);
    s = table_sit(&t, 0);
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, "q", table_of_number(&m, argument, TIMEOUT)),
                          SL_OK);
}

/* What counts where nothing else is said. */
static void set_for_all(uint64_t timeout_ms)
{
    for (uint32_t i = 0; i < 2; i++)
        broker_worker_at(t.broker, i)->shard->consumer_timeout_ms = timeout_ms;
}

static void publish(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
}

static void settle(sl_tag tag, bool multiple, enum settle_verdict verdict)
{
    CU_ASSERT_EQUAL(settlement_settle(&s->settlement, &s->client, tag, multiple, verdict), SL_OK);
    table_settle(&t);
}

/* In steps, as a clock goes. */
static void pass(uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 250)
        table_wait(&t, 250);
}

static void consume(const uint64_t *timeout_ms, bool is_no_ack)
{
    const struct subscribe_options options = {
        .queue = SL_BYTES_LITERAL("q"), .is_no_ack = is_no_ack, .timeout_ms = timeout_ms};

    SL_ASSERT(broker_subscribe(&s->client, 1, &options) != NULL);
    table_settle(&t);
}

static void is_told_when_the_timeout_is_over(void)
{
    publish(0, 1);
    pass(TIMEOUT - 250);
    CU_ASSERT_EQUAL(s->overdue, 0);
    pass(250 + LATE);
    CU_ASSERT(s->overdue >= 1);
    table_deinit(&t);
}

static void nobody_is_told_early_and_who_is_overdue_soon(void)
{
    set_up("x-consumer-timeout");
    consume(NULL, false);
    pass(777);
    is_told_when_the_timeout_is_over();
}

static void who_settles_in_time_is_never_told(void)
{
    set_up("x-consumer-timeout");
    consume(NULL, false);
    for (uint64_t i = 0; i < 200; i++) { /* four are out at any time, the oldest for half of it */
        publish(i, i + 1);
        pass(TIMEOUT / 8);
        if (i >= 4)
            settle((sl_tag){i - 3}, false, i % 2 == 0 ? SETTLE_CONSUMED : SETTLE_REJECTED);
    }
    CU_ASSERT_EQUAL(s->overdue, 0);
    settle((sl_tag){0}, true, SETTLE_CONSUMED);
    pass(3 * TIMEOUT);
    CU_ASSERT_EQUAL(s->overdue, 0);
    table_deinit(&t);
}

static void one_that_is_kept_counts_whatever_comes_and_goes_behind_it(void)
{
    set_up("x-consumer-timeout");
    consume(NULL, false);
    publish(0, 1);
    for (uint64_t i = 1; i * 1000 < TIMEOUT; i++) {
        publish(i, i + 1);
        settle((sl_tag){i + 1}, false, SETTLE_CONSUMED);
        pass(1000);
    }
    CU_ASSERT_EQUAL(s->overdue, 0);
    pass(1000 + LATE);
    CU_ASSERT(s->overdue >= 1);
    table_deinit(&t);
}

static void a_message_is_told_of_until_it_comes_back(void)
{
    set_up("x-consumer-timeout");
    consume(NULL, false);
    publish(0, 1);
    pass(TIMEOUT + LATE);
    size_t before = s->overdue;
    pass(LATE);
    CU_ASSERT(s->overdue > before);
    settle((sl_tag){1}, false, SETTLE_CONSUMED);
    before = s->overdue;
    pass(3 * TIMEOUT);
    CU_ASSERT_EQUAL(s->overdue, before);
    table_deinit(&t);
}

static void a_get_and_a_cancelled_consumer_are_told_too(void)
{
    set_up("x-consumer-timeout");
    publish(0, 1);
    broker_get(&s->client, 2, SL_BYTES_LITERAL("q"), false);
    table_settle(&t);
    struct subscription *getter = broker_getter(&s->client, s->last);
    SL_ASSERT(getter != NULL);
    (void)settlement_add(&s->settlement, getter, s->last->loan, s->last->seq);
    pass(TIMEOUT + LATE);
    CU_ASSERT(s->overdue >= 1);
    settle((sl_tag){1}, false, SETTLE_CONSUMED);

    struct subscription *sub = table_consume(&t, s, "q", 0, false);
    publish(1, 2);
    broker_cancel(&s->client, 3, sub);
    table_settle(&t);
    size_t before = s->overdue;
    pass(TIMEOUT + LATE);
    CU_ASSERT(s->overdue > before);
    table_deinit(&t);
}

static void without_a_timeout_or_acknowledgement_nobody_is_told(void)
{
    const uint64_t never = 0;

    set_up("x-max-length");
    consume(NULL, false);
    publish(0, 1);
    pass(4 * TIMEOUT);
    CU_ASSERT_EQUAL(s->overdue, 0);
    table_deinit(&t);

    set_up("x-consumer-timeout");
    consume(&never, false);
    consume(NULL, true);
    publish(0, 2);
    pass(4 * TIMEOUT);
    CU_ASSERT_EQUAL(s->overdue, 0);
    table_deinit(&t);
}

static void the_consumers_own_goes_first_and_the_settings_last(void)
{
    const uint64_t shorter = TIMEOUT / 4;

    set_up("x-consumer-timeout");
    consume(&shorter, false);
    publish(0, 1);
    pass(shorter + LATE);
    CU_ASSERT(s->overdue >= 1);
    table_deinit(&t);

    set_up("x-max-length");
    set_for_all(TIMEOUT);
    consume(NULL, false);
    is_told_when_the_timeout_is_over();
}

static void a_timeout_that_grows_is_never_taken_for_the_old_one(void)
{
    set_up("x-max-length");
    set_for_all(TIMEOUT);
    consume(NULL, false);
    for (uint64_t i = 0; i < TIMEOUT / 250 - 1; i++) { /* all marks are in use */
        publish(i, i + 1);
        pass(250);
    }
    set_for_all(4 * TIMEOUT);
    settle((sl_tag){50}, true, SETTLE_CONSUMED);
    pass(3 * TIMEOUT);
    CU_ASSERT_EQUAL(s->overdue, 0);
    pass(2 * TIMEOUT);
    CU_ASSERT(s->overdue >= 1);
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nobody_is_told_early_and_who_is_overdue_soon),
        UNIT(who_settles_in_time_is_never_told),
        UNIT(one_that_is_kept_counts_whatever_comes_and_goes_behind_it),
        UNIT(a_message_is_told_of_until_it_comes_back),
        UNIT(a_get_and_a_cancelled_consumer_are_told_too),
        UNIT(without_a_timeout_or_acknowledgement_nobody_is_told),
        UNIT(the_consumers_own_goes_first_and_the_settings_last),
        UNIT(a_timeout_that_grows_is_never_taken_for_the_old_one),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/overdue", tests);
}
