#include "gateway/admin/http.h"

#include "tests/support/unit.h"

#include <stdlib.h>

static struct http_request r;

/* What the whole input comes to, fed in pieces of n bytes; *used: of all of it. */
static enum sl_err feed(struct sl_bytes in, size_t n, size_t *used)
{
    enum sl_err err = SL_EAGAIN;

    *used = 0;
    while (err == SL_EAGAIN && *used < in.len) {
        size_t left = in.len - *used;
        struct sl_bytes piece = {in.at + *used, left < n ? left : n};
        uint8_t *copy = malloc(piece.len); /* so that a sanitizer sees every byte too far */
        size_t taken;

        memcpy(copy, piece.at, piece.len);
        err = http_request_feed(&r, (struct sl_bytes){copy, piece.len}, &taken);
        free(copy);
        *used += taken;
        if (err == SL_EAGAIN)
            CU_ASSERT_EQUAL(taken, piece.len);
    }
    return err;
}

static enum sl_err feed_text(const char *text)
{
    size_t used;

    http_request_init(&r);
    enum sl_err err = feed(sl_bytes_of(text), 4096, &used);
    if (err != SL_OK)
        http_request_deinit(&r);
    return err;
}

static void what_is_not_http_is_refused(void)
{
    CU_ASSERT_EQUAL(feed_text("CONNECT\nlogin:x\n\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("AMQP\1\2\3"), SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("GET / HTTP/9.9.9\r\n\r\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("GET / HTTP/1.1\r\nbad header\r\n\r\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("GET /\x01 HTTP/1.1\r\n\r\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("GET / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n"),
                    SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("POST / HTTP/1.1\r\ncontent-length: 1\r\n"
                              "transfer-encoding: chunked\r\n\r\n"),
                    SL_EPROTO);
    CU_ASSERT_EQUAL(feed_text("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
                    SL_EPROTO);
}

static void a_target_without_end_is_too_large(void)
{
    static char target[HTTP_TARGET_BYTES_MAX + 100];

    memset(target, 'a', sizeof target - 1);
    memcpy(target, "GET /", 5);
    CU_ASSERT_EQUAL(feed_text(target), SL_ETOOBIG);
}

static void headers_without_end_are_too_large(void)
{
    size_t used;
    enum sl_err err = SL_EAGAIN;

    http_request_init(&r);
    err = feed(sl_bytes_of("GET / HTTP/1.1\r\n"), 4096, &used);
    for (int i = 0; i < 4000 && err == SL_EAGAIN; i++)
        err = feed(sl_bytes_of("x-header: value\r\n"), 4096, &used);
    CU_ASSERT_EQUAL(err, SL_ETOOBIG);
    http_request_deinit(&r);
}

static void a_body_without_end_is_too_large(void)
{
    static uint8_t junk[4096];
    enum sl_err err = SL_EAGAIN;
    size_t used;
    size_t all = 0;

    http_request_init(&r);
    err = feed(sl_bytes_of("POST / HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n"), 4096, &used);
    while (err == SL_EAGAIN) {
        err = feed((struct sl_bytes){junk, sizeof junk}, sizeof junk, &used);
        all += used;
    }
    CU_ASSERT_EQUAL(err, SL_ETOOBIG);
    CU_ASSERT(all <= HTTP_REQUEST_BYTES_MAX + sizeof junk);
    http_request_deinit(&r);
}

static void strange_bytes_never_do_more_than_be_refused(void)
{
    static const char good[] = "GET /api/queues?x=%20 HTTP/1.1\r\nhost: a\r\n"
                               "connection: keep-alive\r\ncontent-length: 3\r\n\r\nabc";
    uint32_t dice = 12345;

    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[sizeof good - 1];
        size_t used;

        memcpy(bytes, good, sizeof bytes);
        for (int i = 0; i < 3; i++) {
            dice = dice * 1664525 + 1013904223;
            bytes[(dice >> 8) % sizeof bytes] = (uint8_t)(dice >> 24);
        }
        http_request_init(&r);
        (void)!feed((struct sl_bytes){bytes, sizeof bytes}, 1 + round % 70, &used);
        CU_ASSERT(used <= sizeof bytes);
        http_request_deinit(&r);
    }
}

static void a_request_in_any_pieces_is_the_same_request(void)
{
    static const char two[] = "GET /a HTTP/1.1\r\nhost: x\r\n\r\nHEAD /b HTTP/1.1\r\n"
                              "connection: close\r\n\r\n";

    for (size_t n = 1; n < sizeof two; n++) {
        struct sl_bytes rest = sl_bytes_of(two);
        size_t used;

        http_request_init(&r);
        CU_ASSERT_EQUAL_FATAL(feed(rest, n, &used), SL_OK);
        CU_ASSERT(sl_bytes_are(sl_buffer_bytes(&r.target), "/a"));
        CU_ASSERT_EQUAL(r.parser.method, HTTP_GET);
        CU_ASSERT(r.keeps_alive);
        rest = sl_bytes_skip(rest, used);
        http_request_next(&r);
        CU_ASSERT_EQUAL_FATAL(feed(rest, n, &used), SL_OK);
        CU_ASSERT_EQUAL(used, rest.len);
        CU_ASSERT(sl_bytes_are(sl_buffer_bytes(&r.target), "/b"));
        CU_ASSERT_EQUAL(r.parser.method, HTTP_HEAD);
        CU_ASSERT(!r.keeps_alive);
        http_request_deinit(&r);
    }
}

static void an_upgrade_is_not_kept_alive(void)
{
    CU_ASSERT_EQUAL(
        feed_text("GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), SL_OK);
    CU_ASSERT(!r.keeps_alive);
    http_request_deinit(&r);
}

static void a_response_says_its_length_and_what_is_allowed(void)
{
    struct sl_buffer out;

    sl_buffer_init(&out, 1000);
    CU_ASSERT_EQUAL(http_respond(&out, 405, 12, false, "GET"), SL_OK);
    CU_ASSERT(sl_bytes_are(sl_buffer_bytes(&out),
                           "HTTP/1.1 405 Method Not Allowed\r\nserver: Sluice\r\n"
                           "content-type: application/json\r\ncache-control: no-cache\r\n"
                           "content-length: 12\r\nallow: GET\r\nconnection: close\r\n\r\n"));
    sl_buffer_clear(&out);
    CU_ASSERT_EQUAL(http_respond(&out, 200, 0, true, NULL), SL_OK);
    CU_ASSERT(sl_bytes_are(sl_buffer_bytes(&out),
                           "HTTP/1.1 200 OK\r\nserver: Sluice\r\n"
                           "content-type: application/json\r\ncache-control: no-cache\r\n"
                           "content-length: 0\r\n\r\n"));
    sl_buffer_deinit(&out);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_not_http_is_refused),
        UNIT(a_target_without_end_is_too_large),
        UNIT(headers_without_end_are_too_large),
        UNIT(a_body_without_end_is_too_large),
        UNIT(strange_bytes_never_do_more_than_be_refused),
        UNIT(a_request_in_any_pieces_is_the_same_request),
        UNIT(an_upgrade_is_not_kept_alive),
        UNIT(a_response_says_its_length_and_what_is_allowed),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/admin/http", tests);
}
