#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

static struct harness h;

enum { PASSIVE = 1, DURABLE = 2, QUEUE_EXCLUSIVE = 4, QUEUE_NO_WAIT = 16 };

static void reopen(struct peer_end *p)
{
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
}

static void a_passive_declare_makes_nothing(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", PASSIVE);
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no queue 'q' in vhost '/'");
    reopen(p);
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "e", "direct", PASSIVE);
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no exchange 'e' in vhost '/'");
    reopen(p);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "", PASSIVE);
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no previously declared queue");
    harness_deinit(&h);
}

static void another_kind_of_the_same_name_is_406(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", DURABLE);
    amqp_expect_close(p, 1, 406,
                      "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost "
                      "'/': received 'true' but current is 'false'");
    harness_deinit(&h);
}

static void names_of_the_system_are_refused(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "amq.mine", "direct", 0);
    amqp_expect_close(p, 1, 403,
                      "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'");
    reopen(p);
    amqp_say(p, 1, AMQP_EXCHANGE_DELETE, "hso", 0, "", 0);
    amqp_expect_close(p, 1, 403,
                      "ACCESS_REFUSED - operation not permitted on the default exchange");
    harness_deinit(&h);
}

static void anothers_exclusive_queue_is_405(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    struct peer_end *other = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "mine", QUEUE_EXCLUSIVE);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_say(other, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "mine", QUEUE_EXCLUSIVE);
    struct sl_reader r = amqp_expect(other, 1, AMQP_CHANNEL_CLOSE);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 405);
    reopen(other);
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "", 0, 0);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    amqp_declare(other, 1, "mine"); /* gone with its connection */
    harness_deinit(&h);
}

static void an_empty_name_is_made_up_and_then_means_that_queue(void)
{
    char name[8 + 22 + 1] = "";

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "", QUEUE_EXCLUSIVE);
    struct sl_reader r = amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    struct sl_bytes made = sl_read_short_string(&r);
    CU_ASSERT(sl_bytes_begin(made, "amq.gen-"));
    CU_ASSERT_EQUAL_FATAL(made.len, 8 + 22);
    memcpy(name, made.at, sizeof name - 1);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 0);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 0);

    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "", "amq.direct", "", 0);
    amqp_expect(p, 1, AMQP_QUEUE_BIND_OK);
    amqp_publish(p, 1, "amq.direct", name, 0, SL_BYTES_LITERAL("x"));
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "", PASSIVE);
    r = amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), name));
    CU_ASSERT_EQUAL(sl_read_u32(&r), 1);
    amqp_say(p, 1, AMQP_QUEUE_PURGE, "hso", 0, "", 0);
    r = amqp_expect(p, 1, AMQP_QUEUE_PURGE_OK);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 1);
    amqp_say(p, 1, AMQP_QUEUE_UNBIND, "hssse", 0, "", "amq.direct", "");
    amqp_expect(p, 1, AMQP_QUEUE_UNBIND_OK);
    amqp_say(p, 1, AMQP_QUEUE_DELETE, "hso", 0, "", 0);
    r = amqp_expect(p, 1, AMQP_QUEUE_DELETE_OK);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 0);
    harness_deinit(&h);
}

static void line_ends_are_taken_out_of_declared_names(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "e\r\n", "fanout", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_DECLARE_OK);
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "e", "fanout", PASSIVE);
    amqp_expect(p, 1, AMQP_EXCHANGE_DECLARE_OK);
    harness_deinit(&h);
}

static void exchanges_bind_to_exchanges(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "e", "fanout", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_DECLARE_OK);
    amqp_say(p, 1, AMQP_EXCHANGE_BIND, "hsssoe", 0, "e", "amq.topic", "a.#", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_BIND_OK);
    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "q", "e", "", 0);
    amqp_expect(p, 1, AMQP_QUEUE_BIND_OK);
    amqp_publish(p, 1, "amq.topic", "a.b.c", 0, SL_BYTES_LITERAL("x"));
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
    amqp_expect(p, 1, AMQP_BASIC_GET_OK);
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("x"));
    amqp_say(p, 1, AMQP_EXCHANGE_UNBIND, "hsssoe", 0, "e", "amq.topic", "a.#", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_UNBIND_OK);
    amqp_say(p, 1, AMQP_EXCHANGE_UNBIND, "hsssoe", 0, "e", "amq.topic", "a.#", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_UNBIND_OK); /* again is no error */
    amqp_say(p, 1, AMQP_EXCHANGE_DELETE, "hso", 0, "e", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_DELETE_OK);
    amqp_say(p, 1, AMQP_EXCHANGE_DELETE, "hso", 0, "e", 0);
    amqp_expect(p, 1, AMQP_EXCHANGE_DELETE_OK);
    harness_deinit(&h);
}

static void no_wait_is_answered_by_silence_but_errors_are_not(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", QUEUE_NO_WAIT);
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "e", "topic", 16);
    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "q", "e", "k", 1);
    amqp_say(p, 1, AMQP_QUEUE_PURGE, "hso", 0, "q", 1);
    amqp_say(p, 1, AMQP_EXCHANGE_DELETE, "hso", 0, "e", 2);
    amqp_say(p, 1, AMQP_QUEUE_DELETE, "hso", 0, "q", 4);
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "q", "e", "k", 1);
    struct sl_reader r = amqp_expect(p, 1, AMQP_CHANNEL_CLOSE);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 404);
    harness_deinit(&h);
}

static void a_queue_that_is_not_empty_or_unused_may_stay(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("x"));
    amqp_say(p, 1, AMQP_QUEUE_DELETE, "hso", 0, "q", 2);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty");
    reopen(p);
    amqp_say(p, 1, AMQP_QUEUE_DELETE, "hso", 0, "q", 1);
    struct sl_reader r = amqp_expect(p, 1, AMQP_QUEUE_DELETE_OK);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 1);
    amqp_say(p, 1, AMQP_QUEUE_DELETE, "hso", 0, "q", 0);
    amqp_expect(p, 1, AMQP_QUEUE_DELETE_OK); /* what is missing is deleted */
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_passive_declare_makes_nothing),
        UNIT(another_kind_of_the_same_name_is_406),
        UNIT(names_of_the_system_are_refused),
        UNIT(anothers_exclusive_queue_is_405),
        UNIT(an_empty_name_is_made_up_and_then_means_that_queue),
        UNIT(line_ends_are_taken_out_of_declared_names),
        UNIT(exchanges_bind_to_exchanges),
        UNIT(no_wait_is_answered_by_silence_but_errors_are_not),
        UNIT(a_queue_that_is_not_empty_or_unused_may_stay),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/declare", tests);
}
