#include "protocols/amqp/channel.h"
#include "protocols/amqp/method.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#include "core/base/limits.h"

static struct harness h;

static struct amqp_connection *connection(const struct peer_end *p)
{
    return amqp_connection_of(p->session);
}

static void anything_but_open_on_a_closed_channel_is_504(void)
{
    static const uint32_t HEADER_TYPE = AMQP_FRAME_HEADER;

    for (size_t i = 0; i < amqp_methods_count; i++) {
        if (amqp_methods[i].on_channel == NULL || amqp_methods[i].id == AMQP_CHANNEL_OPEN)
            continue;
        harness_init(&h, 1 << 30);
        struct peer_end *p = amqp_open(&h);
        amqp_say(p, 1, amqp_methods[i].id, "");
        amqp_expect_close(p, 0, 504, "CHANNEL_ERROR - expected 'channel.open'");
        harness_deinit(&h);
    }
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open(&h);
    amqp_say_frame(p, HEADER_TYPE, 1, SL_BYTES_LITERAL("x"));
    amqp_expect_close(p, 0, 504, "CHANNEL_ERROR - expected 'channel.open'");
    harness_deinit(&h);
}

static void a_second_open_is_504(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect_close(p, 0, 504, "CHANNEL_ERROR - second 'channel.open' seen");
    harness_deinit(&h);
}

static void a_number_above_channel_max_is_530(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 101, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect_close(p, 0, 530,
                      "NOT_ALLOWED - number of channels opened (1) has reached the negotiated "
                      "channel_max (100)");
    harness_deinit(&h);
}

static void an_unknown_method_is_540_and_named(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_METHOD(90, 40), "");
    struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 540);
    sl_read_short_string(&r);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 90);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 40);
    harness_deinit(&h);
}

static void methods_of_the_connection_stay_on_channel_0_and_others_off_it(void)
{
    for (size_t i = 0; i < amqp_methods_count; i++) {
        bool is_ours = amqp_methods[i].on_connection != NULL;
        harness_init(&h, 1 << 30);
        struct peer_end *p = amqp_open_channel(&h);
        amqp_say(p, is_ours ? 1 : 0, amqp_methods[i].id, "");
        struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
        CU_ASSERT_EQUAL(sl_read_u16(&r), is_ours ? 503 : 504);
        harness_deinit(&h);
    }
}

static void every_method_cut_short_is_502(void)
{
    for (size_t i = 0; i < amqp_methods_count; i++) {
        uint32_t id = amqp_methods[i].id;
        if (amqp_methods[i].on_channel == NULL ||
            (amqp_methods[i].legal & AMQP_CHANNEL_IS_OPEN) == 0)
            continue;
        if (id == AMQP_CHANNEL_CLOSE)
            continue; /* whoever goes may go */
        if (id >> 16 == AMQP_CLASS_TX)
            continue; /* has nothing that could be cut */
        harness_init(&h, 1 << 30);
        struct peer_end *p = amqp_open_channel(&h);
        amqp_say(p, 1, id, "");
        struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
        CU_ASSERT_EQUAL(sl_read_u16(&r), 502);
        harness_deinit(&h);
    }
}

static void an_error_closes_the_channel_only(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)7, 0);
    amqp_expect_close(p, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 7");
    /* what comes before close-ok is dropped, whatever it is */
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)8, 0);
    amqp_say_frame(p, AMQP_FRAME_BODY, 1, SL_BYTES_LITERAL("late"));
    amqp_expect_silence(p);
    amqp_declare(p, 2, "q");
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_expect_silence(p);
    CU_ASSERT_PTR_NULL(amqp_channel_find(connection(p), 1));
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    amqp_declare(p, 1, "q");
    harness_deinit(&h);
}

static void both_sides_may_close_at_once(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_BASIC_ACK, "qo", (uint64_t)7, 0);
    amqp_expect(p, 1, AMQP_CHANNEL_CLOSE);
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE, "hshh", 200, "bye", 0, 0);
    amqp_expect(p, 1, AMQP_CHANNEL_CLOSE_OK);
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);

    amqp_say(p, 0, AMQP_BASIC_ACK, "");
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE, "hshh", 200, "bye", 0, 0);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE_OK);
    CU_ASSERT_PTR_NOT_NULL(p->session);
    amqp_say(p, 0, AMQP_CONNECTION_CLOSE_OK, "");
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void frames_behind_a_question_are_executed_in_order_after_it(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "a", 0);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "b", 0);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "", "amq.direct", "", 0);
    amqp_write_method(&bytes, 1, AMQP_CHANNEL_CLOSE, "hshh", 200, "", 0, 0);
    amqp_write_method(&bytes, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DELETE, "hso", 0, "b", 0);
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 1, AMQP_QUEUE_BIND_OK);
    amqp_expect(p, 1, AMQP_CHANNEL_CLOSE_OK);
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    amqp_expect(p, 1, AMQP_QUEUE_DELETE_OK);
    amqp_expect_silence(p);
    CU_ASSERT_EQUAL(connection(p)->parked_bytes, 0);
    harness_deinit(&h);
}

