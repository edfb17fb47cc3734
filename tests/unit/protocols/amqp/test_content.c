/* Bodies that come in parts: bounded, and nobody waits for ever for one that does not end. */
#include "core/base/limits.h"
#include "core/memory.h"
#include "core/properties.h"
#include "protocols/amqp/channel.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define ROOM (1024u * 1024) /* of the harness that has_room_for_one begins */
#define LARGE (700u * 1024)
#define FRAME 4000u
#define PERIOD SL_ARRIVAL_PERIOD_MS

static struct harness h;
static const uint8_t zeros[FRAME];

static void start(void)
{
    harness_init(&h, SL_ARRIVAL_BUDGET_SHARE * ROOM);
}

static void write_begin(struct sl_buffer *bytes, uint16_t channel, const char *queue, uint64_t len)
{
    uint8_t header[14];
    struct sl_writer w = {header, header + sizeof header, false};

    amqp_write_method(bytes, channel, AMQP_BASIC_PUBLISH, "hsso", 0, "", queue, 0);
    sl_write_u16(&w, AMQP_CLASS_BASIC);
    sl_write_u16(&w, 0);
    sl_write_u64(&w, len);
    sl_write_bytes(&w, properties_none);
    amqp_write_frame(bytes, AMQP_FRAME_HEADER, channel,
                     (struct sl_bytes){header, (size_t)(w.pos - header)});
}

static void write_body(struct sl_buffer *bytes, uint16_t channel, size_t len)
{
    for (size_t n; len != 0; len -= n) {
        n = len < FRAME ? len : FRAME;
        amqp_write_frame(bytes, AMQP_FRAME_BODY, channel, (struct sl_bytes){zeros, n});
    }
}

static void say_begin(struct peer_end *p, uint16_t channel, uint64_t len)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    write_begin(&bytes, channel, "q", len);
    amqp_say_bytes(p, &bytes);
}

static void say_body(struct peer_end *p, uint16_t channel, size_t len)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    write_body(&bytes, channel, len);
    amqp_say_bytes(p, &bytes);
}

static void open_second(struct peer_end *p)
{
    amqp_say(p, 2, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 2, AMQP_CHANNEL_OPEN_OK);
}

