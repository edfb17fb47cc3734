#include "core/table.h"

#include "core/base/limits.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static enum sl_err check(struct sl_bytes in)
{
    const char *why = NULL;
    size_t used = 0;
    enum sl_err err = table_check(in, &used, &why);

    CU_ASSERT_TRUE(used <= in.len);
    CU_ASSERT_EQUAL(err != SL_OK, why != NULL); /* a refusal says why */
    return err;
}

/* One field of every type, with a table and an array in it. */
static struct sl_bytes make_everything(struct table_maker *m)
{
    static const uint8_t eight[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const struct {
        uint8_t type;
        uint8_t len;
    } scalars[] = {{'t', 1}, {'b', 1}, {'B', 1}, {'s', 2}, {'u', 2}, {'I', 4}, {'i', 4}, {'l', 8},
                   {'L', 8}, {'f', 4}, {'d', 8}, {'D', 5}, {'S', 3}, {'x', 3}, {'T', 8}, {'V', 0}};

    table_begin(m);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        uint8_t name = scalars[i].type;
        table_write_value(&m->w, (struct sl_bytes){&name, 1},
                          (struct table_value){scalars[i].type, {eight, scalars[i].len}});
    }
    sl_write_short_string(&m->w, SL_BYTES_LITERAL("F"));
    sl_write_u8(&m->w, TABLE_TABLE);
    uint8_t *inner = table_write_start(&m->w);
    table_write_bool(&m->w, SL_BYTES_LITERAL("in"), true);
    table_write_finish(&m->w, inner);
    sl_write_short_string(&m->w, SL_BYTES_LITERAL("A"));
    sl_write_u8(&m->w, TABLE_ARRAY);
    inner = table_write_start(&m->w);
    sl_write_u8(&m->w, TABLE_U8);
    sl_write_u8(&m->w, 7);
    sl_write_u8(&m->w, TABLE_STRING);
    sl_write_long_string(&m->w, SL_BYTES_LITERAL("seven"));
    table_write_finish(&m->w, inner);
    return table_end(m);
}

static void a_table_cut_anywhere_is_refused(void)
{
    struct table_maker m;
    struct sl_bytes whole = make_everything(&m);

    CU_ASSERT_EQUAL(check(whole), SL_OK);
    for (size_t cut = 0; cut < whole.len; cut++) {
        uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees a read past the cut */
        memcpy(exact, whole.at, cut);
        CU_ASSERT_EQUAL(check((struct sl_bytes){exact, cut}), SL_ESYNTAX);
        free(exact);
    }
}

/* The outer length is made to fit the cut, so that what is cut is a field. */
static void a_field_cut_by_its_table_is_refused(void)
{
    struct table_maker m;
    struct sl_bytes whole = make_everything(&m);
    size_t accepted = 0;

    for (uint32_t len = 0; len < whole.len - 4; len++) {
        sl_store_u32(m.room, len);
        accepted += check((struct sl_bytes){m.room, len + 4}) == SL_OK;
    }
    CU_ASSERT_EQUAL(accepted, 18); /* just those that end between two of the 18 fields */
}

static void any_flipped_byte_is_survived(void)
{
    struct table_maker m;
    struct sl_bytes whole = make_everything(&m);

    for (size_t i = 0; i < whole.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            size_t used;
            const char *why;
            m.room[i] ^= (uint8_t)(1u << bit);
            if (table_check(whole, &used, &why) == SL_OK) {
                struct sl_bytes table = {whole.at, used};
                struct sl_reader r = table_fields(table);
                struct table_field field;
                while (table_next(&r, &field))
                    CU_ASSERT_TRUE(field.value.bytes.at == NULL || field.value.bytes.at >= m.room);
                CU_ASSERT_FALSE(r.is_short);
                table_count(table);
            }
            m.room[i] ^= (uint8_t)(1u << bit);
        }
}

static void a_length_that_lies_is_refused(void)
{
    static const uint8_t too_long[] = {0, 0, 0, 5, 1, 'a', 'V'};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1, 'a', 'V'};
    static const uint8_t inner_too_long[] = {0, 0, 0, 7, 1, 'a', 'F', 0, 0, 0, 1};
    static const uint8_t string_too_long[] = {0, 0, 0, 7, 1, 'a', 'S', 0, 0, 0, 1, 'x'};

    CU_ASSERT_EQUAL(check((struct sl_bytes){too_long, sizeof too_long}), SL_ESYNTAX);
    CU_ASSERT_EQUAL(check((struct sl_bytes){huge, sizeof huge}), SL_ESYNTAX);
    CU_ASSERT_EQUAL(check((struct sl_bytes){inner_too_long, sizeof inner_too_long}), SL_ESYNTAX);
    CU_ASSERT_EQUAL(check((struct sl_bytes){string_too_long, sizeof string_too_long}), SL_ESYNTAX);
}