static void other_channels_go_on_while_one_waits(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "a", 0);
    amqp_write_method(&bytes, 1, AMQP_BASIC_QOS, "lho", 0u, 1, 0);
    amqp_write_method(&bytes, 2, AMQP_CHANNEL_OPEN, "s", "");
    harness_feed(p, sl_buffer_bytes(&bytes));
    CU_ASSERT(amqp_channel_is_parked(amqp_channel_find(connection(p), 1)));
    harness_settle(&h);
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    sl_buffer_deinit(&bytes);
    harness_deinit(&h);
}

static void a_flood_behind_a_question_is_bounded_and_all_of_it_answered(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    uint32_t count = 0;
    struct heard heard;

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    for (; bytes.len < 3 * SL_AMQP_PARKED_BYTES_MAX; count++)
        amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "a", 0);
    harness_feed(p, sl_buffer_bytes(&bytes));
    CU_ASSERT(connection(p)->parked_bytes <= SL_AMQP_PARKED_BYTES_MAX);
    CU_ASSERT(p->session->is_parked);
    harness_settle(&h);
    for (; amqp_hear(p, &heard); count--)
        CU_ASSERT_EQUAL(heard.method, AMQP_QUEUE_DECLARE_OK);
    CU_ASSERT_EQUAL(count, 0);
    sl_buffer_deinit(&bytes);
    harness_deinit(&h);
}

static void an_answer_for_a_connection_that_failed_is_dropped(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_write_method(&bytes, 1, AMQP_BASIC_CONSUME, "hssoe", 0, "q", "tag", 0);
    amqp_write_method(&bytes, 0, AMQP_BASIC_ACK, "");
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
    amqp_expect_silence(p);
    harness_wait(&h, SL_AMQP_CLOSE_TIMEOUT_MS + 200);
    CU_ASSERT_PTR_NULL(p->session);
    harness_deinit(&h);
}

static void a_reply_text_is_cut_between_characters(void)
{
    char queue[255];

    harness_init(&h, 1 << 30);
    for (int shift = 0; shift < 2; shift++) { /* one of them falls into a character */
        struct peer_end *p = amqp_open_channel(&h);
        size_t len = (size_t)shift;
        memset(queue, 'a', len);
        for (; len + 2 < sizeof queue; len += 2)
            memcpy(queue + len, "\xc3\xa9", 2);
        queue[len] = 0;
        amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, queue, 1);
        struct sl_reader r = amqp_expect(p, 1, AMQP_CHANNEL_CLOSE);
        CU_ASSERT_EQUAL(sl_read_u16(&r), 404);
        struct sl_bytes said = sl_read_short_string(&r);
        CU_ASSERT(said.len >= 254);
        CU_ASSERT_EQUAL(said.at[said.len - 1], 0xa9);
    }
    harness_deinit(&h);
}

static void the_old_questions_of_the_protocol_are_answered(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_ACCESS_REQUEST, "so", "/data", 0x1f);
    struct sl_reader r = amqp_expect(p, 1, AMQP_ACCESS_REQUEST_OK);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 1);
    amqp_say(p, 1, AMQP_CHANNEL_FLOW, "o", 1);
    amqp_expect(p, 1, AMQP_CHANNEL_FLOW_OK);
    amqp_say(p, 1, AMQP_CHANNEL_FLOW, "o", 0);
    amqp_expect_close(p, 0, 540, "NOT_IMPLEMENTED - active=false");
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(anything_but_open_on_a_closed_channel_is_504),
        UNIT(a_second_open_is_504),
        UNIT(a_number_above_channel_max_is_530),
        UNIT(an_unknown_method_is_540_and_named),
        UNIT(methods_of_the_connection_stay_on_channel_0_and_others_off_it),
        UNIT(every_method_cut_short_is_502),
        UNIT(an_error_closes_the_channel_only),
        UNIT(both_sides_may_close_at_once),
        UNIT(frames_behind_a_question_are_executed_in_order_after_it),
        UNIT(other_channels_go_on_while_one_waits),
        UNIT(a_flood_behind_a_question_is_bounded_and_all_of_it_answered),
        UNIT(an_answer_for_a_connection_that_failed_is_dropped),
        UNIT(a_reply_text_is_cut_between_characters),
        UNIT(the_old_questions_of_the_protocol_are_answered),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/channel", tests);
}
