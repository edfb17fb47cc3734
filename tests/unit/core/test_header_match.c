#include "core/header_match.h"

#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

/* "a=1 b=two c" : numbers, strings, and a name alone for void.  Only one table at a time. */
static struct sl_bytes table(struct table_maker *m, const char *fields)
{
    char copy[256];

    strcpy(copy, fields);
    table_begin(m);
    for (char *at = strtok(copy, " "); at != NULL; at = strtok(NULL, " ")) {
        char *value = strchr(at, '=');
        if (value == NULL) {
            table_write_value(&m->w, sl_bytes_of(at), (struct table_value){TABLE_VOID, {NULL, 0}});
            continue;
        }
        *value++ = '\0';
        if (*value >= '0' && *value <= '9')
            table_write_s64(&m->w, sl_bytes_of(at), *value - '0');
        else
            table_write_string(&m->w, sl_bytes_of(at), sl_bytes_of(value));
    }
    return table_end(m);
}

static bool fits(const char *arguments, const char *headers)
{
    struct table_maker a;
    struct table_maker h;
    uint8_t sorted[1024];
    struct sl_writer w = {sorted, sorted + sizeof sorted, false};
    struct header_set set = header_set_of(table(&h, headers));

    CU_ASSERT_EQUAL(header_table_sort(table(&a, arguments), &w), SL_OK);
    CU_ASSERT_EQUAL(header_set_sort(&set), SL_OK);
    CU_ASSERT_EQUAL(header_set_sort(&set), SL_OK); /* once is enough */
    bool fit = header_match((struct sl_bytes){sorted, (size_t)(w.pos - sorted)}, &set);
    header_set_deinit(&set);
    return fit;
}

static void another_x_match_is_refused_with_its_reason(void)
{
    struct table_maker m;
    char room[256];
    struct text reason = text_on(room, sizeof room);

    CU_ASSERT_EQUAL(header_match_check(table(&m, "x-match=some"), &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "Invalid x-match field value <<\"some\">>; expected all, any, "
                                 "all-with-x, or any-with-x");
    reason = text_on(room, sizeof room);
    CU_ASSERT_EQUAL(header_match_check(table(&m, "x-match=1"), &reason), SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(room, "Invalid x-match field type long (value 1); expected longstr");
    CU_ASSERT_EQUAL(header_match_check(table(&m, "x-match=any-with-x"), &reason), SL_OK);
    CU_ASSERT_EQUAL(header_match_check(table(&m, "a=1"), &reason), SL_OK);
    CU_ASSERT_EQUAL(header_match_check((struct sl_bytes){NULL, 0}, &reason), SL_OK);
}

static void all_wants_every_field(void)
{
    CU_ASSERT_FALSE(fits("x-match=all a=1 b=two", "a=1"));
    CU_ASSERT_FALSE(fits("a=1 b=two", "a=1 b=three"));
    CU_ASSERT_FALSE(fits("a=1", ""));
    CU_ASSERT_FALSE(fits("a=1", "a=one"));
    CU_ASSERT_TRUE(fits("x-match=all b=two a=1", "c=3 a=1 b=two"));
    CU_ASSERT_TRUE(fits("", "a=1"));
    CU_ASSERT_TRUE(fits("", ""));
}

static void any_wants_one_field(void)
{
    CU_ASSERT_FALSE(fits("x-match=any a=1 b=two", "a=2 b=three"));
    CU_ASSERT_FALSE(fits("x-match=any", "a=1"));
    CU_ASSERT_FALSE(fits("x-match=any a=1", ""));
    CU_ASSERT_TRUE(fits("x-match=any a=1 b=two", "b=two"));
    CU_ASSERT_TRUE(fits("x-match=any z=1 b=two a=5", "z=1"));
}

static void a_field_without_value_asks_for_presence(void)
{
    CU_ASSERT_FALSE(fits("a", "b=1"));
    CU_ASSERT_TRUE(fits("a", "a=1"));
    CU_ASSERT_TRUE(fits("x-match=any a b", "b=x"));
}

static void names_that_begin_with_x_count_only_when_asked_to(void)
{
    CU_ASSERT_TRUE(fits("x-match=all x-a=1 b=2", "b=2"));
    CU_ASSERT_FALSE(fits("x-match=any x-a=1", "x-a=1"));
    CU_ASSERT_FALSE(fits("x-match=all-with-x x-a=1 b=2", "b=2"));
    CU_ASSERT_TRUE(fits("x-match=all-with-x x-a=1 b=2", "b=2 x-a=1"));
    CU_ASSERT_TRUE(fits("x-match=any-with-x x-a=1", "x-a=1"));
}

static void a_message_without_headers_fits_only_the_empty_all(void)
{
    struct header_set none = header_set_of((struct sl_bytes){NULL, 0});

    CU_ASSERT_EQUAL(header_set_sort(&none), SL_OK);
    CU_ASSERT_TRUE(header_match(table_empty, &none));
    header_set_deinit(&none);
}

static void of_two_headers_with_one_name_the_first_counts(void)
{
    CU_ASSERT_TRUE(fits("a=1", "z=9 a=1 a=2"));
    CU_ASSERT_FALSE(fits("a=2", "z=9 a=1 a=2"));
}

static void sorting_does_not_depend_on_the_order_before(void)
{
    struct table_maker a;
    struct table_maker b;
    uint8_t first[256];
    uint8_t second[256];
    struct sl_writer w = {first, first + sizeof first, false};
    struct sl_writer v = {second, second + sizeof second, false};

    CU_ASSERT_EQUAL(header_table_sort(table(&a, "b=2 a=1 ab=3 c"), &w), SL_OK);
    CU_ASSERT_EQUAL(header_table_sort(table(&b, "c ab=3 a=1 b=2"), &v), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_equal((struct sl_bytes){first, (size_t)(w.pos - first)},
                                  (struct sl_bytes){second, (size_t)(v.pos - second)}));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(another_x_match_is_refused_with_its_reason),
                                  UNIT(all_wants_every_field),
                                  UNIT(any_wants_one_field),
                                  UNIT(a_field_without_value_asks_for_presence),
                                  UNIT(names_that_begin_with_x_count_only_when_asked_to),
                                  UNIT(a_message_without_headers_fits_only_the_empty_all),
                                  UNIT(of_two_headers_with_one_name_the_first_counts),
                                  UNIT(sorting_does_not_depend_on_the_order_before),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/header_match", tests);
}
