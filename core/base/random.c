#include "core/base/random.h"

#include "core/base/assert.h"

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>

static void fill(uint8_t *at, size_t n);

uint64_t sl_random_u64(void)
{
    uint64_t value;

    fill((uint8_t *)&value, sizeof value);
    return value;
}

void sl_random_name(char name[SL_RANDOM_NAME_CHARS + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[17] = {0}; /* 128 bits, and a zero byte that the last letter reads into */

    fill(bytes, 16);
    for (unsigned i = 0; i < SL_RANDOM_NAME_CHARS; i++) {
        unsigned bit = i * 6;
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        name[i] = letters[pair >> (10 - bit % 8) & 63];
    }
    name[SL_RANDOM_NAME_CHARS] = '\0';
}

/* Requests up to 256 bytes are not cut short, but the first one after boot may wait and be
 * interrupted. */
static void fill(uint8_t *at, size_t n)
{
    ssize_t got;

    do
        got = getrandom(at, n, 0);
    while (got < 0 && errno == EINTR);
    SL_ASSERT(got == (ssize_t)n);
}
