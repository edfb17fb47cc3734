#include "core/name_pattern.h"

#include "tests/support/unit.h"

static bool matches(const char *expression, const char *name)
{
    char room[128];
    struct text why = text_on(room, sizeof room);
    struct name_pattern p;

    CU_ASSERT_EQUAL_FATAL(name_pattern_compile(&p, sl_bytes_of(expression), &why), SL_OK);
    bool is = name_pattern_matches(&p, sl_bytes_of(name));
    name_pattern_free(&p);
    return is;
}

static void a_broken_expression_is_refused_with_the_reason(void)
{
    char room[128] = "";
    struct text why = text_on(room, sizeof room);
    struct name_pattern p;

    CU_ASSERT_EQUAL(name_pattern_compile(&p, SL_BYTES_LITERAL("a("), &why), SL_ESYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(room, "at character"));
    CU_ASSERT_EQUAL(name_pattern_compile(&p, SL_BYTES_LITERAL("[b-a]"), &why), SL_ESYNTAX);
}

static void the_empty_one_is_for_the_empty_name(void)
{
    CU_ASSERT(matches("", ""));
    CU_ASSERT(!matches("", "q"));
    CU_ASSERT(!matches("^$", "q"));
}

static void it_is_found_anywhere_unless_anchored(void)
{
    CU_ASSERT(matches("ord", "my.orders"));
    CU_ASSERT(!matches("^ord", "my.orders"));
    CU_ASSERT(matches("^(orders|stock)\\..*$", "stock.in"));
    CU_ASSERT(!matches("^(orders|stock)\\..*$", "stocks.in"));
    CU_ASSERT(matches(".*", ""));
    CU_ASSERT(matches(".*", "a\nb"));
    CU_ASSERT(matches("^(?!private)", "public"));
    CU_ASSERT(!matches("^(?!private)", "private.x"));
}

static void what_would_take_for_ever_does_not_match(void)
{
    CU_ASSERT(!matches("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    CU_ASSERT(matches("^(a+)+$", "aaaa"));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_broken_expression_is_refused_with_the_reason),
                                  UNIT(the_empty_one_is_for_the_empty_name),
                                  UNIT(it_is_found_anywhere_unless_anchored),
                                  UNIT(what_would_take_for_ever_does_not_match), CU_TEST_INFO_NULL};
    return unit_run("core/name_pattern", tests);
}
