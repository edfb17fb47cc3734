#include "gateway/machine.h"

#include "tests/support/unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024l * 1024)
#define BLOCKS 40000

static long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void what_was_in_use_at_one_trim_goes_with_a_later_one(void)
{
    static void *blocks[BLOCKS];

    if (mallinfo2().arena == 0) /* a sanitizer's allocator is not the C library's */
        return;
    machine_tune_allocator(1);
    machine_trim_allocator(0);
    long before = resident();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(1000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
        memset(blocks[i], i, 1000);
    }
    machine_trim_allocator(0);
    for (int i = 0; i < BLOCKS - 1; i++) /* the last one holds the heap up */
        free(blocks[i]);
    CU_ASSERT_TRUE(resident() > before + 30 * MIB);
    machine_trim_allocator(0);
    CU_ASSERT_TRUE(resident() < before + 4 * MIB);
    free(blocks[BLOCKS - 1]);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_was_in_use_at_one_trim_goes_with_a_later_one),
        CU_TEST_INFO_NULL,
    };
    return unit_run("gateway/machine", tests);
}
