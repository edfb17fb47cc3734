#include "core/base/buffer.h"

#include "tests/support/unit.h"

static void a_buffer_never_holds_more_than_its_maximum(void)
{
    struct sl_buffer b;

    sl_buffer_init(&b, 4);
    CU_ASSERT_EQUAL(sl_buffer_append(&b, SL_BYTES_LITERAL("12345")), SL_ETOOBIG);
    CU_ASSERT_EQUAL(sl_buffer_append(&b, SL_BYTES_LITERAL("123")), SL_OK);
    CU_ASSERT_EQUAL(sl_buffer_append(&b, SL_BYTES_LITERAL("45")), SL_ETOOBIG);
    CU_ASSERT_PTR_NULL(sl_buffer_reserve(&b, 2));
    CU_ASSERT_PTR_NULL(sl_buffer_reserve(&b, SIZE_MAX));
    CU_ASSERT_TRUE(sl_bytes_are(sl_buffer_bytes(&b), "123")); /* nothing of the refused */
    sl_buffer_deinit(&b);
}

static void what_is_consumed_leaves_and_the_rest_stays_in_order(void)
{
    struct sl_buffer b;

    sl_buffer_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(sl_buffer_append(&b, SL_BYTES_LITERAL("abc")), SL_OK);
    sl_buffer_consume(&b, 298);
    CU_ASSERT_TRUE(sl_bytes_are(sl_buffer_bytes(&b), "bc"));
    sl_buffer_consume(&b, 2);
    CU_ASSERT_EQUAL(b.len, 0);
    sl_buffer_deinit(&b);
}

static void reserved_room_counts_only_when_grown(void)
{
    struct sl_buffer b;

    sl_buffer_init(&b, 100);
    uint8_t *at = sl_buffer_reserve(&b, 10);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memcpy(at, "0123456789", 10);
    CU_ASSERT_EQUAL(b.len, 0);
    sl_buffer_grow(&b, 4);
    CU_ASSERT_TRUE(sl_bytes_are(sl_buffer_bytes(&b), "0123"));
    sl_buffer_clear(&b);
    CU_ASSERT_EQUAL(sl_buffer_bytes(&b).len, 0);
    sl_buffer_deinit(&b);
}

static void a_released_buffer_is_an_empty_one(void)
{
    struct sl_buffer b;

    sl_buffer_init(&b, 100);
    CU_ASSERT_EQUAL(sl_buffer_append(&b, SL_BYTES_LITERAL("x")), SL_OK);
    sl_buffer_deinit(&b);
    CU_ASSERT_EQUAL(sl_buffer_append(&b, (struct sl_bytes){NULL, 0}), SL_OK);
    CU_ASSERT_EQUAL(sl_buffer_append(&b, SL_BYTES_LITERAL("y")), SL_OK);
    CU_ASSERT_TRUE(sl_bytes_are(sl_buffer_bytes(&b), "y"));
    sl_buffer_deinit(&b);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_buffer_never_holds_more_than_its_maximum),
                                  UNIT(what_is_consumed_leaves_and_the_rest_stays_in_order),
                                  UNIT(reserved_room_counts_only_when_grown),
                                  UNIT(a_released_buffer_is_an_empty_one), CU_TEST_INFO_NULL};
    return unit_run("core/base/buffer", tests);
}
