#include "core/properties.h"

#include "core/table.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static enum sl_err check(struct sl_bytes flat)
{
    const char *why = NULL;

    return properties_check(flat, &why);
}

static struct sl_bytes encode(const struct properties *p, uint8_t *room, size_t n)
{
    struct sl_writer w = {room, room + n, false};

    properties_encode(p, &w);
    CU_ASSERT_FALSE(w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static struct properties all_of_them(struct table_maker *m)
{
    return (struct properties){.present = 0xfffc,
                               .delivery_mode = 2,
                               .priority = 9,
                               .timestamp = 1234567890123,
                               .content_type = SL_BYTES_LITERAL("text/plain"),
                               .content_encoding = SL_BYTES_LITERAL("gzip"),
                               .headers = table_of_string(m, "h", "v"),
                               .correlation_id = SL_BYTES_LITERAL("c"),
                               .reply_to = SL_BYTES_LITERAL("r"),
                               .expiration = SL_BYTES_LITERAL("60000"),
                               .message_id = SL_BYTES_LITERAL("m"),
                               .type = SL_BYTES_LITERAL("t"),
                               .user_id = SL_BYTES_LITERAL("guest"),
                               .app_id = SL_BYTES_LITERAL("a"),
                               .cluster_id = SL_BYTES_LITERAL("x")};
}

static void a_list_cut_anywhere_is_refused(void)
{
    struct table_maker m;
    struct properties p = all_of_them(&m);
    uint8_t room[256];
    struct sl_bytes flat = encode(&p, room, sizeof room);

    CU_ASSERT_EQUAL(check(flat), SL_OK);
    for (size_t cut = 0; cut < flat.len; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, flat.at, cut);
        CU_ASSERT_EQUAL(check((struct sl_bytes){exact, cut}), SL_ESYNTAX);
        free(exact);
    }
}

static void bytes_behind_the_list_are_refused(void)
{
    static const uint8_t flat[] = {0x10, 0, 2, 0};

    CU_ASSERT_EQUAL(check((struct sl_bytes){flat, 3}), SL_OK);
    CU_ASSERT_EQUAL(check((struct sl_bytes){flat, 4}), SL_ESYNTAX);
}

static void reserved_flags_are_refused(void)
{
    static const uint8_t more_flags[] = {0, 1, 0, 0};
    static const uint8_t unused[] = {0, 2};

    CU_ASSERT_EQUAL(check((struct sl_bytes){more_flags, sizeof more_flags}), SL_ESYNTAX);
    CU_ASSERT_EQUAL(check((struct sl_bytes){unused, sizeof unused}), SL_ESYNTAX);
}

static void headers_that_are_no_table_are_refused(void)
{
    static const uint8_t lies[] = {0x20, 0, 0, 0, 0, 9, 1, 'a', 'V'};
    static const uint8_t unknown[] = {0x20, 0, 0, 0, 0, 3, 1, 'a', '?'};

    CU_ASSERT_EQUAL(check((struct sl_bytes){lies, sizeof lies}), SL_ESYNTAX);
    CU_ASSERT_EQUAL(check((struct sl_bytes){unknown, sizeof unknown}), SL_ESYNTAX);
}

static void a_value_too_long_for_its_length_octet_overflows(void)
{
    static const uint8_t text[256];
    struct properties p = {.present = PROPERTY_TYPE, .type = {text, sizeof text}};
    uint8_t room[512];
    struct sl_writer w = {room, room + sizeof room, false};

    properties_encode(&p, &w);
    CU_ASSERT_TRUE(w.overflowed);
}

static void no_properties_are_two_zero_bytes(void)
{
    struct properties p;

    CU_ASSERT_EQUAL(check(properties_none), SL_OK);
    CU_ASSERT_FALSE(properties_are_persistent(properties_none));
    CU_ASSERT_EQUAL(properties_priority(properties_none), 0);
    properties_decode(properties_none, &p);
    CU_ASSERT_EQUAL(p.present, 0);
}

static void what_is_encoded_is_decoded(void)
{
    struct table_maker m;
    struct properties in = all_of_them(&m);
    struct properties out;
    uint8_t room[256];
    uint8_t again[256];
    struct sl_bytes flat = encode(&in, room, sizeof room);

    properties_decode(flat, &out);
    CU_ASSERT_EQUAL(out.present, in.present);
    CU_ASSERT_EQUAL(out.delivery_mode, 2);
    CU_ASSERT_EQUAL(out.priority, 9);
    CU_ASSERT_EQUAL(out.timestamp, 1234567890123);
    CU_ASSERT_TRUE(sl_bytes_are(out.content_type, "text/plain"));
    CU_ASSERT_TRUE(sl_bytes_equal(out.headers, in.headers));
    CU_ASSERT_TRUE(sl_bytes_are(out.user_id, "guest"));
    CU_ASSERT_TRUE(sl_bytes_are(out.cluster_id, "x"));
    CU_ASSERT_TRUE(sl_bytes_equal(encode(&out, again, sizeof again), flat));
}

/* Every subset of the five properties that the cheap questions look at or skip. */
static void cheap_questions_agree_with_decoding(void)
{
    struct table_maker m;
    struct properties all = all_of_them(&m);

    for (uint32_t subset = 0; subset < 64; subset++) {
        struct properties p = all;
        struct properties decoded;
        struct sl_bytes table;
        uint8_t room[256];
        p.present = (uint16_t)(subset << 10);
        struct sl_bytes flat = encode(&p, room, sizeof room);
        CU_ASSERT_EQUAL(check(flat), SL_OK);
        properties_decode(flat, &decoded);
        CU_ASSERT_EQUAL(properties_are_persistent(flat), decoded.delivery_mode == 2);
        CU_ASSERT_EQUAL(properties_priority(flat), decoded.priority);
        bool has_headers = properties_headers(flat, &table);
        CU_ASSERT_EQUAL(has_headers, decoded.headers.len != 0);
        if (has_headers)
            CU_ASSERT_TRUE(sl_bytes_equal(table, all.headers));
    }
}

static void only_delivery_mode_two_is_persistent(void)
{
    static const uint8_t one[] = {0x10, 0, 1};
    static const uint8_t two[] = {0x10, 0, 2};

    CU_ASSERT_FALSE(properties_are_persistent((struct sl_bytes){one, sizeof one}));
    CU_ASSERT_TRUE(properties_are_persistent((struct sl_bytes){two, sizeof two}));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_list_cut_anywhere_is_refused),
                                  UNIT(bytes_behind_the_list_are_refused),
                                  UNIT(reserved_flags_are_refused),
                                  UNIT(headers_that_are_no_table_are_refused),
                                  UNIT(a_value_too_long_for_its_length_octet_overflows),
                                  UNIT(no_properties_are_two_zero_bytes),
                                  UNIT(what_is_encoded_is_decoded),
                                  UNIT(cheap_questions_agree_with_decoding),
                                  UNIT(only_delivery_mode_two_is_persistent),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/properties", tests);
}
