#include "core/base/crc32c.h"

#include "tests/support/unit.h"

#include <string.h>

#define LEN_MAX 40000u

static uint8_t bytes[LEN_MAX + 8];

static void fill(void)
{
    uint32_t x = 12345;

    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

static void one_flipped_bit_anywhere_changes_the_sum(void)
{
    fill();
    uint32_t sum = crc32c(0, bytes, 100);
    for (size_t bit = 0; bit < 800; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT_NOT_EQUAL(crc32c(0, bytes, 100), sum);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void the_known_sums_come_out(void) /* RFC 3720, B.4, and the usual check value */
{
    uint8_t block[32];

    CU_ASSERT_EQUAL(crc32c(0, "123456789", 9), 0xe3069283u);
    memset(block, 0, sizeof block);
    CU_ASSERT_EQUAL(crc32c(0, block, sizeof block), 0x8a9136aau);
    memset(block, 0xff, sizeof block);
    CU_ASSERT_EQUAL(crc32c(0, block, sizeof block), 0x62a8ab43u);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)i;
    CU_ASSERT_EQUAL(crc32c(0, block, sizeof block), 0x46dd794eu);
    CU_ASSERT_EQUAL(crc32c(0, NULL, 0), 0);
}

static void instruction_and_tables_agree_at_every_length_and_alignment(void)
{
    fill();
    for (size_t n = 0; n < 2000; n++)
        CU_ASSERT_EQUAL(crc32c(7, bytes + n % 8, n), crc32c_by_tables(7, bytes + n % 8, n));
    for (size_t n = 12200; n < LEN_MAX; n += 977)
        CU_ASSERT_EQUAL(crc32c(7, bytes + n % 8, n), crc32c_by_tables(7, bytes + n % 8, n));
}

static void a_sum_in_parts_is_the_sum_of_the_whole(void)
{
    fill();
    uint32_t whole = crc32c(0, bytes, 20000);
    for (size_t cut = 0; cut <= 20000; cut += 1237)
        CU_ASSERT_EQUAL(crc32c(crc32c(0, bytes, cut), bytes + cut, 20000 - cut), whole);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(one_flipped_bit_anywhere_changes_the_sum),
        UNIT(the_known_sums_come_out),
        UNIT(instruction_and_tables_agree_at_every_length_and_alignment),
        UNIT(a_sum_in_parts_is_the_sum_of_the_whole),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/base/crc32c", tests);
}