static void an_unknown_type_is_refused(void)
{
    static const uint8_t in[] = {0, 0, 0, 4, 1, 'a', 'z', 0};

    CU_ASSERT_EQUAL(check((struct sl_bytes){in, sizeof in}), SL_ESYNTAX);
}

/* Arrays in arrays: five bytes a level. */
static enum sl_err check_nested(unsigned depth)
{
    static uint8_t in[8000000];
    size_t len = 4 + 3 + (size_t)depth * 5;
    struct sl_writer w = {in, in + sizeof in, false};

    sl_write_u32(&w, (uint32_t)(len - 4));
    sl_write_short_string(&w, SL_BYTES_LITERAL("a"));
    for (unsigned i = 0; i < depth; i++) {
        size_t behind = (size_t)(depth - i - 1) * 5 + 1;
        sl_write_u8(&w, 'A');
        sl_write_u32(&w, (uint32_t)behind);
    }
    sl_write_u8(&w, 'V');
    CU_ASSERT_EQUAL((size_t)(w.pos - in), len);
    return check((struct sl_bytes){in, len});
}

static void deep_nesting_is_refused_without_harm(void)
{
    CU_ASSERT_EQUAL(check_nested(4), SL_OK);
    CU_ASSERT_EQUAL(check_nested(SL_TABLE_DEPTH_MAX - 1), SL_OK);
    CU_ASSERT_EQUAL(check_nested(SL_TABLE_DEPTH_MAX), SL_ESYNTAX);
    CU_ASSERT_EQUAL(check_nested(1000000), SL_ESYNTAX);
}

static void what_stands_behind_the_table_is_left_alone(void)
{
    static const uint8_t in[] = {0, 0, 0, 3, 1, 'a', 'V', 0xee, 0xee};
    const char *why;
    size_t used = 0;

    CU_ASSERT_EQUAL(table_check((struct sl_bytes){in, sizeof in}, &used, &why), SL_OK);
    CU_ASSERT_EQUAL(used, 7);
    CU_ASSERT_EQUAL(check(table_empty), SL_OK);
    CU_ASSERT_EQUAL(table_count(table_empty), 0);
    CU_ASSERT_EQUAL(table_count((struct sl_bytes){NULL, 0}), 0);
}

static void every_type_is_read_back(void)
{
    struct table_maker m;
    struct sl_bytes table = make_everything(&m);
    struct table_value v;
    struct sl_bytes string = {NULL, 0};
    int64_t n = 0;
    bool truth = false;

    CU_ASSERT_EQUAL(table_count(table), 18);
    CU_ASSERT_TRUE(table_find(table, "u", &v) && table_value_integer(v, &n) && n == 0x0102);
    CU_ASSERT_TRUE(table_find(table, "L", &v) && table_value_integer(v, &n));
    CU_ASSERT_EQUAL(n, 0x0102030405060708);
    CU_ASSERT_TRUE(table_find(table, "t", &v) && table_value_bool(v, &truth) && truth);
    CU_ASSERT_FALSE(table_value_integer(v, &n));
    CU_ASSERT_TRUE(table_find(table, "S", &v) && table_value_string(v, &string));
    CU_ASSERT_TRUE(sl_bytes_are(string, "\1\2\3"));
    CU_ASSERT_TRUE(table_find(table, "x", &v));
    CU_ASSERT_FALSE(table_value_string(v, &string));
    CU_ASSERT_TRUE(table_find(table, "A", &v));
    struct sl_reader r = table_elements(v);
    CU_ASSERT_TRUE(table_next_element(&r, &v) && table_value_integer(v, &n) && n == 7);
    CU_ASSERT_TRUE(table_next_element(&r, &v) && table_value_string(v, &string));
    CU_ASSERT_TRUE(sl_bytes_are(string, "seven"));
    CU_ASSERT_FALSE(table_next_element(&r, &v));
    CU_ASSERT_FALSE(table_find(table, "nope", &v));
}

