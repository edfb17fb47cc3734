#include "core/properties.h"
#include "core/table.h"
#include "protocols/amqp/channel.h"
#include "tests/support/amqp_peer.h"
#include "tests/support/properties_maker.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static struct harness h;

static void say_header(struct peer_end *p, int class_id, uint64_t body_len,
                       struct sl_bytes properties)
{
    uint8_t header[256];
    struct sl_writer w = {header, header + sizeof header, false};

    sl_write_u16(&w, (uint16_t)class_id);
    sl_write_u16(&w, 0);
    sl_write_u64(&w, body_len);
    sl_write_bytes(&w, properties);
    amqp_say_frame(p, AMQP_FRAME_HEADER, 1, (struct sl_bytes){header, (size_t)(w.pos - header)});
}

static void say_publish(struct peer_end *p, const char *exchange, const char *key, int bits)
{
    amqp_say(p, 1, AMQP_BASIC_PUBLISH, "hsso", 0, exchange, key, bits);
}

static void expect_got(struct peer_end *p, const char *queue, struct sl_bytes body)
{
    amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, queue, 1);
    amqp_expect(p, 1, AMQP_BASIC_GET_OK);
    amqp_expect_content(p, 1, body);
}

static void content_out_of_order_is_505(void)
{
    struct peer_end *p;

    harness_init(&h, 1 << 30);
    p = amqp_open_channel(&h);
    say_header(p, 60, 3, properties_none);
    amqp_expect_close(p, 0, 505,
                      "UNEXPECTED_FRAME - expected method frame, got content header frame instead");
    p = amqp_open_channel(&h);
    say_publish(p, "", "q", 0);
    amqp_say_frame(p, AMQP_FRAME_BODY, 1, SL_BYTES_LITERAL("abc"));
    amqp_expect_close(p, 0, 505,
                      "UNEXPECTED_FRAME - expected content header for class 60, got content body "
                      "frame instead");
    p = amqp_open_channel(&h);
    say_publish(p, "", "q", 0);
    say_header(p, 60, 3, properties_none);
    say_publish(p, "", "q", 0);
    amqp_expect_close(p, 0, 505,
                      "UNEXPECTED_FRAME - expected content body for class 60, got method frame "
                      "instead");
    p = amqp_open_channel(&h);
    say_publish(p, "", "q", 0);
    say_header(p, 61, 3, properties_none);
    amqp_expect_close(p, 0, 505,
                      "UNEXPECTED_FRAME - expected content header for class 60, got one for class "
                      "61 instead");
    harness_deinit(&h);
}

static void a_body_longer_than_announced_is_501(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    say_publish(p, "", "q", 0);
    say_header(p, 60, 2, properties_none);
    amqp_say_frame(p, AMQP_FRAME_BODY, 1, SL_BYTES_LITERAL("abc"));
    amqp_expect_close(p, 0, 501, "FRAME_ERROR - content body is longer than its header said");
    harness_deinit(&h);
}

static void a_body_beyond_the_limit_closes_the_channel_and_is_swallowed(void)
{
    harness_init(&h, 1 << 30);
    h.settings.message_bytes_max = 10;
    struct peer_end *p = amqp_open_channel(&h);
    say_publish(p, "", "q", 0);
    say_header(p, 60, 1ull << 63, properties_none);
    amqp_expect_close(p, 1, 406,
                      "PRECONDITION_FAILED - message size 9223372036854775808 is larger than "
                      "configured max size 10");
    amqp_say_frame(p, AMQP_FRAME_BODY, 1, SL_BYTES_LITERAL("abc"));
    amqp_say_frame(p, AMQP_FRAME_BODY, 1, SL_BYTES_LITERAL("def"));
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    amqp_declare(p, 1, "q");
    amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("0123456789a")); /* whole: the short way */
    amqp_expect(p, 1, AMQP_CHANNEL_CLOSE);
    harness_deinit(&h);
}

static void a_publish_nowhere_says_so(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_publish(p, 1, "nix", "k", 0, SL_BYTES_LITERAL("x"));
    amqp_expect_close(p, 1, 404, "NOT_FOUND - no exchange 'nix' in vhost '/'");
    amqp_say(p, 1, AMQP_CHANNEL_CLOSE_OK, "");
    amqp_say(p, 1, AMQP_CHANNEL_OPEN, "s", "");
    amqp_expect(p, 1, AMQP_CHANNEL_OPEN_OK);
    amqp_say(p, 1, AMQP_EXCHANGE_DECLARE, "hssoe", 0, "in", "fanout", 8);
    amqp_expect(p, 1, AMQP_EXCHANGE_DECLARE_OK);
    amqp_publish(p, 1, "in", "k", 0, SL_BYTES_LITERAL("x"));
    amqp_expect_close(p, 1, 403,
                      "ACCESS_REFUSED - cannot publish to internal exchange 'in' in vhost '/'");
    harness_deinit(&h);
}

