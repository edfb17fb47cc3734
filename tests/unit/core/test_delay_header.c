/* What the header x-delay says, as the plugin reads it, and what stands there afterwards. */
#include "core/delay_header.h"

#include "core/properties.h"
#include "tests/support/properties_maker.h"
#include "tests/support/unit.h"

static uint64_t delay_of(uint8_t type, const void *bytes, size_t len)
{
    struct table_maker m;

    table_begin(&m);
    table_write_value(&m.w, SL_BYTES_LITERAL("x-delay"), (struct table_value){type, {bytes, len}});
    return delay_of_headers(table_end(&m));
}

static void what_is_no_number_is_no_delay(void)
{
    static const char *const WORDS[] = {"",    "-",  "+",    "soon", "1s",
                                        "1.5", " 1", "0x10", "1e3",  "99999999999999999999x"};

    CU_ASSERT_EQUAL(delay_of_headers((struct sl_bytes){NULL, 0}), 0);
    CU_ASSERT_EQUAL(delay_of_headers(table_empty), 0);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        CU_ASSERT_EQUAL(delay_of(TABLE_STRING, WORDS[i], strlen(WORDS[i])), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_BOOL, "\1", 1), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_VOID, "", 0), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_BYTES, "5", 1), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_TIME, "\0\0\0\0\0\0\0\5", 8), 0);
}

static void what_is_above_the_most_is_too_long(void)
{
    CU_ASSERT_EQUAL(delay_of(TABLE_S64, "\0\0\0\1\0\0\0\0", 8), DELAY_TOO_LONG);
    CU_ASSERT_EQUAL(delay_of(TABLE_S64, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8), DELAY_TOO_LONG);
    CU_ASSERT_EQUAL(delay_of(TABLE_STRING, "4294967296", 10), DELAY_TOO_LONG);
    CU_ASSERT_EQUAL(delay_of(TABLE_STRING, "99999999999999999999999", 23), DELAY_TOO_LONG);
    CU_ASSERT_EQUAL(delay_of(TABLE_F64, "\x41\xf0\0\0\0\0\0\0", 8), DELAY_TOO_LONG); /* 2^32 */
    CU_ASSERT_EQUAL(delay_of(TABLE_F64, "\x7f\xf0\0\0\0\0\0\0", 8), DELAY_TOO_LONG); /* infinite */
    CU_ASSERT_EQUAL(delay_of(TABLE_F32, "\x7f\x7f\xff\xff", 4), DELAY_TOO_LONG);
}

static void what_is_not_above_zero_is_no_delay(void)
{
    CU_ASSERT_EQUAL(delay_of(TABLE_S8, "\xff", 1), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_S32, "\0\0\0\0", 4), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_S64, "\x80\0\0\0\0\0\0\0", 8), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_STRING, "-5", 2), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_STRING, "-99999999999999999999999", 24), 0);
    CU_ASSERT_EQUAL(delay_of(TABLE_F64, "\x7f\xf8\0\0\0\0\0\0", 8), 0); /* no number */
    CU_ASSERT_EQUAL(delay_of(TABLE_F64, "\xff\xf0\0\0\0\0\0\0", 8), 0); /* infinite, below */
}

static void integers_of_any_width_words_and_fractions_are_delays(void)
{
    CU_ASSERT_EQUAL(delay_of(TABLE_S8, "\x7f", 1), 127);
    CU_ASSERT_EQUAL(delay_of(TABLE_U8, "\xff", 1), 255);
    CU_ASSERT_EQUAL(delay_of(TABLE_S16, "\1\0", 2), 256);
    CU_ASSERT_EQUAL(delay_of(TABLE_U16, "\xff\xff", 2), 65535);
    CU_ASSERT_EQUAL(delay_of(TABLE_S32, "\0\0\0\1", 4), 1);
    CU_ASSERT_EQUAL(delay_of(TABLE_U32, "\xff\xff\xff\xff", 4), UINT32_MAX);
    CU_ASSERT_EQUAL(delay_of(TABLE_S64, "\0\0\0\0\xff\xff\xff\xff", 8), UINT32_MAX);
    CU_ASSERT_EQUAL(delay_of(TABLE_STRING, "4294967295", 10), UINT32_MAX);
    CU_ASSERT_EQUAL(delay_of(TABLE_STRING, "+0060", 5), 60);
    CU_ASSERT_EQUAL(delay_of(TABLE_F64, "\x40\x04\0\0\0\0\0\0", 8), 2); /* 2.5 */
    CU_ASSERT_EQUAL(delay_of(TABLE_F32, "\x40\x20\0\0", 4), 2);
}

