#include "core/base/arena.h"

#include "tests/support/unit.h"

#include <stdint.h>
#include <string.h>

static void an_impossible_size_is_refused(void)
{
    struct arena a;

    arena_init(&a);
    CU_ASSERT_PTR_NULL(arena_take(&a, SIZE_MAX));
    CU_ASSERT_PTR_NOT_NULL(arena_take(&a, 1)); /* and the arena goes on */
    arena_deinit(&a);
}

static void what_was_taken_stays_until_the_reset(void)
{
    struct arena a;
    unsigned char *taken[200];

    arena_init(&a);
    for (unsigned i = 0; i < 200; i++) {
        taken[i] = arena_take(&a, 1 + i * 7);
        CU_ASSERT_PTR_NOT_NULL_FATAL(taken[i]);
        CU_ASSERT_EQUAL((uintptr_t)taken[i] % _Alignof(max_align_t), 0);
        memset(taken[i], (int)i, 1 + i * 7);
    }
    for (unsigned i = 0; i < 200; i++)
        CU_ASSERT_EQUAL(taken[i][i * 7], i);
    arena_reset(&a);
    arena_deinit(&a);
}

static void a_large_take_does_not_end_the_block_in_use(void)
{
    struct arena a;

    arena_init(&a);
    char *small = arena_take(&a, 16);
    char *large = arena_take(&a, 1 << 20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(large);
    memset(large, 1, 1 << 20);
    CU_ASSERT_PTR_EQUAL(arena_take(&a, 16), small + 16);
    arena_deinit(&a);
}

static void a_reset_arena_uses_its_block_again(void)
{
    struct arena a;

    arena_init(&a);
    void *first = arena_take(&a, 100);
    CU_ASSERT_PTR_NOT_NULL(arena_take(&a, 100000));
    arena_reset(&a);
    CU_ASSERT_PTR_EQUAL(arena_take(&a, 100), first);
    arena_deinit(&a);
    CU_ASSERT_PTR_NULL(a.blocks);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(an_impossible_size_is_refused),
                                  UNIT(what_was_taken_stays_until_the_reset),
                                  UNIT(a_large_take_does_not_end_the_block_in_use),
                                  UNIT(a_reset_arena_uses_its_block_again), CU_TEST_INFO_NULL};
    return unit_run("core/base/arena", tests);
}
