#include "protocols/amqp/consumer.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#include "core/base/limits.h"
#include "core/table.h"

enum { NO_ACK = 2, EXCLUSIVE = 4, NO_WAIT = 8 };

static struct harness h;

static void consume(struct peer_end *p, uint16_t channel, const char *queue, const char *tag,
                    int bits)
{
    amqp_say(p, channel, AMQP_BASIC_CONSUME, "hssoe", 0, queue, tag, bits);
    amqp_expect(p, channel, AMQP_BASIC_CONSUME_OK);
}

static void publish_numbers(struct peer_end *p, const char *queue, int n)
{
    for (int i = 0; i < n; i++) {
        uint8_t digit = (uint8_t)('0' + i);
        amqp_publish(p, 1, "", queue, 0, (struct sl_bytes){&digit, 1});
    }
}

static void expect_delivery(struct peer_end *p, uint16_t channel, const char *consumer_tag,
                            uint64_t tag, bool redelivered, const char *body)
{
    struct sl_reader r = amqp_expect(p, channel, AMQP_BASIC_DELIVER);

    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), consumer_tag));
    CU_ASSERT_EQUAL(sl_read_u64(&r), tag);
    CU_ASSERT_EQUAL(sl_read_u8(&r), redelivered);
    amqp_expect_content(p, channel, sl_bytes_of(body));
}

static void reopen(struct peer_end *p)
{
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
}

static void a_tag_in_use_is_530(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", 0);
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "t", 0);
    amqp_expect_close(p, 0, 530, "NOT_ALLOWED - attempt to reuse consumer tag 't'");
    harness_deinit(&h);
}

static void consuming_what_is_not_there_closes_the_channel(void)
{
    struct sl_bytes bad = {(const uint8_t *)"\0\0\0\21\12x-priorityS\0\0\0\1a", 21};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "nix", "t", 0);
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no queue 'nix' in vhost '/'");
    reopen(p);
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "", "t", 0);
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no previously declared queue");
    reopen(p);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoT", 0, "q", "t", 0, bad);
    amqp_expect_close(p, 1, 406,
                      "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/': "
                      "expected integer, got longstr");
    harness_deinit(&h);
}

static void an_exclusive_consumer_keeps_others_out(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", EXCLUSIVE);
    struct peer_end *other = amqp_open_channel(&h);
    amqp_say(other, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "t", 0);
    amqp_expect_close(other, 1, 403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use");
    harness_deinit(&h);
}

static void an_unknown_delivery_tag_closes_the_channel(void)
{
    static const struct {
        uint32_t method;
        const char *format;
    } settles[] = {{AMQP_BASIC_ACK, "qo"}, {AMQP_BASIC_NACK, "qo"}, {AMQP_BASIC_REJECT, "qo"}};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    for (size_t i = 0; i < 3; i++) {
        amqp_say(p, 1, settles[i].method, settles[i].format, (uint64_t)0, 0);
        amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 0");
        reopen(p);
    }
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", 0);
    amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("0"));
    expect_delivery(p, 1, "t", 1, false, "0");
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)1, 0);
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)1, 0);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    harness_deinit(&h);
}

static void a_closed_channel_gives_its_loans_back_marked(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", 0);
    publish_numbers(p, "q", 2);
    expect_delivery(p, 1, "t", 1, false, "0");
    expect_delivery(p, 1, "t", 2, false, "1");
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE, "hshh", 200, "", 0, 0);
    amqp_expect(p, 1, AMQP_CHANNEL_CLOSE_OK);
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    consume(p, 1, "q", "u", NO_ACK);
    expect_delivery(p, 1, "u", 1, true, "0");
    expect_delivery(p, 1, "u", 2, true, "1");
    harness_deinit(&h);
}

