#include "core/deaths.h"

#include "core/base/limits.h"
#include "core/properties.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define ROOM_BYTES (2u * SL_PROPERTIES_BYTES_MAX + 16)

static uint8_t rooms[2][ROOM_BYTES]; /* what came out of one is written again into the other */
static int turn;

static const struct death expired = {.queue = SL_BYTES_LITERAL("q"),
                                     .reason = SL_BYTES_LITERAL("expired"),
                                     .exchange = SL_BYTES_LITERAL("e"),
                                     .key = SL_BYTES_LITERAL("k"),
                                     .time = 1700000000};

static struct sl_bytes die(struct sl_bytes properties, struct death death)
{
    const char *why = "";
    turn = 1 - turn;
    CU_ASSERT_FATAL(deaths_room(properties) <= ROOM_BYTES);
    struct sl_bytes out = deaths_write(properties, &death, rooms[turn]);

    CU_ASSERT_EQUAL(properties_check(out, &why), SL_OK);
    return out;
}

static struct death again(const char *queue, const char *reason)
{
    struct death death = expired;

    death.queue = sl_bytes_of(queue);
    death.reason = sl_bytes_of(reason);
    death.has_deaths = true;
    death.time = 1800000000;
    return death;
}

static struct sl_bytes encode(const struct properties *p)
{
    static uint8_t room[SL_PROPERTIES_BYTES_MAX];
    struct sl_writer w = {room, room + sizeof room, false};

    properties_encode(p, &w);
    CU_ASSERT_FALSE_FATAL(w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static struct sl_bytes with_headers(struct sl_bytes headers)
{
    return encode(&(struct properties){.present = PROPERTY_HEADERS, .headers = headers});
}

static struct sl_bytes headers_of(struct sl_bytes properties)
{
    struct sl_bytes headers = table_empty;

    CU_ASSERT_TRUE(properties_headers(properties, &headers));
    return headers;
}

static bool has(struct sl_bytes table, const char *name)
{
    struct table_value value;

    return table_find(table, name, &value);
}

static bool is_text(struct sl_bytes table, const char *name, const char *text)
{
    struct table_value value;

    return table_find(table, name, &value) && value.type == TABLE_STRING &&
           sl_bytes_are(value.bytes, text);
}

/* The i-th death, newest first; an empty table when there are not so many. */
static struct sl_bytes death_at(struct sl_bytes properties, int i)
{
    struct table_value deaths;
    struct table_value value;

    if (!table_find(headers_of(properties), "x-death", &deaths))
        return table_empty;
    CU_ASSERT_EQUAL(deaths.type, TABLE_ARRAY);
    struct sl_reader r = table_elements(deaths);
    while (table_next_element(&r, &value)) {
        CU_ASSERT_EQUAL(value.type, TABLE_TABLE);
        if (i-- == 0)
            return (struct sl_bytes){value.bytes.at - 4, value.bytes.len + 4};
    }
    return table_empty;
}

static int64_t count_of(struct sl_bytes death)
{
    struct table_value value;
    int64_t count = -1;

    if (table_find(death, "count", &value)) {
        CU_ASSERT_EQUAL(value.type, TABLE_S64);
        CU_ASSERT_TRUE(table_value_integer(value, &count));
    }
    return count;
}

static struct sl_bytes with_copies(struct table_maker *m, const char *name)
{
    uint8_t keys[] = {'S', 0, 0, 0, 1, 'a', 'S', 0, 0, 0, 1, 'b', 'V'};

    table_begin(m);
    table_write_value(&m->w, sl_bytes_of(name),
                      (struct table_value){TABLE_ARRAY, {keys, sizeof keys}});
    table_write_string(&m->w, SL_BYTES_LITERAL("own"), SL_BYTES_LITERAL("stays"));
    return with_headers(table_end(m));
}

/* May it not come to that queue again? */
static bool goes_round(struct sl_bytes properties, struct sl_bytes queue)
{
    struct sl_reader deaths = deaths_since_rejection(properties);
    struct sl_bytes name;

    while (deaths_next_queue(&deaths, &name))
        if (sl_bytes_equal(name, queue))
            return true;
    return false;
}

static void deaths_that_a_publisher_wrote_do_not_count(void)
{
    struct sl_bytes first = die(properties_none, expired);
    struct death death = again("q", "expired");
    death.has_deaths = false;
    struct sl_bytes second = die(first, death);

    CU_ASSERT_EQUAL(count_of(death_at(second, 0)), 1);
    CU_ASSERT_EQUAL(table_count(death_at(second, 1)), 0);
    CU_ASSERT_EQUAL(table_count(headers_of(second)), 7);
}

static void an_x_death_that_is_no_array_is_replaced(void)
{
    struct table_maker m;
    struct death death = again("q", "expired");
    struct sl_bytes out = die(with_headers(table_of_string(&m, "x-death", "boo")), death);

    CU_ASSERT_EQUAL(count_of(death_at(out, 0)), 1);
    CU_ASSERT_FALSE(
        goes_round(with_headers(table_of_string(&m, "x-death", "boo")), SL_BYTES_LITERAL("boo")));
}

static void elements_that_are_no_tables_fall_off(void)
{
    struct table_maker m;
    uint8_t odd[] = {'V', 'S', 0, 0, 0, 1, 'q', 'F', 0, 0, 0, 0, 't', 1};

    table_begin(&m);
    table_write_value(&m.w, SL_BYTES_LITERAL("x-death"),
                      (struct table_value){TABLE_ARRAY, {odd, sizeof odd}});
    struct sl_bytes out = die(with_headers(table_end(&m)), again("q", "expired"));
    CU_ASSERT_EQUAL(count_of(death_at(out, 0)), 1);
    CU_ASSERT_EQUAL(count_of(death_at(out, 1)), -1); /* the empty table stays what it is */
}

static void a_death_is_written_with_all_its_fields(void)
{
    struct table_value value;
    struct sl_bytes out = die(properties_none, expired);
    struct sl_bytes death = death_at(out, 0);

    CU_ASSERT_EQUAL(count_of(death), 1);
    CU_ASSERT_TRUE(is_text(death, "reason", "expired"));
    CU_ASSERT_TRUE(is_text(death, "queue", "q"));
    CU_ASSERT_TRUE(is_text(death, "exchange", "e"));
    CU_ASSERT_TRUE(table_find(death, "time", &value) && value.type == TABLE_TIME);
    CU_ASSERT_EQUAL(sl_load_u64(value.bytes.at), 1700000000);
    CU_ASSERT_TRUE(table_find(death, "routing-keys", &value) && value.type == TABLE_ARRAY);
    CU_ASSERT_TRUE(sl_bytes_equal(value.bytes, SL_BYTES_LITERAL("S\0\0\0\1k")));
    CU_ASSERT_EQUAL(table_count(death), 6);
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-reason", "expired"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-queue", "q"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-exchange", "e"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-last-death-reason", "expired"));
    CU_ASSERT_EQUAL(table_count(headers_of(out)), 7);
}

