#include "gateway/address_list.h"

#include "tests/support/unit.h"

static char room[300];
static struct address_list list;

static bool has(const char *host)
{
    struct address a;

    CU_ASSERT_EQUAL_FATAL(address_parse(host, 1, &a), SL_OK);
    return address_list_has(&list, &a);
}

static enum sl_err parse(const char *text)
{
    struct text why = text_on(room, sizeof room);

    return address_list_parse(text, &list, &why);
}

static void what_is_no_prefix_is_refused_by_name(void)
{
    static const char *const BAD[] = {"localhost", "10.0.0.0/33", "::/129", "10.0.0.0/",
                                      "1.2.3.4/x", "1.2.3.4/-1",  "1.2.3",  "1.2.3.4/8/8"};

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        CU_ASSERT_EQUAL(parse(BAD[i]), SL_ESYNTAX);
        CU_ASSERT_PTR_NOT_NULL(strstr(room, BAD[i]));
    }
}

static void more_than_the_list_holds_is_refused(void)
{
    char many[ADDRESS_LIST_MAX * 8 + 16] = "";
    struct text text = text_on(many, sizeof many);

    for (int i = 0; i < ADDRESS_LIST_MAX; i++)
        text_add(&text, "1.1.1.1,");
    CU_ASSERT_EQUAL(parse(many), SL_OK);
    text_add(&text, "1.1.1.1,");
    CU_ASSERT_EQUAL(parse(many), SL_ESYNTAX);
}

static void an_empty_list_has_nobody(void)
{
    CU_ASSERT_EQUAL_FATAL(parse(""), SL_OK);
    CU_ASSERT_FALSE(has("127.0.0.1"));
    CU_ASSERT_FALSE(has("::"));
}

static void a_prefix_has_what_begins_with_it(void)
{
    CU_ASSERT_EQUAL_FATAL(parse("10.1.0.0/16, 192.0.2.7 ,2001:db8::/33,172.16.0.0/12"), SL_OK);
    CU_ASSERT_TRUE(has("10.1.255.255"));
    CU_ASSERT_FALSE(has("10.2.0.0"));
    CU_ASSERT_TRUE(has("192.0.2.7"));
    CU_ASSERT_FALSE(has("192.0.2.6"));
    CU_ASSERT_TRUE(has("2001:db8:7fff::1"));
    CU_ASSERT_FALSE(has("2001:db8:8000::1"));
    CU_ASSERT_TRUE(has("172.31.0.1"));
    CU_ASSERT_FALSE(has("172.32.0.1"));
}

static void an_ipv4_address_is_the_same_over_an_ipv6_socket(void)
{
    CU_ASSERT_EQUAL_FATAL(parse("10.1.0.0/16"), SL_OK);
    CU_ASSERT_TRUE(has("::ffff:10.1.2.3"));
    CU_ASSERT_FALSE(has("::10.1.2.3"));
    CU_ASSERT_EQUAL_FATAL(parse("0.0.0.0/0"), SL_OK);
    CU_ASSERT_TRUE(has("8.8.8.8"));
    CU_ASSERT_FALSE(has("::1"));
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_no_prefix_is_refused_by_name),
        UNIT(more_than_the_list_holds_is_refused),
        UNIT(an_empty_list_has_nobody),
        UNIT(a_prefix_has_what_begins_with_it),
        UNIT(an_ipv4_address_is_the_same_over_an_ipv6_socket),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/address_list", tests);
}
