#include "core/expiry.h"

#include "core/properties.h"
#include "tests/support/table_maker.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#define BUDGET (64u * 1024 * 1024)

static struct table t;
static struct sitter *s;
static struct table_maker m;

static void set_up(const char *argument, int64_t n)
{
    table_init(&t, 2, BUDGET);
    s = table_sit(&t, 0);
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, "q", table_of_number(&m, argument, n)), SL_OK);
}

static void publish(const char *expiration, uint64_t body)
{
    static uint8_t room[64];
    struct sl_writer w = {room, room + sizeof room, false};
    struct properties p = {.present = PROPERTY_EXPIRATION, .expiration = sl_bytes_of(expiration)};

    properties_encode(&p, &w);
    table_publish_with(s, "", "q", (struct sl_bytes){room, (size_t)(w.pos - room)}, body);
}

static void nothing_expires_before_its_time(void)
{
    set_up("x-message-ttl", 1000);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    table_wait(&t, 999);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 1);
    table_wait(&t, 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void a_worker_knows_when_its_shard_is_due(void)
{
    uint64_t least = UINT64_MAX;

    set_up("x-message-ttl", 1000);
    for (uint32_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(broker_worker_next_due(broker_worker_at(t.broker, i)), UINT64_MAX);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    t.now_ms += 300;
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t due = broker_worker_next_due(broker_worker_at(t.broker, i));
        least = due < least ? due : least;
    }
    CU_ASSERT_EQUAL(least, 700);
    table_deinit(&t);
}

static void an_entry_behind_a_longer_lived_one_waits_for_it(void)
{
    set_up("x-max-length", 1000);
    publish("500", 1);
    publish("100", 2);
    table_settle(&t);
    table_wait(&t, 300);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    table_wait(&t, 200);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void an_entry_that_has_become_the_next_expires_in_its_time(void)
{
    set_up("x-max-length", 1000);
    table_publish(s, "", "q", 1);
    publish("100", 2);
    table_settle(&t);
    table_consume(&t, s, "q", 1, false);
    CU_ASSERT_EQUAL(s->told_count, 1);
    table_wait(&t, 100);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void what_is_out_does_not_expire_but_does_when_it_comes_back(void)
{
    set_up("x-message-ttl", 100);
    table_publish(s, "", "q", 1);
    struct subscription *sub = table_consume(&t, s, "q", 1, false);
    CU_ASSERT_EQUAL(s->told_count, 1);
    table_wait(&t, 500);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    settlement_forget(&s->settlement, sub);
    broker_drop(&s->client, sub);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_consume(&t, s, "q", 1, false);
    CU_ASSERT_EQUAL(s->told_count, 1);
    table_deinit(&t);
}

static void no_time_to_live_is_for_who_takes_it_at_once(void)
{
    set_up("x-message-ttl", 0);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_consume(&t, s, "q", 2, false);
    CU_ASSERT_EQUAL(s->told_count, 0);
    for (uint64_t i = 2; i < 6; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    CU_ASSERT_EQUAL_FATAL(s->told_count, 2);
    CU_ASSERT_EQUAL(s->told[0].body, 2);
    CU_ASSERT_EQUAL(s->told[1].body, 3);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void more_expire_at_once_than_one_look_takes(void)
{
    set_up("x-message-ttl", 50);
    for (uint64_t i = 0; i < 10000; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 10000);
    table_wait(&t, 50);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    table_deinit(&t);
}

static void a_queue_in_use_does_not_expire(void)
{
    set_up("x-expires", 1000);
    struct subscription *sub = table_consume(&t, s, "q", 1, true);
    table_wait(&t, 5000);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    broker_cancel(&s->client, 9, sub);
    table_settle(&t);
    subscription_free(sub);
    for (int i = 0; i < 3; i++) { /* a get and a declaration renew its lease */
        table_wait(&t, 900);
        broker_get(&s->client, 9, sl_bytes_of("q"), true);
        table_settle(&t);
        table_wait(&t, 900);
        CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    }
    table_deinit(&t);
}

static void a_queue_that_nobody_uses_is_deleted(void)
{
    set_up("x-expires", 1000);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    table_wait(&t, 999);
    table_publish(s, "", "q", 2); /* is no use */
    table_wait(&t, 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), -1);
    CU_ASSERT_EQUAL(s->last->err, SL_ENOENT);
    table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nothing_expires_before_its_time),
        UNIT(a_worker_knows_when_its_shard_is_due),
        UNIT(an_entry_behind_a_longer_lived_one_waits_for_it),
        UNIT(an_entry_that_has_become_the_next_expires_in_its_time),
        UNIT(what_is_out_does_not_expire_but_does_when_it_comes_back),
        UNIT(no_time_to_live_is_for_who_takes_it_at_once),
        UNIT(more_expire_at_once_than_one_look_takes),
        UNIT(a_queue_in_use_does_not_expire),
        UNIT(a_queue_that_nobody_uses_is_deleted),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/expiry", tests);
}