static void the_same_death_again_is_counted_and_comes_to_the_front(void)
{
    struct table_value value;
    struct sl_bytes out = die(properties_none, expired);

    out = die(out, again("other", "maxlen"));
    CU_ASSERT_TRUE(is_text(death_at(out, 0), "queue", "other"));
    CU_ASSERT_TRUE(is_text(death_at(out, 1), "queue", "q"));
    out = die(out, again("q", "expired"));
    CU_ASSERT_TRUE(is_text(death_at(out, 0), "queue", "q"));
    CU_ASSERT_EQUAL(count_of(death_at(out, 0)), 2);
    CU_ASSERT_TRUE(table_find(death_at(out, 0), "time", &value));
    CU_ASSERT_EQUAL(sl_load_u64(value.bytes.at), 1700000000); /* of the first */
    CU_ASSERT_TRUE(is_text(death_at(out, 1), "queue", "other"));
    CU_ASSERT_EQUAL(table_count(death_at(out, 2)), 0);
}

static void another_reason_in_the_same_queue_is_another_death(void)
{
    struct sl_bytes out = die(die(properties_none, expired), again("q", "rejected"));

    CU_ASSERT_EQUAL(count_of(death_at(out, 0)), 1);
    CU_ASSERT_EQUAL(count_of(death_at(out, 1)), 1);
}

static void the_first_death_stays_and_the_last_one_moves(void)
{
    struct sl_bytes out = die(die(properties_none, expired), again("other", "rejected"));

    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-queue", "q"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-reason", "expired"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-last-death-queue", "other"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-last-death-reason", "rejected"));
    CU_ASSERT_EQUAL(table_count(headers_of(out)), 7);
}

