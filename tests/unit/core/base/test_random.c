#include "core/base/random.h"

#include "tests/support/unit.h"

#include <string.h>

static void no_two_names_are_the_same(void)
{
    enum { N = 500 };
    static char names[N][SL_RANDOM_NAME_CHARS + 1];
    int same = 0;

    for (int i = 0; i < N; i++) {
        sl_random_name(names[i]);
        for (int j = 0; j < i; j++)
            same += strcmp(names[i], names[j]) == 0;
    }
    CU_ASSERT_EQUAL(same, 0);
    CU_ASSERT_NOT_EQUAL(sl_random_u64(), sl_random_u64());
}

static void a_name_has_22_characters_fit_for_a_url(void)
{
    char name[SL_RANDOM_NAME_CHARS + 1];

    for (int i = 0; i < 200; i++) {
        sl_random_name(name);
        CU_ASSERT_EQUAL(strlen(name), 22);
        CU_ASSERT_EQUAL(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
                        22);
    }
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(no_two_names_are_the_same),
                                  UNIT(a_name_has_22_characters_fit_for_a_url), CU_TEST_INFO_NULL};
    return unit_run("core/base/random", tests);
}
