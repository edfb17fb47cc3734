/*
 * blocks.h - memory for messages, of which each thread keeps some for its next ones.
 *
 * Messages come and go by the hundred, and an allocator that is given hundreds of blocks at once
 * joins them only to split them again.  So a thread keeps what it was given, by size, up to
 * BLOCKS_KEPT_BYTES; larger blocks than BLOCK_KEPT_MAX are the allocator's alone.  A block may be
 * given back on another thread than the one that took it, and is kept there.
 *
 * With SLUICE_CHECKS what is kept is filled, and must still be so when it is taken again.  Under a
 * sanitizer nothing is kept: it finds more than that.
 *
 * Not counted here: who takes a block charges what it holds to memory.h.
 */
#ifndef SLUICE_CORE_BLOCKS_H
#define SLUICE_CORE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BLOCKS_ARE_KEPT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BLOCKS_ARE_KEPT 0
#endif
#endif
#ifndef BLOCKS_ARE_KEPT
#define BLOCKS_ARE_KEPT 1
#endif

#define BLOCKS_SIZES 64u
#define BLOCK_STEP 32u
#define BLOCK_REST 24u /* sizes are 24, 56, 88, ...: with the allocator's own 8, whole steps */
#define BLOCK_KEPT_MAX ((BLOCKS_SIZES - 1) * BLOCK_STEP + BLOCK_REST)
#define BLOCKS_KEPT_BYTES (512u * 1024)

struct block { /* one that is kept */
    struct block *next;
};

struct blocks { /* zeroed is empty */
    struct block *kept[BLOCKS_SIZES];
    size_t bytes; /* of all */
};

extern _Thread_local struct blocks blocks; /* use the functions */

/* NULL when there is no memory. */
static inline void *block_take(size_t bytes);
/* bytes: as it was taken. */
static inline void block_give(void *at, size_t bytes);
/* Moves what is in it to a larger one; NULL leaves it as it was. */
void *block_grow(void *at, size_t before, size_t bytes);
/* Releases what the calling thread keeps. */
void blocks_trim(void);

void block_fill(void *at, size_t size);                    /* checks only, as is the next: */
void block_check_fill(const struct block *b, size_t size); /* nobody wrote to it */

static inline size_t block_size_index(size_t bytes)
{
    return (bytes + (BLOCK_STEP - BLOCK_REST - 1)) / BLOCK_STEP;
}

static inline size_t block_size(size_t index)
{
    return index * BLOCK_STEP + BLOCK_REST;
}

static inline void *block_take(size_t bytes)
{
    if (!BLOCKS_ARE_KEPT || bytes > BLOCK_KEPT_MAX)
        return malloc(bytes);
    size_t index = block_size_index(bytes);
    struct block *b = blocks.kept[index];
    if (b == NULL)
        return malloc(block_size(index));
    blocks.kept[index] = b->next;
    blocks.bytes -= block_size(index);
#ifdef SLUICE_CHECKS
    block_check_fill(b, block_size(index));
#endif
    return b;
}

static inline void block_give(void *at, size_t bytes)
{
    size_t index = block_size_index(bytes);

    if (!BLOCKS_ARE_KEPT || bytes > BLOCK_KEPT_MAX ||
        blocks.bytes + block_size(index) > BLOCKS_KEPT_BYTES) {
        free(at);
        return;
    }
#ifdef SLUICE_CHECKS
    block_fill(at, block_size(index));
#endif
    struct block *b = at;
    b->next = blocks.kept[index];
    blocks.kept[index] = b;
    blocks.bytes += block_size(index);
}

#endif
