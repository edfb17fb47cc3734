#include "core/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define BLOCK_BYTES 8160u /* with the head of the block and malloc's own, two pages */

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t room;
    alignas(max_align_t) unsigned char bytes[];
};

static size_t round_up(size_t n);
static struct arena_block *block_new(size_t room);
static void *take_from(struct arena_block *block, size_t n);

void arena_init(struct arena *a)
{
    a->blocks = NULL;
}

void arena_deinit(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
}

/* A block of a peer's size is not the one to keep. */
void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;

    while (a->blocks != NULL) {
        struct arena_block *next = a->blocks->next;
        if (kept == NULL && a->blocks->room == BLOCK_BYTES)
            kept = a->blocks;
        else
            free(a->blocks);
        a->blocks = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
    }
    a->blocks = kept;
}

void *arena_take(struct arena *a, size_t n)
{
    struct arena_block *first = a->blocks;

    if (n > SIZE_MAX / 2)
        return NULL;
    n = round_up(n);
    if (first != NULL && first->room - first->used >= n)
        return take_from(first, n);

    struct arena_block *block = block_new(n > BLOCK_BYTES ? n : BLOCK_BYTES);
    if (block == NULL)
        return NULL;
    /* A large one goes behind the first block, which may still have room. */
    if (first != NULL && n > BLOCK_BYTES) {
        block->next = first->next;
        first->next = block;
    } else {
        block->next = first;
        a->blocks = block;
    }
    return take_from(block, n);
}

/* Nothing takes something too, so that every take has an address of its own. */
static size_t round_up(size_t n)
{
    size_t unit = alignof(max_align_t);

    return n == 0 ? unit : (n + unit - 1) / unit * unit;
}

static struct arena_block *block_new(size_t room)
{
    struct arena_block *block = malloc(sizeof *block + room);

    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->used = 0;
    block->room = room;
    return block;
}

static void *take_from(struct arena_block *block, size_t n)
{
    void *at = block->bytes + block->used;

    block->used += n;
    return at;
}