static void prefetch_bounds_one_consumer_and_global_the_channel(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0u, 2, 0);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    consume(p, 1, "q", "a", 0);
    publish_numbers(p, "q", 6);
    expect_delivery(p, 1, "a", 1, false, "0");
    expect_delivery(p, 1, "a", 2, false, "1");
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0u, 3, 1);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    consume(p, 1, "q", "b", 0);
    expect_delivery(p, 1, "b", 3, false, "2"); /* the third of the channel */
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)1, 0);
    struct heard heard;
    CU_ASSERT_FATAL(amqp_hear(p, &heard));
    CU_ASSERT_EQUAL(heard.method, AMQP_BASIC_DELIVER);
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("3"));
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 1u, 3, 1);
    amqp_expect_close(p, 0, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)");
    harness_deinit(&h);
}

static void rejected_with_requeue_comes_again_recovered_too(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", 0);
    publish_numbers(p, "q", 3);
    for (int i = 0; i < 3; i++) {
        amqp_expect(p, 1, AMQP_BASIC_DELIVER);
        amqp_expect_content(p, 1, (struct sl_bytes){(const uint8_t *)"012" + i, 1});
    }
    amqp_say(p, 1, AMQP_BASIC_REJECT, "qo", (uint64_t)2, 1);
    expect_delivery(p, 1, "t", 4, true, "1");
    amqp_say(p, 1, AMQP_BASIC_NACK, "qo", (uint64_t)3, 0); /* dropped */
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_RECOVER, "o", 1);
    amqp_expect(p, 1, AMQP_BASIC_RECOVER_OK);
    expect_delivery(p, 1, "t", 5, true, "0");
    expect_delivery(p, 1, "t", 6, true, "1");
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)0, 1); /* all there are */
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)0, 1); /* none there are: fine too */
    amqp_say(p, 1, AMQP_BASIC_RECOVER_ASYNC, "o", 1);
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_RECOVER, "o", 0);
    amqp_expect_close(p, 0, 540, "NOT_IMPLEMENTED - requeue=false");
    harness_deinit(&h);
}

static void cancel_leaves_loans_with_the_channel(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    for (int i = 0; i < 100; i++) { /* many: the retired ones are swept meanwhile */
        consume(p, 1, "q", "t", 0);
        amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("0"));
        expect_delivery(p, 1, "t", (uint64_t)i + 1, false, "0");
        amqp_say(p, 1, AMQP_BASIC_CANCEL, "so", "t", 0);
        amqp_expect(p, 1, AMQP_BASIC_CANCEL_OK);
        if (i % 3 != 0)
            amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)i + 1, 0);
    }
    CU_ASSERT(amqp_channel_find(amqp_connection_of(p->session), 1)->retired_count < 80);
    amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("0"));
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)100, 1);
    amqp_expect_silence(p); /* they were all known */
    amqp_say(p, 1, AMQP_BASIC_CANCEL, "so", "t", 0);
    amqp_expect(p, 1, AMQP_BASIC_CANCEL_OK); /* an unknown tag is no error */
    harness_deinit(&h);
}

static void a_deleted_queue_cancels_its_consumers(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", 0);
    amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("0"));
    expect_delivery(p, 1, "t", 1, false, "0");
    amqp_say(p, 1, AMQP_QUEUE_DELETE, "hso", 0, "q", 0);
    struct heard heard;
    bool is_cancelled = false;
    while (amqp_hear(p, &heard))
        is_cancelled |= heard.method == AMQP_BASIC_CANCEL;
    CU_ASSERT(is_cancelled);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)1, 0);
    amqp_expect_silence(p);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "t", 0); /* its tag is free again */
    harness_deinit(&h);
}

static void a_tag_is_made_up_where_none_is_given(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "", "", 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_BASIC_CONSUME_OK);
    struct sl_bytes tag = sl_read_short_string(&r);
    CU_ASSERT(sl_bytes_begin(tag, "amq.ctag-"));
    CU_ASSERT_EQUAL(tag.len, 9 + 22);
    amqp_say(p, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "", "quiet", NO_WAIT);
    amqp_expect_silence(p);
    harness_deinit(&h);
}