static struct table_value number(uint8_t type, size_t len, int64_t n, uint8_t room[8])
{
    sl_store_u64(room, (uint64_t)n);
    return (struct table_value){type, {room + 8 - len, len}};
}

static void integers_keep_their_sign(void)
{
    uint8_t room[8];
    int64_t n;

    CU_ASSERT_TRUE(table_value_integer(number('b', 1, -1, room), &n) && n == -1);
    CU_ASSERT_TRUE(table_value_integer(number('B', 1, -1, room), &n) && n == 255);
    CU_ASSERT_TRUE(table_value_integer(number('s', 2, -2, room), &n) && n == -2);
    CU_ASSERT_TRUE(table_value_integer(number('u', 2, -1, room), &n) && n == 65535);
    CU_ASSERT_TRUE(table_value_integer(number('I', 4, -3, room), &n) && n == -3);
    CU_ASSERT_TRUE(table_value_integer(number('i', 4, -1, room), &n) && n == UINT32_MAX);
    CU_ASSERT_TRUE(table_value_integer(number('l', 8, INT64_MIN, room), &n) && n == INT64_MIN);
}

static void values_are_compared_by_class_and_value(void)
{
    uint8_t a[8];
    uint8_t b[8];
    static const uint8_t f32[] = {0x3f, 0x80, 0, 0};
    static const uint8_t f64[] = {0x3f, 0xf0, 0, 0, 0, 0, 0, 0};
    struct table_value one_f32 = {'f', {f32, 4}};
    struct table_value one_f64 = {'d', {f64, 8}};
    struct table_value text = {'S', {f32, 4}};
    struct table_value raw = {'x', {f32, 4}};

    CU_ASSERT_TRUE(table_value_equal(number('I', 4, 50, a), number('l', 8, 50, b)));
    CU_ASSERT_FALSE(table_value_equal(number('I', 4, 50, a), number('l', 8, 51, b)));
    CU_ASSERT_FALSE(table_value_equal(number('I', 4, 50, a), number('T', 8, 50, b)));
    CU_ASSERT_TRUE(table_value_equal(one_f32, one_f64));
    CU_ASSERT_FALSE(table_value_equal(one_f64, number('l', 8, 1, b)));
    CU_ASSERT_FALSE(table_value_equal(text, raw));
    CU_ASSERT_TRUE(table_value_equal(text, text));
}

static void values_are_described_for_people(void)
{
    uint8_t raw[8];
    char room[64];
    struct text t = text_on(room, sizeof room);

    table_value_describe(number('I', 4, -60000, raw), &t);
    text_add(&t, " ");
    raw[7] = 1;
    table_value_describe((struct table_value){'t', {raw + 7, 1}}, &t);
    text_add(&t, " ");
    table_value_describe((struct table_value){'S', SL_BYTES_LITERAL("a\nb")}, &t);
    CU_ASSERT_STRING_EQUAL(room, "-60000 true a?b");
    CU_ASSERT_STRING_EQUAL(table_type_name('I'), "signedint");
    CU_ASSERT_STRING_EQUAL(table_type_name('S'), "longstr");
}

static void a_table_that_does_not_fit_shows_on_the_writer(void)
{
    uint8_t room[8];
    struct sl_writer w = {room, room + sizeof room, false};
    uint8_t *start = table_write_start(&w);

    table_write_string(&w, SL_BYTES_LITERAL("a"), SL_BYTES_LITERAL("long value"));
    table_write_finish(&w, start);
    CU_ASSERT_TRUE(w.overflowed);
    w = (struct sl_writer){room, room + 3, false};
    start = table_write_start(&w);
    CU_ASSERT_PTR_NULL(start);
    table_write_finish(&w, start);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_table_cut_anywhere_is_refused),
                                  UNIT(a_field_cut_by_its_table_is_refused),
                                  UNIT(any_flipped_byte_is_survived),
                                  UNIT(a_length_that_lies_is_refused),
                                  UNIT(an_unknown_type_is_refused),
                                  UNIT(deep_nesting_is_refused_without_harm),
                                  UNIT(what_stands_behind_the_table_is_left_alone),
                                  UNIT(every_type_is_read_back),
                                  UNIT(integers_keep_their_sign),
                                  UNIT(values_are_compared_by_class_and_value),
                                  UNIT(values_are_described_for_people),
                                  UNIT(a_table_that_does_not_fit_shows_on_the_writer),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/table", tests);
}