static void immediate_is_540(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_publish(p, 1, "", "q", 2, SL_BYTES_LITERAL("x"));
    amqp_expect_close(p, 0, 540, "NOT_IMPLEMENTED - immediate=true");
    harness_deinit(&h);
}

static void properties_that_lie_are_refused(void)
{
    static const struct {
        const char *name;
        struct sl_bytes flat;
        const char *text; /* NULL: 502 with whatever words */
    } cases[] = {
        {"another's user-id",
         {(const uint8_t *)"\0\x10\5admin", 8},
         "PRECONDITION_FAILED - user_id property set to 'admin' but authenticated user was "
         "'guest'"},
        {"expiration",
         {(const uint8_t *)"\1\0\3abc", 6},
         "PRECONDITION_FAILED - invalid expiration 'abc': a number of milliseconds up to "
         "4294967295 is expected"},
        {"no expiration",
         {(const uint8_t *)"\1\0\0", 3},
         "PRECONDITION_FAILED - invalid expiration '': a number of milliseconds up to 4294967295 "
         "is expected"},
        {"short", {(const uint8_t *)"\x80\0\5ab", 5}, NULL},
        {"flags only", {(const uint8_t *)"\x80", 1}, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
        harness_init(&h, 1 << 30);
        struct peer_end *p = amqp_open_channel(&h);
        amqp_write_publish(&bytes, 1, "", "q", 0, cases[i].flat, SL_BYTES_LITERAL("x"));
        amqp_say_bytes(p, &bytes);
        if (cases[i].text != NULL) {
            amqp_expect_close(p, 1, 406, cases[i].text);
        } else {
            struct sl_reader r = amqp_expect(p, 0, AMQP_CONNECTION_CLOSE);
            CU_ASSERT_EQUAL(sl_read_u16(&r), 502);
        }
        harness_deinit(&h);
    }
}

static void content_comes_out_as_it_went_in_however_it_was_cut(void)
{
    /* content-type, headers, own user-id, expiration */
    static const uint8_t flat[] = "\xa1\x10\4text\0\0\0\10\1aS\0\0\0\1b\3"
                                  "100\5guest";
    struct sl_bytes properties = {flat, sizeof flat - 1};
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct heard heard;

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_write_publish(&bytes, 1, "", "q", 0, properties, SL_BYTES_LITERAL("body"));
    amqp_write_publish(&bytes, 1, "", "q", 0, properties, SL_BYTES_LITERAL("body"));
    for (size_t step = 1; step <= bytes.len; step++) {
        for (size_t at = 0; at < bytes.len; at += step) {
            size_t n = bytes.len - at < step ? bytes.len - at : step;
            harness_send(p, (struct sl_bytes){bytes.at + at, n});
        }
        for (int i = 0; i < 2; i++) {
            amqp_say(p, 1, AMQP_BASIC_GET, "hso", 0, "q", 1);
            amqp_expect(p, 1, AMQP_BASIC_GET_OK);
            CU_ASSERT_FATAL(amqp_hear(p, &heard));
            sl_read_bytes(&heard.arguments, 12);
            struct sl_bytes got = {heard.arguments.pos, sl_reader_left(&heard.arguments)};
            CU_ASSERT(sl_bytes_equal(got, properties));
            CU_ASSERT(amqp_hear(p, &heard) && heard.type == AMQP_FRAME_BODY);
        }
        amqp_expect_silence(p);
    }
    sl_buffer_deinit(&bytes);
    harness_deinit(&h);
}

static void bodies_of_any_length_cross_frames_of_any_length(void)
{
    static const size_t lens[] = {0, 1, 4087, 4088, 4089, 8192, 8193, 100000, 3000000};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint8_t *body = malloc(lens[i] + 1);
        for (size_t j = 0; j < lens[i]; j++)
            body[j] = (uint8_t)(j * 31 + i);
        struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
        amqp_write_method(&bytes, 1, AMQP_BASIC_PUBLISH, "hsso", 0, "", "q", 0);
        amqp_say_bytes(p, &bytes);
        say_header(p, 60, lens[i], properties_none);
        struct sl_bytes left = {body, lens[i]};
        while (left.len != 0) {
            struct sl_bytes part = {left.at, left.len < 1000 + i * 300 ? left.len : 1000 + i * 300};
            amqp_say_frame(p, AMQP_FRAME_BODY, 1, part);
            left = sl_bytes_skip(left, part.len);
        }
        expect_got(p, "q", (struct sl_bytes){body, lens[i]});
        free(body);
    }
    harness_deinit(&h);
}

static void a_confirm_stands_for_all_before_it(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "q");
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 0);
    amqp_expect(p, 1, AMQP_CONFIRM_SELECT_OK);
    for (int i = 0; i < 5; i++)
        amqp_write_publish(&bytes, 1, "", "q", 0, properties_none, SL_BYTES_LITERAL("x"));
    amqp_say_bytes(p, &bytes);
    struct sl_reader r = amqp_expect(p, 1, AMQP_BASIC_ACK);
    CU_ASSERT_EQUAL(sl_read_u64(&r), 5);
    CU_ASSERT_EQUAL(sl_read_u8(&r), 1);
    amqp_publish(p, 1, "", "q", 0, SL_BYTES_LITERAL("x"));
    r = amqp_expect(p, 1, AMQP_BASIC_ACK);
    CU_ASSERT_EQUAL(sl_read_u64(&r), 6);
    CU_ASSERT_EQUAL(sl_read_u8(&r), 0);
    harness_deinit(&h);
}

