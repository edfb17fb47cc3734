/*
 * arena.h - scratch memory with one lifetime: until the next reset.
 *
 * For what lives for exactly one frame.  Nothing in it is freed one by one.
 *
 * Thread: the owner's.
 */
#ifndef SLUICE_CORE_BASE_ARENA_H
#define SLUICE_CORE_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
};

void arena_init(struct arena *a);
void arena_deinit(struct arena *a);

/* Forgets everything, keeps one block. */
void arena_reset(struct arena *a);

/* Lends n bytes, aligned for any type, until the next reset.  NULL when memory is out. */
void *arena_take(struct arena *a, size_t n);

#endif
