#include "core/known_headers.h"

#include "core/properties.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

static uint8_t room[8192];

static struct sl_bytes with_headers(struct sl_bytes headers)
{
    struct properties p = {.present = PROPERTY_HEADERS, .headers = headers};
    struct sl_writer w = {room, room + sizeof room, false};

    properties_encode(&p, &w);
    CU_ASSERT_FALSE(w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static void a_message_without_known_headers_has_no_marks(void)
{
    struct table_maker m;
    struct known_headers k;

    CU_ASSERT_EQUAL(known_headers_marks(properties_none), 0);
    known_headers_read(properties_none, &k);
    CU_ASSERT_EQUAL(k.present, 0);
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL(""), SL_BYTES_LITERAL("1"));
    table_write_string(&m.w, SL_BYTES_LITERAL("cc"), SL_BYTES_LITERAL("1"));
    table_write_string(&m.w, SL_BYTES_LITERAL("dedup-id\0"), SL_BYTES_LITERAL("1"));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-prepar"), SL_BYTES_LITERAL("1"));
    struct sl_bytes flat = with_headers(table_end(&m));
    CU_ASSERT_EQUAL(known_headers_marks(flat), 0);
    known_headers_read(flat, &k);
    CU_ASSERT_EQUAL(k.present, 0);
}

static void every_known_header_is_found(void)
{
    static const char *const names[KNOWN_HEADERS_COUNT] = {
        "x-deduplication-header",
        "_AMQ_DUPL_ID",
        "dedup-id",
        "x-cache-ttl",
        "JMSXGroupID",
        "x-group-id",
        "x-prepare",
        "x-prepare-timeout",
        "x-prepare-check",
        "outcome",
        "prepared-user",
        "CC",
        "BCC",
        "x-delay",
    };

    for (int i = 0; i < KNOWN_HEADERS_COUNT; i++) {
        struct table_maker m;
        struct known_headers k;
        struct sl_bytes flat = with_headers(table_of_string(&m, names[i], "v"));

        known_headers_read(flat, &k);
        CU_ASSERT_EQUAL(k.present, 1u << i);
        CU_ASSERT_EQUAL(k.value[i].type, TABLE_STRING);
        CU_ASSERT(sl_bytes_are(k.value[i].bytes, "v"));
    }
}

static void the_first_of_a_name_counts_and_marks_add_up(void)
{
    struct table_maker m;
    struct known_headers k;

    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("dedup-id"), SL_BYTES_LITERAL("a"));
    table_write_string(&m.w, SL_BYTES_LITERAL("other"), SL_BYTES_LITERAL("x"));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-group-id"), SL_BYTES_LITERAL("g"));
    table_write_string(&m.w, SL_BYTES_LITERAL("dedup-id"), SL_BYTES_LITERAL("b"));
    struct sl_bytes flat = with_headers(table_end(&m));
    CU_ASSERT_EQUAL(known_headers_marks(flat), MARK_DEDUP | MARK_GROUP);
    known_headers_read(flat, &k);
    CU_ASSERT(known_header_is(&k, KNOWN_DEDUP_ID));
    CU_ASSERT(sl_bytes_are(k.value[KNOWN_DEDUP_ID].bytes, "a"));
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_message_without_known_headers_has_no_marks), UNIT(every_known_header_is_found),
        UNIT(the_first_of_a_name_counts_and_marks_add_up), CU_TEST_INFO_NULL};
    return unit_run("core/known_headers", tests);
}
