#include "core/delivery_count.h"

#include "core/properties.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

static uint8_t room[1024];

static struct sl_bytes encode(const struct properties *p, uint8_t *to, size_t n)
{
    struct sl_writer w = {to, to + n, false};

    properties_encode(p, &w);
    CU_ASSERT_FALSE(w.overflowed);
    return (struct sl_bytes){to, (size_t)(w.pos - to)};
}

/* In exactly the room that the header promises to be enough. */
static struct sl_bytes count(struct sl_bytes properties, uint32_t returns)
{
    struct sl_writer w = {room, room + properties.len + DELIVERY_COUNT_BYTES, false};
    const char *why = "";

    delivery_count_write(properties, returns, &w);
    CU_ASSERT_FALSE(w.overflowed);
    struct sl_bytes out = {room, (size_t)(w.pos - room)};
    CU_ASSERT_EQUAL(properties_check(out, &why), SL_OK);
    return out;
}

static int64_t counted(struct sl_bytes properties)
{
    struct sl_bytes headers;
    struct table_value value;
    int64_t n = -1;

    if (!properties_headers(properties, &headers) ||
        !table_find(headers, DELIVERY_COUNT_HEADER, &value))
        return -1;
    CU_ASSERT_EQUAL(value.type, TABLE_S64);
    CU_ASSERT_TRUE(table_value_integer(value, &n));
    return n;
}

static void a_count_of_the_publisher_is_replaced(void)
{
    struct table_maker m;
    struct sl_bytes headers;
    uint8_t flat[256];
    struct properties p = {.present = PROPERTY_HEADERS,
                           .headers = table_of_string(&m, DELIVERY_COUNT_HEADER, "many")};
    struct sl_bytes out = count(encode(&p, flat, sizeof flat), 2);

    CU_ASSERT_EQUAL(counted(out), 2);
    CU_ASSERT_TRUE(properties_headers(out, &headers));
    CU_ASSERT_EQUAL(table_count(headers), 1);
}

static void a_message_without_properties_has_the_count_alone(void)
{
    struct properties p;
    struct sl_bytes out = count(properties_none, UINT32_MAX);

    CU_ASSERT_EQUAL(counted(out), UINT32_MAX);
    properties_decode(out, &p);
    CU_ASSERT_EQUAL(p.present, PROPERTY_HEADERS);
}

/* Every subset of what can stand around the headers. */
static void all_else_stays_as_it_is(void)
{
    struct table_maker m;
    struct properties all = {.delivery_mode = 2,
                             .priority = 9,
                             .timestamp = 12345,
                             .content_type = SL_BYTES_LITERAL("text/plain"),
                             .content_encoding = SL_BYTES_LITERAL("gzip"),
                             .headers = table_of_string(&m, "h", "v"),
                             .correlation_id = SL_BYTES_LITERAL("c"),
                             .reply_to = SL_BYTES_LITERAL("r"),
                             .expiration = SL_BYTES_LITERAL("60000"),
                             .message_id = SL_BYTES_LITERAL("m"),
                             .type = SL_BYTES_LITERAL("t"),
                             .user_id = SL_BYTES_LITERAL("guest"),
                             .app_id = SL_BYTES_LITERAL("a"),
                             .cluster_id = SL_BYTES_LITERAL("x")};

    for (uint32_t subset = 0; subset < 1u << 14; subset++) {
        struct properties in = all;
        struct properties out;
        uint8_t before[512];
        uint8_t after[512];
        struct table_value value;

        in.present = (uint16_t)(subset << 2);
        struct sl_bytes flat = count(encode(&in, before, sizeof before), 7);
        CU_ASSERT_EQUAL(counted(flat), 7);
        properties_decode(flat, &out);
        bool has_headers = (in.present & PROPERTY_HEADERS) != 0;
        CU_ASSERT_EQUAL(table_find(out.headers, "h", &value), has_headers);
        out.headers = all.headers;
        out.present = in.present;
        CU_ASSERT_TRUE(
            sl_bytes_equal(encode(&out, after, sizeof after), encode(&in, before, sizeof before)));
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_count_of_the_publisher_is_replaced),
                                  UNIT(a_message_without_properties_has_the_count_alone),
                                  UNIT(all_else_stays_as_it_is), CU_TEST_INFO_NULL};
    return unit_run("core/delivery_count", tests);
}
