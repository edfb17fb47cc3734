#include "core/base/limits.h"
#include "core/properties.h"
#include "protocols/amqp/channel.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET_BYTES (1024u * 1024)

static struct harness h;

static struct peer_end *open_with(const char *capability, int heartbeat_s)
{
    struct peer_end *p = amqp_login(&h, amqp_capability(capability));

    amqp_say(p, 0, AMQP_CONNECTION_TUNE_OK, "hlh", 10, 131072u, heartbeat_s);
    amqp_say(p, 0, AMQP_CONNECTION_OPEN, "sso", "/", "", 0);
    amqp_expect(p, 0, AMQP_CONNECTION_OPEN_OK);
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    return p;
}

static void publish_until_held(struct peer_end *p)
{
    static const uint8_t body[60000];

    for (int i = 0; i < 100 && !p->session->is_held; i++)
        amqp_publish(p, 1, "", "q", 0, (struct sl_bytes){body, sizeof body});
    CU_ASSERT_FATAL(p->session->is_held);
}

static void a_held_publisher_is_told_and_goes_on_when_memory_is_back(void)
{
    harness_init(&h, BUDGET_BYTES);
    struct peer_end *p = open_with("connection.blocked", 0);
    struct peer_end *consumer = open_with("connection.blocked", 0);
    amqp_declare(p, 1, "q");
    publish_until_held(p);
    struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_BLOCKED);
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), "low on memory"));
    amqp_expect_silence(p);

    amqp_say(consumer, 1, AMQP_QUEUE_PURGE, "hso", 0, "q", 0); /* others are served meanwhile */
    amqp_expect(consumer, 1, AMQP_QUEUE_PURGE_OK);
    amqp_expect(p, 0, AMQP_CONNECTION_UNBLOCKED);
    CU_ASSERT(!p->session->is_held);
    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 1);
    r = amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    sl_read_short_string(&r);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 1); /* the one that was held */
    amqp_expect_silence(consumer);       /* who did not publish was not told */
    harness_deinit(&h);
}

static void a_publish_kept_behind_a_question_is_held_too(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, BUDGET_BYTES);
    struct peer_end *p = open_with("connection.blocked", 0);
    struct peer_end *other = open_with("consumer_cancel_notify", 0);
    amqp_declare(p, 1, "q");
    publish_until_held(other);
    amqp_expect_silence(other); /* it cannot read connection.blocked */
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "r", 0);
    amqp_write_publish(&bytes, 1, "", "r", 0, properties_none, SL_BYTES_LITERAL("x"));
    amqp_write_method(&bytes, 1, AMQP_BASIC_QOS, "lho", 0u, 1, 0);
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 0, AMQP_CONNECTION_BLOCKED);
    amqp_expect_silence(p);
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", ""); /* other channels go on */
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
    amqp_say(p, 2, AMQP_QUEUE_PURGE, "hso", 0, "q", 0);
    amqp_expect(p, 2, AMQP_QUEUE_PURGE_OK);
    amqp_expect(p, 0, AMQP_CONNECTION_UNBLOCKED);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    amqp_say(p, 1, AMQP_QUEUE_PURGE, "hso", 0, "r", 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_QUEUE_PURGE_OK);
    CU_ASSERT_EQUAL(sl_read_u32(&r), 1);
    harness_deinit(&h);
}

static void a_silent_peer_is_dead_after_two_intervals(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = open_with("connection.blocked", 2);
    harness_wait(&h, 3900);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    amqp_say_frame(p, AMQP_FRAME_HEARTBEAT, 0, (struct sl_bytes){NULL, 0});
    harness_wait(&h, 3900);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    harness_wait(&h, 300);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void we_say_that_we_are_there_at_half_the_interval(void)
{
    struct heard heard;
    int beats = 0;

    harness_init(&h, 1 << 30);
    struct peer_end *p = open_with("connection.blocked", 2);
    for (int i = 0; i < 10; i++) {
        harness_wait(&h, 1000);
        amqp_say_frame(p, AMQP_FRAME_HEARTBEAT, 0, (struct sl_bytes){NULL, 0});
    }
    for (; amqp_hear(p, &heard); beats++) {
        CU_ASSERT_EQUAL(heard.type, AMQP_FRAME_HEARTBEAT);
        CU_ASSERT_EQUAL(heard.channel, 0);
    }
    CU_ASSERT(beats >= 8 && beats <= 11);
    harness_deinit(&h);
}

static void zero_means_no_heartbeats(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = open_with("connection.blocked", 0);
    harness_wait(&h, 200000);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    amqp_expect_silence(p);
    harness_deinit(&h);
}

static void a_held_peer_is_not_dead(void)
{
    harness_init(&h, BUDGET_BYTES);
    struct peer_end *p = open_with("connection.blocked", 2);
    amqp_declare(p, 1, "q");
    publish_until_held(p);
    harness_wait(&h, 20000);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    harness_deinit(&h);
}

static void a_peer_that_reads_slowly_is_not_dead(void)
{
    static const uint8_t body[30000];

    harness_init(&h, 1 << 30);
    struct peer_end *p = open_with("connection.blocked", 2);
    struct peer_end *other = open_with("connection.blocked", 0);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "t", 2);
    amqp_expect(p, 1, AMQP_BASIC_CONSUME_OK);
    p->is_deaf = true;
    for (int i = 0; i < 100; i++)
        amqp_publish(other, 1, "", "q", 0, (struct sl_bytes){body, sizeof body});
    CU_ASSERT(outbox_bytes(&p->session->out) < 2 * SL_SESSION_WINDOW_BYTES);
    harness_wait(&h, 20000);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    harness_deinit(&h);
}

static void a_heartbeat_off_channel_0_is_505(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = open_with("connection.blocked", 0);
    amqp_say_frame(p, AMQP_FRAME_HEARTBEAT, 1, (struct sl_bytes){NULL, 0});
    amqp_expect_close(p, 0, 505, "UNEXPECTED_FRAME - heartbeat on channel 1");
    harness_deinit(&h);
}

static void shutdown_is_said_with_320_and_waits_for_the_answer(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = open_with("connection.blocked", 0);
    p->session->protocol->on_shutdown(p->session);
    harness_settle(&h);
    amqp_expect_close(p, 0, 320,
                      "CONNECTION_FORCED - broker forced connection closure with reason "
                      "'shutdown'");
    CU_ASSERT_PTR_NOT_NULL(p->session);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)7, 0); /* dropped */
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE_OK, "");
    CU_ASSERT_PTR_NULL(p->session);
    amqp_expect_silence(p);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_held_publisher_is_told_and_goes_on_when_memory_is_back),
        UNIT(a_publish_kept_behind_a_question_is_held_too),
        UNIT(a_silent_peer_is_dead_after_two_intervals),
        UNIT(we_say_that_we_are_there_at_half_the_interval),
        UNIT(zero_means_no_heartbeats),
        UNIT(a_held_peer_is_not_dead),
        UNIT(a_peer_that_reads_slowly_is_not_dead),
        UNIT(a_heartbeat_off_channel_0_is_505),
        UNIT(shutdown_is_said_with_320_and_waits_for_the_answer),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/pressure", tests);
}