static void get_counts_what_is_left_and_settles_like_a_delivery(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    publish_numbers(p, "q", 2);
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_BASIC_GET_OK);
    CU_ASSERT_EQUAL(sl_read_u64(&r), 1);
    CU_ASSERT_EQUAL(sl_read_u8(&r), 0);
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), ""));
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), "q"));
    CU_ASSERT_EQUAL(sl_read_u32(&r), 1);
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("0"));
    amqp_say(p, 1, AMQP_BASIC_NACK, "qo", (uint64_t)1, 2);
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
    r = amqp_expect(p, 1, AMQP_BASIC_GET_OK);
    CU_ASSERT_EQUAL(sl_read_u64(&r), 2);
    CU_ASSERT_EQUAL(sl_read_u8(&r), 1); /* redelivered */
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("0"));
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
    amqp_expect(p, 1, AMQP_BASIC_GET_OK);
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("1"));
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
    amqp_expect(p, 1, AMQP_BASIC_GET_EMPTY);
    harness_deinit(&h);
}

static void loans_of_a_cancelled_consumer_count_in_a_later_global_limit(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    publish_numbers(p, "q", 4);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0u, 2, 0);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    consume(p, 1, "q", "gone", 0);
    expect_delivery(p, 1, "gone", 1, false, "0");
    expect_delivery(p, 1, "gone", 2, false, "1");
    amqp_say(p, 1, AMQP_BASIC_CANCEL, "so", "gone", 0);
    amqp_expect(p, 1, AMQP_BASIC_CANCEL_OK);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0u, 3, 1);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    consume(p, 1, "q", "t", 0);
    expect_delivery(p, 1, "t", 3, false, "2");
    amqp_expect_silence(p);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)1, 0);
    expect_delivery(p, 1, "t", 4, false, "3");
    harness_deinit(&h);
}

static void consumers_without_a_prefetch_share_the_channels_limit(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    const struct amqp_connection *c = amqp_connection_of(p->session);
    amqp_declare(p, 1, "q");
    consume(p, 1, "q", "no-ack", NO_ACK);
    CU_ASSERT_PTR_NULL(amqp_channel_find(c, 1)->group); /* it is lent nothing */
    consume(p, 1, "q", "one", 0);
    consume(p, 1, "q", "two", 0);
    const struct credit_group *group = amqp_channel_find(c, 1)->group;
    CU_ASSERT_PTR_NOT_NULL_FATAL(group);
    CU_ASSERT_EQUAL(group->limit, SL_LOANS_PER_CHANNEL_MAX);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0u, 3, 1);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    CU_ASSERT_EQUAL(group->limit, 3);
    amqp_say(p, 1, AMQP_BASIC_QOS, "lho", 0u, 0, 1);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    CU_ASSERT_EQUAL(group->limit, SL_LOANS_PER_CHANNEL_MAX);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_tag_in_use_is_530),
        UNIT(consuming_what_is_not_there_closes_the_channel),
        UNIT(an_exclusive_consumer_keeps_others_out),
        UNIT(an_unknown_delivery_tag_closes_the_channel),
        UNIT(a_closed_channel_gives_its_loans_back_marked),
        UNIT(prefetch_bounds_one_consumer_and_global_the_channel),
        UNIT(rejected_with_requeue_comes_again_recovered_too),
        UNIT(cancel_leaves_loans_with_the_channel),
        UNIT(loans_of_a_cancelled_consumer_count_in_a_later_global_limit),
        UNIT(consumers_without_a_prefetch_share_the_channels_limit),
        UNIT(a_deleted_queue_cancels_its_consumers),
        UNIT(a_tag_is_made_up_where_none_is_given),
        UNIT(get_counts_what_is_left_and_settles_like_a_delivery),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/consumer", tests);
}