static void an_expiration_is_taken_off_and_told(void)
{
    struct properties p = {.present = PROPERTY_EXPIRATION | PROPERTY_DELIVERY_MODE | PROPERTY_TYPE,
                           .delivery_mode = 2,
                           .expiration = SL_BYTES_LITERAL("500"),
                           .type = SL_BYTES_LITERAL("t")};
    struct properties out;
    struct sl_bytes flat = die(encode(&p), expired);

    properties_decode(flat, &out);
    CU_ASSERT_EQUAL(out.present, PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE | PROPERTY_TYPE);
    CU_ASSERT_EQUAL(out.delivery_mode, 2);
    CU_ASSERT_TRUE(sl_bytes_are(out.type, "t"));
    CU_ASSERT_TRUE(is_text(death_at(flat, 0), "original-expiration", "500"));
    flat = die(flat, again("q", "expired"));
    CU_ASSERT_TRUE(is_text(death_at(flat, 0), "original-expiration", "500"));
}

static void keys_of_cc_are_told_and_stay_unless_the_queue_has_a_key(void)
{
    struct table_maker m;
    struct table_value value;
    struct death death = expired;
    struct sl_bytes out = die(with_copies(&m, "CC"), death);

    CU_ASSERT_TRUE(has(headers_of(out), "CC"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "own", "stays"));
    CU_ASSERT_TRUE(table_find(death_at(out, 0), "routing-keys", &value));
    CU_ASSERT_TRUE(sl_bytes_equal(value.bytes, SL_BYTES_LITERAL("S\0\0\0\1kS\0\0\0\1aS\0\0\0\1b")));
    death.is_new_key = true;
    out = die(with_copies(&m, "CC"), death);
    CU_ASSERT_FALSE(has(headers_of(out), "CC"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "own", "stays"));
}

static void bcc_is_neither_told_nor_kept(void)
{
    struct table_maker m;
    struct table_value value;
    struct sl_bytes out = die(with_copies(&m, "BCC"), expired);

    CU_ASSERT_FALSE(has(headers_of(out), "BCC"));
    CU_ASSERT_TRUE(table_find(death_at(out, 0), "routing-keys", &value));
    CU_ASSERT_TRUE(sl_bytes_equal(value.bytes, SL_BYTES_LITERAL("S\0\0\0\1k")));
}

static void a_way_back_without_a_rejection_goes_round(void)
{
    struct sl_bytes out = die(die(properties_none, expired), again("other", "maxlen"));

    CU_ASSERT_TRUE(goes_round(out, SL_BYTES_LITERAL("q")));
    CU_ASSERT_TRUE(goes_round(out, SL_BYTES_LITERAL("other")));
    CU_ASSERT_FALSE(goes_round(out, SL_BYTES_LITERAL("third")));
    CU_ASSERT_FALSE(goes_round(properties_none, SL_BYTES_LITERAL("q")));
}

static void a_way_back_with_a_rejection_in_it_does_not_go_round(void)
{
    struct sl_bytes out = die(die(properties_none, expired), again("other", "rejected"));

    CU_ASSERT_FALSE(goes_round(out, SL_BYTES_LITERAL("q")));
    CU_ASSERT_FALSE(goes_round(out, SL_BYTES_LITERAL("other")));
    out = die(out, again("third", "expired"));
    CU_ASSERT_TRUE(goes_round(out, SL_BYTES_LITERAL("third"))); /* newer than the rejection */
    CU_ASSERT_FALSE(goes_round(out, SL_BYTES_LITERAL("q")));
}

static void the_oldest_deaths_fall_off_when_there_are_too_many(void)
{
    struct sl_bytes out = die(properties_none, expired);
    char name[256];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%0255d", i);
        out = die(out, again(name, "expired"));
        CU_ASSERT_FATAL(out.len <= SL_PROPERTIES_BYTES_MAX);
        CU_ASSERT_TRUE_FATAL(is_text(death_at(out, 0), "queue", name));
    }
    CU_ASSERT_TRUE(out.len > SL_PROPERTIES_BYTES_MAX - 512);
    CU_ASSERT_FALSE(goes_round(out, SL_BYTES_LITERAL("q")));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-queue", "q"));
}

