#include "core/base/crc32c.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are loaded as they lie");

typedef uint32_t crc_function(uint32_t crc, const void *at, size_t n);

static crc_function choose;
static void build_tables(void);
static uint32_t byte_step(uint32_t reg, uint8_t byte);

static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
static uint32_t tables[8][256]; /* [k][b]: byte b followed by k zero bytes */
static crc_function *_Atomic chosen = choose;

#if defined(__x86_64__)

/* The instruction takes three cycles and one can start every cycle, so three neighbouring
 * blocks are summed at once and joined: shifting a sum over the length of a block is linear,
 * hence four table look-ups.  Two block lengths, for long and for short bodies. */
#define BLOCK_LONG 4096u
#define BLOCK_SHORT 256u

struct shift {
    uint32_t by_byte[4][256];
};

static crc_function by_instruction;
static void build_shift(struct shift *shift, size_t zeros);
static uint32_t apply_shift(const struct shift *shift, uint32_t reg);

static struct shift shift_long;
static struct shift shift_short;

#endif

uint32_t crc32c(uint32_t crc, const void *at, size_t n)
{
    return atomic_load_explicit(&chosen, memory_order_acquire)(crc, at, n);
}

uint32_t crc32c_by_tables(uint32_t crc, const void *at, size_t n)
{
    const uint8_t *p = at;
    uint32_t reg = ~crc;

    pthread_once(&tables_once, build_tables);
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word ^= reg;
        reg = 0;
        for (unsigned i = 0; i < 8; i++)
            reg ^= tables[7 - i][word >> 8 * i & 0xff];
    }
    for (; n != 0; p++, n--)
        reg = byte_step(reg, *p);
    return ~reg;
}

/* Stands in for the function until the first call. */
static uint32_t choose(uint32_t crc, const void *at, size_t n)
{
    crc_function *best = crc32c_by_tables;

    pthread_once(&tables_once, build_tables);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        best = by_instruction;
#endif
    atomic_store_explicit(&chosen, best, memory_order_release);
    return best(crc, at, n);
}

static void build_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t reg = b;
        for (unsigned bit = 0; bit < 8; bit++)
            reg = (reg & 1) != 0 ? reg >> 1 ^ POLYNOMIAL : reg >> 1;
        tables[0][b] = reg;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (unsigned k = 1; k < 8; k++)
            tables[k][b] = byte_step(tables[k - 1][b], 0);
#if defined(__x86_64__)
    build_shift(&shift_long, BLOCK_LONG);
    build_shift(&shift_short, BLOCK_SHORT);
#endif
}

static uint32_t byte_step(uint32_t reg, uint8_t byte)
{
    return tables[0][(reg ^ byte) & 0xff] ^ reg >> 8;
}

#if defined(__x86_64__)

static void build_shift(struct shift *shift, size_t zeros)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t reg = 1u << bit;
        for (size_t i = 0; i < zeros; i++)
            reg = byte_step(reg, 0);
        /* What the bit becomes, added to every byte value that has the bit. */
        for (uint32_t b = 0; b < 256; b++)
            if ((b >> bit % 8 & 1) != 0)
                shift->by_byte[bit / 8][b] ^= reg;
    }
}

static uint32_t apply_shift(const struct shift *shift, uint32_t reg)
{
    return shift->by_byte[0][reg & 0xff] ^ shift->by_byte[1][reg >> 8 & 0xff] ^
           shift->by_byte[2][reg >> 16 & 0xff] ^ shift->by_byte[3][reg >> 24];
}

static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) static inline uint64_t
three_blocks(uint64_t reg, const uint8_t *p, size_t block, const struct shift *shift)
{
    uint64_t second = 0;
    uint64_t third = 0;

    for (size_t i = 0; i < block; i += 8) {
        reg = __builtin_ia32_crc32di(reg, load_word(p + i));
        second = __builtin_ia32_crc32di(second, load_word(p + block + i));
        third = __builtin_ia32_crc32di(third, load_word(p + 2 * block + i));
    }
    reg = apply_shift(shift, (uint32_t)reg) ^ second;
    return apply_shift(shift, (uint32_t)reg) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *at,
                                                                 size_t n)
{
    const uint8_t *p = at;
    uint64_t reg = (uint32_t)~crc;

    for (; n >= 3 * BLOCK_LONG; p += 3 * BLOCK_LONG, n -= 3 * BLOCK_LONG)
        reg = three_blocks(reg, p, BLOCK_LONG, &shift_long);
    for (; n >= 3 * BLOCK_SHORT; p += 3 * BLOCK_SHORT, n -= 3 * BLOCK_SHORT)
        reg = three_blocks(reg, p, BLOCK_SHORT, &shift_short);
    for (; n >= 8; p += 8, n -= 8)
        reg = __builtin_ia32_crc32di(reg, load_word(p));
    for (; n != 0; p++, n--)
        reg = __builtin_ia32_crc32qi((uint32_t)reg, *p);
    return ~(uint32_t)reg;
}

#endif
