#include "gateway/proxy_protocol.h"

#include "core/base/limits.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define PORTS "\x12\x67\x16\x28" /* 4711, 5672 */
#define V4 "\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2" PORTS

#define ROW(text) SL_BYTES_LITERAL(text)

static void what_is_no_header_is_refused_at_the_first_wrong_byte(void)
{
    const struct sl_bytes rows[] = {
        ROW("A"),
        ROW("AMQP\0\0\x09\1"),
        ROW("CONNECT\n"),
        ROW("\x16\x03\x01"),
        ROW("PROXI"),
        ROW("proxy "),
        ROW("\r\n\r\nQ"),
        ROW("\n"),
        ROW("PROXY \r\n"),
        ROW("PROXY TCP4\r\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1 +2\r\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n"),
        ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0\r\n"),
        ROW("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"),
        ROW(SIGNATURE "\x31\x11\0\0"),                                  /* version 3 */
        ROW(SIGNATURE "\x22\x11\0\0"),                                  /* no such command */
        ROW(SIGNATURE "\x21\x11\xff\xff"),                              /* longer than allowed */
        ROW(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc0\0\2\2\0\1\0"),      /* a byte short */
        ROW(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc0\0\2\2" PORTS),      /* datagrams */
        ROW(SIGNATURE "\x21\x11\0\x0d\xc0\0\2\1\xc0\0\2\2" PORTS "\4"), /* half an option */
        ROW(SIGNATURE "\x21\x11\0\x10\xc0\0\2\1\xc0\0\2\2" PORTS "\4\0\2a"),    /* the same */
        ROW(SIGNATURE "\x21\x11\0\x13\xc0\0\2\1\xc0\0\2\2" PORTS "\3\0\4abcd"), /* wrong sum */
    };
    struct proxy_header h;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CU_ASSERT_EQUAL(proxy_protocol_parse(rows[i], &h), SL_EPROTO);
}

static void a_line_without_end_is_refused_at_its_limit(void)
{
    char line[200] = "PROXY UNKNOWN ";
    struct proxy_header h;

    memset(line + 14, 'x', sizeof line - 14);
    struct sl_bytes in = {(uint8_t *)line, 106};
    CU_ASSERT_EQUAL(proxy_protocol_parse(in, &h), SL_EAGAIN);
    in.len = 107;
    CU_ASSERT_EQUAL(proxy_protocol_parse(in, &h), SL_EPROTO);
}

static void expect(struct sl_bytes in, const char *source, const char *target)
{
    uint8_t room[300];
    struct proxy_header h;
    char said[64];

    for (size_t n = 0; n < in.len; n++)
        CU_ASSERT_EQUAL(proxy_protocol_parse((struct sl_bytes){in.at, n}, &h), SL_EAGAIN);
    memcpy(room, in.at, in.len);
    memcpy(room + in.len, "AMQP", 4); /* the client's own bytes */
    CU_ASSERT_EQUAL_FATAL(proxy_protocol_parse((struct sl_bytes){room, in.len + 4}, &h), SL_OK);
    CU_ASSERT_EQUAL(h.len, in.len);
    CU_ASSERT_EQUAL(h.is_local, source == NULL);
    if (source == NULL)
        return;
    address_format(&h.source, said, sizeof said);
    CU_ASSERT_STRING_EQUAL(said, source);
    address_format(&h.target, said, sizeof said);
    CU_ASSERT_STRING_EQUAL(said, target);
}

static void both_versions_tell_both_addresses(void)
{
    expect(ROW("PROXY TCP4 192.0.2.1 192.0.2.2 4711 5672\r\n"), "192.0.2.1:4711", "192.0.2.2:5672");
    expect(ROW("PROXY TCP6 2001:db8::1 ::2 0 65535\r\n"), "[2001:db8::1]:0", "[::2]:65535");
    expect(ROW(SIGNATURE V4), "192.0.2.1:4711", "192.0.2.2:5672");
    expect(ROW(SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2" PORTS),
           "[2001:db8::1]:4711", "[::2]:5672");
    expect(ROW(SIGNATURE "\x21\x11\0\x14\xc0\0\2\1\xc0\0\2\2" PORTS "\4\0\2ab\x20\0\0"),
           "192.0.2.1:4711", "192.0.2.2:5672");
}

static void a_proxy_may_speak_for_itself(void)
{
    expect(ROW("PROXY UNKNOWN\r\n"), NULL, NULL);
    expect(ROW("PROXY UNKNOWN ffff:: ffff:: 1 2 and more\r\n"), NULL, NULL);
    expect(ROW(SIGNATURE "\x20\0\0\0"), NULL, NULL);
    expect(ROW(SIGNATURE "\x20\x99\0\3abc"), NULL, NULL);
    expect(ROW(SIGNATURE "\x21\0\0\3abc"), NULL, NULL);
}

/* Every answer is one of three, and no byte behind the input is read: the sanitizer looks on. */
static void no_bytes_make_it_do_anything_else(void)
{
    static const char SEED[] = SIGNATURE V4 "\3\0\4abcd";
    unsigned state = 1;

    for (int i = 0; i < 200000; i++) {
        size_t len = (size_t)(rand_r(&state) % (int)sizeof SEED);
        uint8_t *at = malloc(len + 1);
        struct proxy_header h;

        memcpy(at, i % 2 ? SEED : "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n    ", len);
        for (int n = rand_r(&state) % 3; n > 0 && len != 0; n--)
            at[(size_t)rand_r(&state) % len] = (uint8_t)rand_r(&state);
        uint8_t *exact = realloc(at, len == 0 ? 1 : len);
        enum sl_err err = proxy_protocol_parse((struct sl_bytes){exact, len}, &h);
        CU_ASSERT_TRUE(err == SL_EAGAIN || err == SL_EPROTO || (err == SL_OK && h.len <= len));
        free(exact);
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_no_header_is_refused_at_the_first_wrong_byte),
        UNIT(a_line_without_end_is_refused_at_its_limit),
        UNIT(both_versions_tell_both_addresses),
        UNIT(a_proxy_may_speak_for_itself),
        UNIT(no_bytes_make_it_do_anything_else),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/proxy_protocol", tests);
}