/* At every size around the limit: else it could go round for ever. */
static void a_message_that_is_full_tells_its_death_all_the_same(void)
{
    static char text[SL_PROPERTIES_BYTES_MAX];
    static uint8_t table[SL_PROPERTIES_BYTES_MAX];

    memset(text, 'x', sizeof text);
    for (size_t n = SL_PROPERTIES_BYTES_MAX - 2000; n < SL_PROPERTIES_BYTES_MAX - 16; n += 13) {
        struct sl_writer w = {table, table + sizeof table, false};
        uint8_t *start = table_write_start(&w);
        table_write_string(&w, SL_BYTES_LITERAL("big"), (struct sl_bytes){(uint8_t *)text, n});
        table_write_finish(&w, start);
        CU_ASSERT_FALSE_FATAL(w.overflowed);
        struct sl_bytes in = with_headers((struct sl_bytes){table, (size_t)(w.pos - table)});
        struct sl_bytes out = die(in, expired);
        CU_ASSERT(out.len <= SL_PROPERTIES_BYTES_MAX);
        CU_ASSERT_TRUE(goes_round(out, SL_BYTES_LITERAL("q")));
        CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-queue", "q"));
    }
}

static void a_header_that_is_large_gives_room_to_older_deaths(void)
{
    struct sl_bytes out = properties_none;
    static char text[SL_PROPERTIES_BYTES_MAX];
    static uint8_t table[SL_PROPERTIES_BYTES_MAX];
    struct sl_writer w = {table, table + sizeof table, false};
    uint8_t *start = table_write_start(&w);
    char name[256];

    memset(text, 'x', sizeof text);
    table_write_string(&w, SL_BYTES_LITERAL("big"),
                       (struct sl_bytes){(uint8_t *)text, SL_PROPERTIES_BYTES_MAX - 3000});
    table_write_string(&w, SL_BYTES_LITERAL("small"), SL_BYTES_LITERAL("1"));
    table_write_finish(&w, start);
    out = die(with_headers((struct sl_bytes){table, (size_t)(w.pos - table)}), expired);
    CU_ASSERT_TRUE(has(headers_of(out), "big"));
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "%0255d", i);
        out = die(out, again(name, "expired"));
    }
    CU_ASSERT_TRUE(goes_round(out, SL_BYTES_LITERAL("q")));
    CU_ASSERT_TRUE(has(headers_of(out), "small"));
    CU_ASSERT_TRUE(is_text(headers_of(out), "x-first-death-queue", "q"));
}

/* The keys of CC would stand there twice: then x-death says the first only. */
static void many_keys_of_cc_leave_room_for_the_death(void)
{
    static uint8_t keys[100000];
    static uint8_t table[SL_PROPERTIES_BYTES_MAX];
    struct sl_writer w = {keys, keys + sizeof keys, false};

    while ((size_t)(w.end - w.pos) >= 15) {
        sl_write_u8(&w, TABLE_STRING);
        sl_write_long_string(&w, SL_BYTES_LITERAL("0123456789"));
    }
    struct sl_bytes array = {keys, (size_t)(w.pos - keys)};
    w = (struct sl_writer){table, table + sizeof table, false};
    uint8_t *start = table_write_start(&w);
    table_write_value(&w, SL_BYTES_LITERAL("CC"), (struct table_value){TABLE_ARRAY, array});
    table_write_finish(&w, start);
    struct sl_bytes out =
        die(with_headers((struct sl_bytes){table, (size_t)(w.pos - table)}), expired);
    struct table_value value;
    CU_ASSERT_EQUAL(count_of(death_at(out, 0)), 1);
    CU_ASSERT_TRUE(table_find(death_at(out, 0), "routing-keys", &value));
    CU_ASSERT_TRUE(sl_bytes_equal(value.bytes, SL_BYTES_LITERAL("S\0\0\0\1k")));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(deaths_that_a_publisher_wrote_do_not_count),
                                  UNIT(an_x_death_that_is_no_array_is_replaced),
                                  UNIT(elements_that_are_no_tables_fall_off),
                                  UNIT(a_death_is_written_with_all_its_fields),
                                  UNIT(the_same_death_again_is_counted_and_comes_to_the_front),
                                  UNIT(another_reason_in_the_same_queue_is_another_death),
                                  UNIT(the_first_death_stays_and_the_last_one_moves),
                                  UNIT(an_expiration_is_taken_off_and_told),
                                  UNIT(keys_of_cc_are_told_and_stay_unless_the_queue_has_a_key),
                                  UNIT(bcc_is_neither_told_nor_kept),
                                  UNIT(a_way_back_without_a_rejection_goes_round),
                                  UNIT(a_way_back_with_a_rejection_in_it_does_not_go_round),
                                  UNIT(the_oldest_deaths_fall_off_when_there_are_too_many),
                                  UNIT(a_message_that_is_full_tells_its_death_all_the_same),
                                  UNIT(a_header_that_is_large_gives_room_to_older_deaths),
                                  UNIT(many_keys_of_cc_leave_room_for_the_death),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/deaths", tests);
}
