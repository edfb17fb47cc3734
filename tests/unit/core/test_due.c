#include "core/due.h"

#include "core/base/assert.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static void nothing_is_due_in_an_empty_heap(void)
{
    struct due_heap h = {0};
    struct due d = {0};

    CU_ASSERT_EQUAL(due_next(&h), DUE_NEVER);
    CU_ASSERT_PTR_NULL(due_take(&h, UINT64_MAX));
    due_remove(&h, &d);
    due_heap_deinit(&h);
}

static void a_later_time_changes_nothing_and_an_earlier_one_counts(void)
{
    struct due_heap h = {0};
    struct due d = {0};

    due_by(&h, &d, 50);
    due_by(&h, &d, 70);
    CU_ASSERT_EQUAL(due_next(&h), 50);
    due_by(&h, &d, 20);
    CU_ASSERT_EQUAL(due_next(&h), 20);
    CU_ASSERT_PTR_NULL(due_take(&h, 19));
    CU_ASSERT_PTR_EQUAL(due_take(&h, 20), &d);
    CU_ASSERT_EQUAL(d.place, 0);
    CU_ASSERT_EQUAL(due_next(&h), DUE_NEVER);
    due_heap_deinit(&h);
}

static void all_come_out_in_their_order_whatever_leaves_in_between(void)
{
    enum { N = 1000 };
    static struct due dues[N];
    struct due_heap h = {0};
    struct due *d;
    uint64_t last = 0;
    size_t count = 0;

    srand(7);
    for (int i = 0; i < N; i++)
        due_by(&h, &dues[i], 1 + (uint64_t)rand() % 300);
    for (int i = 0; i < N; i += 3)
        due_remove(&h, &dues[i]);
    for (int i = 1; i < N; i += 3)
        due_by(&h, &dues[i], 1 + (uint64_t)rand() % 300);
    while ((d = due_take(&h, UINT64_MAX - 1)) != NULL) {
        CU_ASSERT_TRUE(d->at >= last);
        last = d->at;
        count++;
    }
    CU_ASSERT_EQUAL(count, N - (N + 2) / 3);
    due_heap_deinit(&h);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(nothing_is_due_in_an_empty_heap),
        UNIT(a_later_time_changes_nothing_and_an_earlier_one_counts),
        UNIT(all_come_out_in_their_order_whatever_leaves_in_between),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/due", tests);
}
