#include "gateway/address.h"

#include "tests/support/unit.h"

static void names_and_broken_addresses_are_refused(void)
{
    static const char *const BAD[] = {
        "",        "localhost",
        "127.0.0", "1.2.3.4.5",
        "[::1",    "::1]",
        "[]",      "300.1.1.1",
        "1:2",     "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"};
    struct address a;

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        CU_ASSERT_EQUAL(address_parse(BAD[i], 1, &a), SL_ESYNTAX);
}

static void an_address_is_said_as_it_was_given(void)
{
    static const struct {
        const char *host;
        const char *said;
    } ROWS[] = {
        {"127.0.0.1", "127.0.0.1:5672"},
        {"::1", "[::1]:5672"},
        {"[fe80::2]", "[fe80::2]:5672"},
        {"::ffff:10.0.0.9", "10.0.0.9:5672"}, /* came over an IPv6 socket */
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct address a;
        char said[64];

        CU_ASSERT_EQUAL_FATAL(address_parse(ROWS[i].host, 5672, &a), SL_OK);
        address_format(&a, said, sizeof said);
        CU_ASSERT_STRING_EQUAL(said, ROWS[i].said);
    }
}

static void only_the_machine_itself_is_loopback(void)
{
    static const char *const OURS[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const THEIRS[] = {"10.0.0.1", "128.0.0.1", "0.0.0.0",
                                         "::",       "fe80::1",   "::ffff:126.0.0.1"};
    struct address a;

    for (size_t i = 0; i < sizeof OURS / sizeof OURS[0]; i++) {
        CU_ASSERT_EQUAL_FATAL(address_parse(OURS[i], 1, &a), SL_OK);
        CU_ASSERT_TRUE(address_is_loopback(&a));
    }
    for (size_t i = 0; i < sizeof THEIRS / sizeof THEIRS[0]; i++) {
        CU_ASSERT_EQUAL_FATAL(address_parse(THEIRS[i], 1, &a), SL_OK);
        CU_ASSERT_FALSE(address_is_loopback(&a));
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(names_and_broken_addresses_are_refused),
        UNIT(an_address_is_said_as_it_was_given),
        UNIT(only_the_machine_itself_is_loopback),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/address", tests);
}
