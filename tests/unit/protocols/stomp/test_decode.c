#include "protocols/stomp/decode.h"

#include "core/base/limits.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static struct arena arena;
static struct stomp_frame frame;
static size_t used;
static const char *why;

static enum sl_err decode(enum stomp_version version, const char *text)
{
    arena_reset(&arena);
    used = 99;
    return stomp_decode(sl_bytes_of(text), version, SL_STOMP_HEADER_BLOCK_BYTES_MAX, &arena, &frame,
                        &used, &why);
}

static void a_head_cut_anywhere_asks_for_more(void)
{
    static const char HEAD[] = "SEND\r\ndestination:/queue/a\r\nx:y\\cz\r\n\r\n";

    for (size_t cut = 0; cut < sizeof HEAD - 1; cut++) {
        char *copy = malloc(cut + 1); /* so that a sanitizer sees a step too far */
        memcpy(copy, HEAD, cut);
        arena_reset(&arena);
        used = 99;
        CU_ASSERT_EQUAL(stomp_decode((struct sl_bytes){(uint8_t *)copy, cut}, STOMP_1_2, 1000,
                                     &arena, &frame, &used, &why),
                        SL_EAGAIN);
        CU_ASSERT_EQUAL(used, 99);
        free(copy);
    }
}

static void a_head_that_is_none_is_refused(void)
{
    CU_ASSERT_EQUAL(decode(STOMP_1_2, "SEND\nnocolon\n\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(decode(STOMP_1_2, "SEND\n:noname\n\n"), SL_EPROTO);
    CU_ASSERT_EQUAL(decode(STOMP_1_2, "SEND\na:\\t\n\n"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(decode(STOMP_1_1, "SEND\na:end\\\n\n"), SL_ESYNTAX);
    CU_ASSERT_EQUAL(decode(STOMP_1_2, "A-COMMAND-THAT-NEVER-EVER-ENDS-AND-GOES-ON"), SL_ETOOBIG);
}

static void too_many_headers_are_refused(void)
{
    static char head[5 * (SL_STOMP_HEADERS_MAX + 2) + 16] = "SEND\n";

    for (unsigned i = 0; i < SL_STOMP_HEADERS_MAX; i++)
        memcpy(head + 5 + 4 * i, "a:b\n", 5);
    strcat(head, "\n");
    CU_ASSERT_EQUAL(decode(STOMP_1_2, head), SL_OK);
    CU_ASSERT_EQUAL(frame.headers.count, SL_STOMP_HEADERS_MAX);
    head[strlen(head) - 1] = 0;
    strcat(head, "c:d\n\n");
    CU_ASSERT_EQUAL(decode(STOMP_1_2, head), SL_ETOOBIG);
}

static void a_head_without_end_is_refused_at_its_limit(void)
{
    static char head[1200];

    memset(head, 'a', sizeof head - 1);
    memcpy(head, "SEND\nx:", 7);
    CU_ASSERT_EQUAL(stomp_decode((struct sl_bytes){(uint8_t *)head, 900}, STOMP_1_2, 1000, &arena,
                                 &frame, &used, &why),
                    SL_EAGAIN);
    CU_ASSERT_EQUAL(stomp_decode((struct sl_bytes){(uint8_t *)head, 1100}, STOMP_1_2, 1000, &arena,
                                 &frame, &used, &why),
                    SL_ETOOBIG);
}

static void both_line_ends_are_read_in_every_version(void)
{
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_0, "ACK\r\na:b\r\nc: d\n\r\nrest"), SL_OK);
    CU_ASSERT_EQUAL(frame.command, STOMP_ACK);
    CU_ASSERT_EQUAL(used, 17);
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "a"), "b"));
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "c"), "d")); /* 1.0 trims */
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_2, "ACK\nc: d\n\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "c"), " d"));
}

static void the_first_of_repeated_headers_wins(void)
{
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_2, "SEND\na:1\na:2\nreceipt:x\nreceipt:y\n\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "a"), "1"));
    CU_ASSERT_TRUE(sl_bytes_are(frame.receipt, "x"));
}

