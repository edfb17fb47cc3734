#include "core/blocks.h"

#include "tests/support/unit.h"

#include <pthread.h>
#include <string.h>

#define MANY 20000u

static void what_is_given_back_is_taken_again_where_blocks_are_kept(void)
{
    void *first = block_take(100);

    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    block_give(first, 100);
    void *again = block_take(120); /* of the same size, as sizes go */
    CU_ASSERT_TRUE(!BLOCKS_ARE_KEPT || again == first);
    block_give(again, 120);
}

static void every_size_has_room_for_what_was_asked_for(void)
{
    for (size_t bytes = 1; bytes <= BLOCK_KEPT_MAX + 40; bytes++) {
        CU_ASSERT_TRUE(block_size(block_size_index(bytes)) >= bytes);
        uint8_t *at = block_take(bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        memset(at, 0xFF, bytes);
        block_give(at, bytes);
        at = block_take(bytes);
        memset(at, 0xFF, bytes);
        block_give(at, bytes);
    }
}

static void a_thread_keeps_no_more_than_its_bound(void)
{
    static void *held[MANY];

    for (uint32_t i = 0; i < MANY; i++)
        held[i] = block_take(i % BLOCK_KEPT_MAX);
    for (uint32_t i = 0; i < MANY; i++)
        block_give(held[i], i % BLOCK_KEPT_MAX);
    CU_ASSERT_TRUE(blocks.bytes <= BLOCKS_KEPT_BYTES);
    CU_ASSERT_TRUE(!BLOCKS_ARE_KEPT || blocks.bytes > BLOCKS_KEPT_BYTES / 2);
}

static void nothing_large_is_kept(void)
{
    blocks_trim();
    block_give(block_take(BLOCK_KEPT_MAX + 1), BLOCK_KEPT_MAX + 1);
    CU_ASSERT_EQUAL(blocks.bytes, 0);
}

static void after_trimming_nothing_is_kept(void)
{
    block_give(block_take(64), 64);
    blocks_trim();
    CU_ASSERT_EQUAL(blocks.bytes, 0);
    for (uint32_t i = 0; i < BLOCKS_SIZES; i++)
        CU_ASSERT_PTR_NULL(blocks.kept[i]);
}

static void growing_keeps_what_is_in_it(void)
{
    static const size_t SIZES[] = {10, 50, 500, BLOCK_KEPT_MAX, BLOCK_KEPT_MAX + 1, 100000};
    uint8_t *at = block_take(SIZES[0]);

    memset(at, 1, SIZES[0]);
    for (size_t i = 1; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        at = block_grow(at, SIZES[i - 1], SIZES[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        for (size_t k = 0; k < SIZES[i - 1]; k++)
            CU_ASSERT_EQUAL_FATAL(at[k], 1);
        memset(at, 1, SIZES[i]);
    }
    block_give(at, SIZES[5]);
}

static void *give_in_another_thread(void *block)
{
    block_give(block, 200);
    bool is_kept_here = blocks.bytes == block_size(block_size_index(200));
    blocks_trim();
    return is_kept_here ? block : NULL;
}

static void a_block_stays_with_the_thread_that_gave_it_back(void)
{
    pthread_t thread;
    void *kept;

    blocks_trim();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, give_in_another_thread, block_take(200)),
                          0);
    CU_ASSERT_EQUAL(pthread_join(thread, &kept), 0);
    CU_ASSERT_TRUE(!BLOCKS_ARE_KEPT || kept != NULL);
    CU_ASSERT_EQUAL(blocks.bytes, 0);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_given_back_is_taken_again_where_blocks_are_kept),
        UNIT(every_size_has_room_for_what_was_asked_for),
        UNIT(a_thread_keeps_no_more_than_its_bound),
        UNIT(nothing_large_is_kept),
        UNIT(after_trimming_nothing_is_kept),
        UNIT(growing_keeps_what_is_in_it),
        UNIT(a_block_stays_with_the_thread_that_gave_it_back),
        CU_TEST_INFO_NULL,
    };
    atexit(blocks_trim);
    return unit_run("core/blocks", tests);
}