static void a_return_comes_before_its_confirm(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_say(p, 1, AMQP_CONFIRM_SELECT, "o", 1); /* no-wait */
    amqp_expect_silence(p);
    amqp_publish(p, 1, "amq.direct", "nowhere", 1, SL_BYTES_LITERAL("lost"));
    struct sl_reader r = amqp_expect(p, 1, AMQP_BASIC_RETURN);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 312);
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), "NO_ROUTE"));
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), "amq.direct"));
    CU_ASSERT(sl_bytes_are(sl_read_short_string(&r), "nowhere"));
    amqp_expect_content(p, 1, SL_BYTES_LITERAL("lost"));
    amqp_expect(p, 1, AMQP_BASIC_ACK);
    amqp_publish(p, 1, "amq.direct", "nowhere", 0, SL_BYTES_LITERAL("lost"));
    amqp_expect(p, 1, AMQP_BASIC_ACK); /* not mandatory: confirmed all the same */
    harness_deinit(&h);
}

static void a_remembered_route_is_forgotten_when_bindings_change(void)
{
    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_declare(p, 1, "a");
    amqp_declare(p, 1, "b");
    amqp_say(p, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "a", "amq.direct", "k", 0);
    amqp_expect(p, 1, AMQP_QUEUE_BIND_OK);
    amqp_publish(p, 1, "amq.direct", "k", 0, SL_BYTES_LITERAL("1"));
    amqp_publish(p, 1, "amq.direct", "k", 0, SL_BYTES_LITERAL("2"));
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX}; /* without waiting for the answer */
    amqp_write_method(&bytes, 1, AMQP_QUEUE_BIND, "hsssoe", 0, "b", "amq.direct", "k", 1);
    amqp_write_publish(&bytes, 1, "amq.direct", "k", 0, properties_none, SL_BYTES_LITERAL("3"));
    amqp_say_bytes(p, &bytes);
    amqp_expect_silence(p);
    expect_got(p, "b", SL_BYTES_LITERAL("3"));
    expect_got(p, "a", SL_BYTES_LITERAL("1"));
    harness_deinit(&h);
}

static void publishes_with_changing_keys_find_their_queues(void)
{
    static const char *const queues[] = {"a", "b", "a", "c"};
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    for (int i = 0; i < 4; i++)
        amqp_declare(p, 1, queues[i]);
    for (int i = 0; i < 40; i++)
        amqp_write_publish(&bytes, 1, "", queues[i % 4], 0, properties_none,
                           sl_bytes_of(queues[i % 4]));
    amqp_say_bytes(p, &bytes);
    for (int i = 0; i < 40; i++)
        expect_got(p, queues[i % 4], sl_bytes_of(queues[i % 4]));
    harness_deinit(&h);
}

static void a_refused_publish_is_named_as_the_cause(void)
{
    struct sl_buffer bytes = {.bytes_max = SIZE_MAX};
    struct properties_maker m;

    harness_init(&h, 1 << 30);
    struct peer_end *p = amqp_open_channel(&h);
    amqp_publish(p, 1, "", "q", 0, sl_bytes_of("x"));
    amqp_declare(p, 1, "q"); /* the last method before the one that is refused */
    amqp_write_publish(&bytes, 1, "", "q", 0, properties_of_header(&m, "CC", "no array", false),
                       sl_bytes_of("x"));
    amqp_say_bytes(p, &bytes);
    struct sl_reader r = amqp_expect(p, 1, AMQP_CHANNEL_CLOSE);
    CU_ASSERT_EQUAL(sl_read_u16(&r), 406);
    sl_read_short_string(&r);
    CU_ASSERT_EQUAL(sl_read_u32(&r), AMQP_BASIC_PUBLISH);
    harness_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(content_out_of_order_is_505),
        UNIT(a_body_longer_than_announced_is_501),
        UNIT(a_body_beyond_the_limit_closes_the_channel_and_is_swallowed),
        UNIT(a_publish_nowhere_says_so),
        UNIT(immediate_is_540),
        UNIT(properties_that_lie_are_refused),
        UNIT(content_comes_out_as_it_went_in_however_it_was_cut),
        UNIT(bodies_of_any_length_cross_frames_of_any_length),
        UNIT(a_confirm_stands_for_all_before_it),
        UNIT(a_return_comes_before_its_confirm),
        UNIT(a_remembered_route_is_forgotten_when_bindings_change),
        UNIT(publishes_with_changing_keys_find_their_queues),
        UNIT(a_refused_publish_is_named_as_the_cause),
        CU_TEST_INFO_NULL,
    };
    return unit_run("protocols/amqp/publish", tests);
}
