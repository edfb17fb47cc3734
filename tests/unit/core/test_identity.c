#include "core/identity.h"

#include "tests/support/unit.h"

static void a_wrong_name_or_password_is_refused(void)
{
    struct sl_bytes guest = SL_BYTES_LITERAL("guest");

    CU_ASSERT_EQUAL(identity_check(guest, SL_BYTES_LITERAL("Guest"), true),
                    IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(identity_check(guest, SL_BYTES_LITERAL("guest\0"), true),
                    IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(identity_check(guest, (struct sl_bytes){NULL, 0}, true),
                    IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(identity_check(SL_BYTES_LITERAL("root"), guest, true),
                    IDENTITY_BAD_CREDENTIALS);
}

static void guest_comes_from_this_machine_only(void)
{
    struct sl_bytes guest = SL_BYTES_LITERAL("guest");

    CU_ASSERT_EQUAL(identity_check(guest, guest, false), IDENTITY_NOT_LOOPBACK);
    CU_ASSERT_EQUAL(identity_check(guest, guest, true), IDENTITY_OK);
}

static void a_stranger_is_not_told_more_from_afar(void)
{
    CU_ASSERT_EQUAL(identity_check(SL_BYTES_LITERAL("guest"), SL_BYTES_LITERAL("no"), false),
                    IDENTITY_BAD_CREDENTIALS);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_wrong_name_or_password_is_refused),
                                  UNIT(guest_comes_from_this_machine_only),
                                  UNIT(a_stranger_is_not_told_more_from_afar), CU_TEST_INFO_NULL};
    return unit_run("core/identity", tests);
}