static uint32_t ready(void)
{
    struct peer_end *p = amqp_open_channel(&h);

    amqp_say(p, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
    struct sl_reader r = amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    sl_read_short_string(&r);
    return sl_read_u32(&r);
}

static bool is_room_free(void)
{
    return memory_room_is_free(ROOM, ROOM);
}

static void unfinished_bodies_hold_nobody_who_publishes_small_ones(void)
{
    start();
    for (int i = 0; i < 16; i++) {
        struct peer_end *culprit = amqp_open_channel(&h);
        say_begin(culprit, 1, SL_MESSAGE_BYTES_MAX);
        say_body(culprit, 1, ROOM);
    }
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_expect(p, 1, AMQP_CONFIRM_SELECT_OK);
    for (int i = 0; i < 100; i++) {
        amqp_publish(p, 1, "", "q", 0, (struct sl_bytes){zeros, FRAME});
        amqp_expect(p, 1, AMQP_BASIC_ACK);
    }
    say_begin(p, 1, FRAME); /* neither who does it in parts */
    say_body(p, 1, FRAME);
    amqp_expect(p, 1, AMQP_BASIC_ACK);
    harness_deinit(&h);
    CU_ASSERT_TRUE(is_room_free());
}

static void one_connection_cannot_begin_without_bound(void)
{
    uint32_t refused = 0;

    start();
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    say_begin(p, 1, LARGE);
    for (uint16_t i = 2; i <= 100; i++) {
        amqp_say(p, i, AMQP_CHANNEL_OPEN, "s", "");
        amqp_expect(p, i, AMQP_CHANNEL_OPEN_OK);
        say_begin(p, i, LARGE);
        amqp_expect_close(p, i, 506,
                          "RESOURCE_ERROR - no room for one more message that is not finished");
        say_body(p, i, FRAME); /* dropped */
        refused++;
    }
    CU_ASSERT_EQUAL(refused, 99);
    say_body(p, 1, LARGE); /* the first one is as good as ever */
    amqp_expect_silence(p);
    CU_ASSERT_EQUAL(ready(), 1);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void small_bodies_of_one_connection_are_bounded_too(void)
{
    start();
    struct peer_end *p = amqp_open_channel(&h);
    for (uint16_t i = 2; i <= 100; i++) {
        amqp_say(p, i, AMQP_CHANNEL_OPEN, "s", "");
        amqp_expect(p, i, AMQP_CHANNEL_OPEN_OK);
        say_begin(p, i, SL_ARRIVAL_SMALL_BYTES);
        harness_forget(p); /* the later ones are refused */
    }
    const struct amqp_connection *c = amqp_connection_of(p->session);
    CU_ASSERT_EQUAL(c->contents_small, SL_ARRIVAL_SMALL_BYTES);
    CU_ASSERT_EQUAL(c->contents_roomy, ROOM / SL_ARRIVAL_SMALL_BYTES);
    CU_ASSERT_EQUAL(c->contents, 1 + c->contents_roomy);
    harness_deinit(&h);
    CU_ASSERT_TRUE(is_room_free());
}

static void who_waits_for_room_goes_on_when_it_is_back(void)
{
    start();
    struct peer_end *first = amqp_open_channel(&h);
    struct peer_end *second = amqp_open_channel(&h);
    amqp_declare(first, 1, "q");
    say_begin(first, 1, LARGE);
    say_begin(second, 1, LARGE);
    CU_ASSERT_TRUE(second->session->is_held);
    say_body(second, 1, LARGE);
    amqp_say(second, 1, AMQP_BASIC_QOS, "lho", 0u, 1, 0);
    amqp_expect_silence(second);
    say_body(first, 1, LARGE);
    amqp_expect(second, 1, AMQP_BASIC_QOS_OK);
    CU_ASSERT_EQUAL(ready(), 2);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void a_content_kept_behind_a_question_waits_for_room(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    start();
    struct peer_end *first = amqp_open_channel(&h);
    struct peer_end *p = amqp_open_channel(&h);
    say_begin(first, 1, LARGE);
    amqp_write_method(&bytes, 1, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
    write_begin(&bytes, 1, "q", LARGE);
    write_body(&bytes, 1, LARGE);
    amqp_write_method(&bytes, 1, AMQP_BASIC_QOS, "lho", 0u, 1, 0);
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect_silence(p);
    open_second(p);
    say_begin(p, 2, LARGE); /* it waits behind the kept one, or that could never end */
    CU_ASSERT_TRUE(p->session->is_held);
    harness_hang_up(first);
    amqp_expect(p, 1, AMQP_BASIC_QOS_OK);
    say_body(p, 2, LARGE);
    amqp_expect_silence(p);
    CU_ASSERT_EQUAL(ready(), 2);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void two_kept_contents_do_not_wait_for_each_other(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    start();
    struct peer_end *first = amqp_open_channel(&h);
    struct peer_end *p = amqp_open_channel(&h);
    open_second(p);
    say_begin(first, 1, LARGE);
    for (uint16_t i = 1; i <= 2; i++) {
        amqp_write_method(&bytes, i, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
        write_begin(&bytes, i, "q", LARGE);
    }
    amqp_say_bytes(p, &bytes);
    amqp_expect(p, 1, AMQP_QUEUE_DECLARE_OK);
    amqp_expect(p, 2, AMQP_QUEUE_DECLARE_OK);
    amqp_expect_silence(p);
    harness_hang_up(first);
    amqp_expect_close(p, 2, 506,
                      "RESOURCE_ERROR - no room for one more message that is not finished");
    say_body(p, 1, LARGE);
    CU_ASSERT_EQUAL(ready(), 1);
    harness_deinit(&h);
}

static void write_kept_content(struct sl_buffer *bytes, uint16_t channel, size_t len)
{
    amqp_write_method(bytes, channel, AMQP_QUEUE_DECLARE, "hsoe", 0, "q", 0);
    write_begin(bytes, channel, "q", len);
    write_body(bytes, channel, len);
    amqp_write_method(bytes, channel, AMQP_BASIC_QOS, "lho", 0u, 1, 0);
}

/* More than is said to who does not read. */
static void ask_and_do_not_read(struct peer_end *p, uint16_t channel)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    amqp_declare(p, channel, "read");
    for (int i = 0; i < 400; i++)
        amqp_publish(p, channel, "", "read", 0, (struct sl_bytes){zeros, FRAME});
    for (int i = 0; i < 400; i++)
        amqp_write_method(&bytes, channel, AMQP_BASIC_GET, "hso", 0, "read", 1);
    p->is_deaf = true;
    amqp_say_bytes(p, &bytes);
    CU_ASSERT(outbox_bytes(&p->session->out) > SL_OUT_BYTES_HIGH);
}

static uint32_t count_heard(struct peer_end *p, uint32_t method)
{
    struct heard heard;
    uint32_t count = 0;

    while (amqp_hear(p, &heard))
        count += heard.method == method;
    return count;
}

static void kept_contents_go_on_when_room_came_while_nothing_was_read(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    start();
    struct peer_end *first = amqp_open_channel(&h);
    struct peer_end *p = amqp_open_channel(&h);
    open_second(p);
    amqp_say(p, 3, AMQP_CHANNEL_OPEN, "s", "");
    say_begin(first, 1, LARGE);
    write_kept_content(&bytes, 2, LARGE / 2); /* waits for room */
    write_kept_content(&bytes, 1, LARGE / 7); /* and this one behind it */
    amqp_say_bytes(p, &bytes);
    CU_ASSERT_EQUAL(count_heard(p, AMQP_BASIC_QOS_OK), 0);
    ask_and_do_not_read(p, 3);
    harness_hang_up(first);
    p->is_deaf = false;
    session_touch(p->session);
    harness_settle(&h);
    CU_ASSERT_EQUAL(count_heard(p, AMQP_BASIC_QOS_OK), 2);
    CU_ASSERT_EQUAL(ready(), 2);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void a_session_held_behind_a_kept_content_goes_on_when_it_has_read(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    start();
    struct peer_end *first = amqp_open_channel(&h);
    struct peer_end *p = amqp_open_channel(&h);
    open_second(p);
    amqp_say(p, 3, AMQP_CHANNEL_OPEN, "s", "");
    say_begin(first, 1, LARGE);
    write_kept_content(&bytes, 2, LARGE / 2);
    amqp_say_bytes(p, &bytes);
    harness_forget(p);
    ask_and_do_not_read(p, 3);
    harness_hang_up(first);
    say_begin(p, 1, LARGE / 7);
    CU_ASSERT_TRUE(p->session->is_held);
    p->is_deaf = false;
    session_touch(p->session);
    harness_settle(&h);
    CU_ASSERT_FALSE(p->session->is_held);
    say_body(p, 1, LARGE / 7);
    CU_ASSERT_EQUAL(ready(), 2);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void a_closed_channel_gives_its_room_back(void)
{
    start();
    struct peer_end *p = amqp_open_channel(&h);
    say_begin(p, 1, LARGE);
    CU_ASSERT_FALSE(is_room_free());
    harness_hang_up(p);
    CU_ASSERT_TRUE(is_room_free());
    p = amqp_open_channel(&h);
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    amqp_write_method(&bytes, 1, AMQP_BASIC_PUBLISH, "hsso", 0, "missing", "", 0);
    amqp_say_bytes(p, &bytes);
    uint8_t header[] = {0, 60, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0};
    amqp_say_frame(p, AMQP_FRAME_HEADER, 1, (struct sl_bytes){header, sizeof header});
    CU_ASSERT_FALSE(is_room_free());
    say_body(p, 1, 0x0a0000); /* no such exchange */
    struct heard heard;
    CU_ASSERT_TRUE(amqp_hear(p, &heard));
    CU_ASSERT_EQUAL(heard.method, AMQP_CHANNEL_CLOSE);
    CU_ASSERT_TRUE(is_room_free());
    harness_deinit(&h);
}

static void a_body_that_does_not_go_on_closes_its_connection(void)
{
    start();
    struct peer_end *p = amqp_open_channel(&h);
    struct peer_end *other = amqp_open_channel(&h);
    amqp_declare(other, 1, "q");
    say_begin(p, 1, LARGE);
    say_begin(other, 1, LARGE);
    CU_ASSERT_TRUE(other->session->is_held);
    harness_wait(&h, 2 * PERIOD + 200);
    amqp_expect_close(p, 0, 506,
                      "RESOURCE_ERROR - body of a message on channel 1 was not finished in time");
    harness_wait(&h, SL_AMQP_CLOSE_TIMEOUT_MS + 200);
    CU_ASSERT_PTR_NULL(p->session);
    say_body(other, 1, LARGE);
    amqp_expect_silence(other);
    CU_ASSERT_EQUAL(ready(), 1);
    harness_deinit(&h);
}

static void a_dribble_does_not_keep_room(void)
{
    struct heard heard;

    start();
    struct peer_end *p = amqp_open_channel(&h);
    say_begin(p, 1, LARGE);
    for (int i = 0; i < 20 && p->heard.len == 0; i++) {
        say_body(p, 1, 1);
        harness_wait(&h, PERIOD / 4);
    }
    CU_ASSERT_TRUE(amqp_hear(p, &heard));
    CU_ASSERT_EQUAL(heard.method, AMQP_CONNECTION_CLOSE);
    harness_deinit(&h);
}

static void a_slow_body_is_waited_for(void)
{
    start();
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    say_begin(p, 1, LARGE);
    for (uint32_t left = LARGE; left != 0;) {
        uint32_t part = left < 80000 ? left : 80000;
        harness_wait(&h, PERIOD);
        say_body(p, 1, part);
        left -= part;
    }
    amqp_expect_silence(p);
    CU_ASSERT_EQUAL(ready(), 1);
    harness_wait(&h, 3 * PERIOD); /* and then nothing is owed */
    amqp_expect_silence(p);
    harness_deinit(&h);
}

static void time_when_we_do_not_read_does_not_count(void)
{
    start();
    struct peer_end *p = amqp_open_channel(&h);
    struct peer_end *filler = amqp_open_channel(&h);
    open_second(p);
    amqp_declare(p, 1, "q");
    amqp_declare(filler, 1, "full");
    say_begin(p, 1, LARGE);
    for (int i = 0; i < 2000 && !filler->session->is_held; i++)
        amqp_publish(filler, 1, "", "full", 0, (struct sl_bytes){zeros, FRAME});
    CU_ASSERT_TRUE_FATAL(filler->session->is_held);
    amqp_publish(p, 2, "", "q", 0, SL_BYTES_LITERAL("x")); /* the other channel's is held */
    harness_wait(&h, 5 * PERIOD / 2);
    struct peer_end *drain = amqp_open_channel(&h);
    amqp_say(drain, 1, AMQP_QUEUE_PURGE, "hso", 0, "full", 0);
    harness_wait(&h, PERIOD);
    amqp_expect_silence(p);
    say_body(p, 1, LARGE);
    amqp_expect_silence(p);
    CU_ASSERT_EQUAL(ready(), 2);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(unfinished_bodies_hold_nobody_who_publishes_small_ones),
        UNIT(one_connection_cannot_begin_without_bound),
        UNIT(small_bodies_of_one_connection_are_bounded_too),
        UNIT(a_closed_channel_gives_its_room_back),
        UNIT(a_body_that_does_not_go_on_closes_its_connection),
        UNIT(a_dribble_does_not_keep_room),
        UNIT(a_slow_body_is_waited_for),
        UNIT(time_when_we_do_not_read_does_not_count),
        UNIT(who_waits_for_room_goes_on_when_it_is_back),
        UNIT(a_content_kept_behind_a_question_waits_for_room),
        UNIT(two_kept_contents_do_not_wait_for_each_other),
        UNIT(kept_contents_go_on_when_room_came_while_nothing_was_read),
        UNIT(a_session_held_behind_a_kept_content_goes_on_when_it_has_read),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/content", tests);
}
