#include "core/base/text.h"

#include "tests/support/unit.h"

static void assert_shown(const char *bytes, const char *shown)
{
    char room[64];
    struct text t = text_on(room, sizeof room);

    text_add_bytes(&t, sl_bytes_of(bytes));
    CU_ASSERT_STRING_EQUAL(room, shown);
    CU_ASSERT_EQUAL(t.len, strlen(shown));
}

static void what_does_not_fit_is_cut(void)
{
    char room[8];
    struct text t = text_on(room, sizeof room);

    text_add(&t, "%s", "0123456789");
    CU_ASSERT_STRING_EQUAL(room, "0123456");
    text_add(&t, "more");
    text_add_bytes(&t, SL_BYTES_LITERAL("more"));
    CU_ASSERT_STRING_EQUAL(room, "0123456");
    CU_ASSERT_EQUAL(t.len, 7);
}

static void a_character_is_not_cut_in_half(void)
{
    char room[3];
    struct text t = text_on(room, sizeof room);

    text_add_bytes(&t, sl_bytes_of("a\xc3\xa9"));
    CU_ASSERT_STRING_EQUAL(room, "a");
}

static void assert_cut(size_t bytes, const char *shown)
{
    char room[16];
    struct text t = text_on(room, bytes + 1);

    text_add(&t, "%s", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x87z");
    CU_ASSERT_STRING_EQUAL(room, shown);
    CU_ASSERT_EQUAL(t.len, strlen(shown));
}

static void a_formatted_text_is_cut_between_characters(void)
{
    assert_cut(1, "a");
    assert_cut(2, "a");
    assert_cut(3, "a\xc3\xa9");
    assert_cut(4, "a\xc3\xa9");
    assert_cut(5, "a\xc3\xa9");
    assert_cut(6, "a\xc3\xa9\xe2\x82\xac");
    assert_cut(7, "a\xc3\xa9\xe2\x82\xac");
    assert_cut(9, "a\xc3\xa9\xe2\x82\xac");
    assert_cut(10, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x87");
    assert_cut(11, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x87z");
}

static void a_text_of_one_byte_holds_nothing(void)
{
    char room[1];
    struct text t = text_on(room, sizeof room);

    text_add(&t, "x");
    text_add_bytes(&t, SL_BYTES_LITERAL("x"));
    CU_ASSERT_STRING_EQUAL(room, "");
}

static void control_characters_are_not_shown(void)
{
    assert_shown("a\nb\rc\x1b[31m\x7f", "a?b?c?[31m?");
    assert_shown("\xc2\x85", "??"); /* next line, of C1 */
}

static void broken_utf8_is_not_shown(void)
{
    assert_shown("\xff\xfe", "??");
    assert_shown("\xc3", "?");                /* cut */
    assert_shown("\xc3(", "?(");              /* no continuation */
    assert_shown("\xc0\xaf", "??");           /* long form */
    assert_shown("\xe0\x80\xaf", "???");      /* long form */
    assert_shown("\xed\xa0\x80", "???");      /* surrogate */
    assert_shown("\xf4\x90\x80\x80", "????"); /* beyond the last */
}

static void good_utf8_is_shown_as_it_is(void)
{
    assert_shown("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x87",
                 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x87");
}

static void texts_are_added_one_behind_the_other(void)
{
    char room[64];
    struct text t = text_on(room, sizeof room);

    text_add(&t, "queue '");
    text_add_bytes(&t, SL_BYTES_LITERAL("q"));
    text_add(&t, "' has %d", 3);
    CU_ASSERT_STRING_EQUAL(room, "queue 'q' has 3");
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(what_does_not_fit_is_cut),
                                  UNIT(a_character_is_not_cut_in_half),
                                  UNIT(a_formatted_text_is_cut_between_characters),
                                  UNIT(a_text_of_one_byte_holds_nothing),
                                  UNIT(control_characters_are_not_shown),
                                  UNIT(broken_utf8_is_not_shown),
                                  UNIT(good_utf8_is_shown_as_it_is),
                                  UNIT(texts_are_added_one_behind_the_other),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/base/text", tests);
}
