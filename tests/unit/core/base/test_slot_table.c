#include "core/base/slot_table.h"

#include "tests/support/unit.h"

static void a_made_up_reference_resolves_to_nothing(void)
{
    struct slot_table t = {0};
    struct slot_ref ref;
    int object;

    CU_ASSERT_PTR_NULL(slot_table_get(&t, (struct slot_ref){0, 0}));
    CU_ASSERT_EQUAL(slot_table_put(&t, &object, &ref), SL_OK);
    CU_ASSERT_NOT_EQUAL(ref.generation, 0);
    CU_ASSERT_PTR_NULL(slot_table_get(&t, (struct slot_ref){ref.slot, 0}));
    CU_ASSERT_PTR_NULL(slot_table_get(&t, (struct slot_ref){ref.slot, ref.generation + 1}));
    CU_ASSERT_PTR_NULL(slot_table_get(&t, (struct slot_ref){UINT32_MAX, 1}));
    slot_table_deinit(&t);
}

static void an_old_reference_never_meets_the_new_tenant(void)
{
    struct slot_table t = {0};
    struct slot_ref old;
    struct slot_ref now;
    int first;
    int second;

    CU_ASSERT_EQUAL(slot_table_put(&t, &first, &old), SL_OK);
    slot_table_remove(&t, old);
    CU_ASSERT_PTR_NULL(slot_table_get(&t, old));
    CU_ASSERT_EQUAL(slot_table_put(&t, &second, &now), SL_OK);
    CU_ASSERT_EQUAL(now.slot, old.slot); /* the place is used again */
    CU_ASSERT_PTR_NULL(slot_table_get(&t, old));
    CU_ASSERT_PTR_EQUAL(slot_table_get(&t, now), &second);
    slot_table_deinit(&t);
}

static void a_generation_that_wraps_leaves_out_zero(void)
{
    struct slot_table t = {0};
    struct slot_ref ref;
    int object;

    CU_ASSERT_EQUAL(slot_table_put(&t, &object, &ref), SL_OK);
    t.slots[ref.slot].generation = UINT32_MAX;
    slot_table_remove(&t, (struct slot_ref){ref.slot, UINT32_MAX});
    CU_ASSERT_EQUAL(t.slots[ref.slot].generation, 1);
    slot_table_deinit(&t);
}

static void references_survive_growth(void)
{
    enum { N = 1000 };
    struct slot_table t = {0};
    struct slot_ref refs[N];
    int objects[N];
    uint32_t cursor = 0;
    uint32_t met = 0;

    for (int i = 0; i < N; i++)
        CU_ASSERT_EQUAL(slot_table_put(&t, &objects[i], &refs[i]), SL_OK);
    for (int i = 0; i < N; i++)
        CU_ASSERT_PTR_EQUAL(slot_table_get(&t, refs[i]), &objects[i]);
    for (int i = 0; i < N; i += 3)
        slot_table_remove(&t, refs[i]);
    while (slot_table_next(&t, &cursor) != NULL)
        met++;
    CU_ASSERT_EQUAL(met, t.count);
    CU_ASSERT_EQUAL(met, N - (N + 2) / 3);
    slot_table_deinit(&t);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_made_up_reference_resolves_to_nothing),
                                  UNIT(an_old_reference_never_meets_the_new_tenant),
                                  UNIT(a_generation_that_wraps_leaves_out_zero),
                                  UNIT(references_survive_growth), CU_TEST_INFO_NULL};
    return unit_run("core/base/slot_table", tests);
}
