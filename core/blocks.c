#include "core/blocks.h"

#include "core/base/assert.h"

#include <string.h>

#define FILL 0xD7

_Thread_local struct blocks blocks;

void *block_grow(void *at, size_t before, size_t bytes)
{
    if (!BLOCKS_ARE_KEPT || before > BLOCK_KEPT_MAX)
        return realloc(at, bytes);
    void *larger = block_take(bytes);
    if (larger == NULL)
        return NULL;
    memcpy(larger, at, before);
    block_give(at, before);
    return larger;
}

void blocks_trim(void)
{
    for (size_t i = 0; i < BLOCKS_SIZES; i++)
        while (blocks.kept[i] != NULL) {
            struct block *next = blocks.kept[i]->next;
            free(blocks.kept[i]);
            blocks.kept[i] = next;
        }
    blocks.bytes = 0;
}

void block_fill(void *at, size_t size)
{
    memset(at, FILL, size);
}

void block_check_fill(const struct block *b, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)b;

    for (size_t i = sizeof *b; i < size; i++)
        SL_ASSERT(bytes[i] == FILL);
}
