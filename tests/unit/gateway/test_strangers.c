#include "gateway/strangers.h"

#include "tests/support/unit.h"

static struct strangers s;
static uint32_t place;

static bool enter(const char *host)
{
    struct address a;

    CU_ASSERT_EQUAL_FATAL(address_parse(host, 1, &a), SL_OK);
    return strangers_enter(&s, &a, &place);
}

static void beyond_the_limit_nobody_enters_until_one_leaves(void)
{
    uint32_t first;

    strangers_init(&s, 3, 0);
    CU_ASSERT_TRUE(enter("192.0.2.1"));
    first = place;
    CU_ASSERT_TRUE(enter("192.0.2.1"));
    CU_ASSERT_TRUE(strangers_enter(&s, NULL, &place));
    CU_ASSERT_FALSE(enter("192.0.2.2"));
    CU_ASSERT_FALSE(strangers_enter(&s, NULL, &place));
    strangers_leave(&s, first);
    CU_ASSERT_TRUE(enter("192.0.2.2"));
}

static void one_address_does_not_take_the_place_of_all(void)
{
    strangers_init(&s, 0, 2);
    s.seed = 1; /* these addresses do not fall together under it */
    CU_ASSERT_TRUE(enter("192.0.2.1"));
    CU_ASSERT_TRUE(enter("::ffff:192.0.2.1")); /* the same */
    CU_ASSERT_FALSE(enter("192.0.2.1"));
    CU_ASSERT_TRUE(enter("192.0.2.2"));
    CU_ASSERT_TRUE(enter("2001:db8:0:1::1"));
    CU_ASSERT_TRUE(enter("2001:db8:0:1::2")); /* of the same network */
    uint32_t theirs = place;
    CU_ASSERT_FALSE(enter("2001:db8:0:1::3"));
    CU_ASSERT_TRUE(enter("2001:db8:0:2::3"));
    strangers_leave(&s, theirs);
    CU_ASSERT_TRUE(enter("2001:db8:0:1::3"));
    for (int i = 0; i < 10; i++) /* who comes through a proxy, or over a local socket */
        CU_ASSERT_TRUE(strangers_enter(&s, NULL, &place));
}

static void without_limits_everybody_enters(void)
{
    strangers_init(&s, 0, 0);
    for (int i = 0; i < 10000; i++)
        CU_ASSERT_TRUE(enter("192.0.2.1"));
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(beyond_the_limit_nobody_enters_until_one_leaves),
        UNIT(one_address_does_not_take_the_place_of_all),
        UNIT(without_limits_everybody_enters),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/strangers", tests);
}