static struct sl_bytes properties_with(struct properties_maker *m, struct sl_bytes headers)
{
    struct properties p = {.present = PROPERTY_HEADERS | PROPERTY_CONTENT_TYPE | PROPERTY_USER_ID,
                           .content_type = SL_BYTES_LITERAL("text/plain"),
                           .user_id = SL_BYTES_LITERAL("guest"),
                           .headers = headers};
    struct sl_writer w = {m->room, m->room + sizeof m->room, false};

    properties_encode(&p, &w);
    return (struct sl_bytes){m->room, (size_t)(w.pos - m->room)};
}

static void afterwards_it_is_negative_and_all_else_is_as_it_was(void)
{
    struct properties_maker m;
    struct properties p;
    struct table_value value;
    uint8_t room[1024];
    const char *why;

    table_begin(&m.headers);
    table_write_string(&m.headers.w, SL_BYTES_LITERAL("a"), SL_BYTES_LITERAL("1"));
    table_write_string(&m.headers.w, SL_BYTES_LITERAL("x-delay"), SL_BYTES_LITERAL("5000"));
    table_write_s64(&m.headers.w, SL_BYTES_LITERAL("x-delay"), 7);
    table_write_bool(&m.headers.w, SL_BYTES_LITERAL("z"), true);
    struct sl_bytes before = properties_with(&m, table_end(&m.headers));
    CU_ASSERT_FATAL(delay_ended_room(before) <= sizeof room);
    struct sl_bytes after = delay_ended(before, room);
    CU_ASSERT_EQUAL_FATAL(properties_check(after, &why), SL_OK);
    CU_ASSERT_EQUAL(delay_of_properties(before), 5000);
    CU_ASSERT_EQUAL(delay_of_properties(after), 0);
    properties_decode(after, &p);
    CU_ASSERT(sl_bytes_are(p.content_type, "text/plain"));
    CU_ASSERT(sl_bytes_are(p.user_id, "guest"));
    CU_ASSERT_EQUAL(table_count(p.headers), 4);
    int64_t ms = 0;
    CU_ASSERT(table_find(p.headers, "x-delay", &value) && value.type == TABLE_S32);
    CU_ASSERT(table_value_integer(value, &ms));
    CU_ASSERT_EQUAL(ms, -5000);
}

static void a_large_one_stays_whole(void)
{
    struct properties_maker m;
    struct table_value value;
    struct sl_bytes headers;
    uint8_t room[1024];
    int64_t ms = 0;

    struct sl_bytes before =
        properties_with(&m, table_of_string(&m.headers, "x-delay", "4294967295"));
    struct sl_bytes after = delay_ended(before, room);
    CU_ASSERT(properties_headers(after, &headers));
    CU_ASSERT(table_find(headers, "x-delay", &value) && table_value_integer(value, &ms));
    CU_ASSERT_EQUAL(ms, -4294967295);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(what_is_no_number_is_no_delay),
                                  UNIT(what_is_above_the_most_is_too_long),
                                  UNIT(what_is_not_above_zero_is_no_delay),
                                  UNIT(integers_of_any_width_words_and_fractions_are_delays),
                                  UNIT(afterwards_it_is_negative_and_all_else_is_as_it_was),
                                  UNIT(a_large_one_stays_whole),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/delay_header", tests);
}