static void escapes_mean_the_same_in_name_and_value(void)
{
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_2, "SEND\na\\cb:1\\n2\\r3\\\\4:5\nreceipt:r\\c1\n\n"),
                          SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "a:b"), "1\n2\r3\\4:5"));
    CU_ASSERT_TRUE(sl_bytes_are(frame.receipt, "r\\c1")); /* goes back as it came */
}

static void what_is_no_escape_stands_for_itself_in_1_0(void)
{
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_0, "SEND\npath:C:\\dir\\\n\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "path"), "C:\\dir\\"));
}

static void connect_has_no_escapes(void)
{
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_2, "CONNECT\npasscode:a\\nb\n\n"), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(stomp_value(&frame.headers, "passcode"), "a\\nb"));
    CU_ASSERT_EQUAL_FATAL(decode(STOMP_1_2, "STOMP\nempty:\n\n"), SL_OK);
    CU_ASSERT_EQUAL(frame.command, STOMP_CONNECT);
    CU_ASSERT_PTR_NOT_NULL(stomp_value(&frame.headers, "empty").at);
}

static void the_search_finds_an_end_that_comes_byte_by_byte(void)
{
    static const char *const HEADS[] = {"SEND\na:b\n\n", "SEND\r\na:b\r\n\r\n", "SEND\n\n"};

    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        size_t len = strlen(HEADS[i]);
        struct stomp_search search = {1, false};

        for (size_t n = 2; n < len; n++) {
            struct sl_bytes in = {(const uint8_t *)HEADS[i], n};
            CU_ASSERT_FALSE(stomp_search_found(&search, in));
        }
        CU_ASSERT_TRUE(stomp_search_found(&search, sl_bytes_of(HEADS[i])));
    }
}

static void numbers_are_digits_within_their_bound(void)
{
    uint64_t n = 7;
    int64_t i = 7;

    CU_ASSERT_FALSE(stomp_number(SL_BYTES_LITERAL(""), 10, &n));
    CU_ASSERT_FALSE(stomp_number(SL_BYTES_LITERAL("-1"), 10, &n));
    CU_ASSERT_FALSE(stomp_number(SL_BYTES_LITERAL("1x"), 100, &n));
    CU_ASSERT_FALSE(stomp_number(SL_BYTES_LITERAL("256"), 255, &n));
    CU_ASSERT_FALSE(stomp_number(SL_BYTES_LITERAL("18446744073709551616"), UINT64_MAX, &n));
    CU_ASSERT_FALSE(stomp_number(SL_BYTES_LITERAL("9"), 5, &n));
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT_TRUE(stomp_number(SL_BYTES_LITERAL("18446744073709551615"), UINT64_MAX, &n));
    CU_ASSERT_EQUAL(n, UINT64_MAX);
    CU_ASSERT_TRUE(stomp_signed_number(SL_BYTES_LITERAL("-60000"), &i));
    CU_ASSERT_EQUAL(i, -60000);
    CU_ASSERT_FALSE(stomp_signed_number(SL_BYTES_LITERAL("-"), &i));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_head_cut_anywhere_asks_for_more),
                                  UNIT(a_head_that_is_none_is_refused),
                                  UNIT(too_many_headers_are_refused),
                                  UNIT(a_head_without_end_is_refused_at_its_limit),
                                  UNIT(both_line_ends_are_read_in_every_version),
                                  UNIT(the_first_of_repeated_headers_wins),
                                  UNIT(escapes_mean_the_same_in_name_and_value),
                                  UNIT(what_is_no_escape_stands_for_itself_in_1_0),
                                  UNIT(connect_has_no_escapes),
                                  UNIT(the_search_finds_an_end_that_comes_byte_by_byte),
                                  UNIT(numbers_are_digits_within_their_bound),
                                  CU_TEST_INFO_NULL};
    arena_init(&arena);
    int result = unit_run("protocols/stomp/decode", tests);
    arena_deinit(&arena);
    return result;
}
