/*
 * due.h - who is to be looked at when: a heap by time, of members of other structs.
 *
 * Thread: the owner's.
 */
#ifndef SLUICE_CORE_DUE_H
#define SLUICE_CORE_DUE_H

#include <stdint.h>

#define DUE_NEVER UINT64_MAX

struct due { /* zeroed: not in the heap */
    uint64_t at;
    uint64_t order; /* set before: of those with one time, the least is the first */
    uint32_t place; /* index in the heap, and 1 */
};

struct due_heap { /* zeroed is empty */
    struct due **at;
    uint32_t count;
    uint32_t room;
};

void due_heap_deinit(struct due_heap *h); /* must be empty */

/* Not later than at, in ms: one that is due earlier stays so. */
void due_by(struct due_heap *h, struct due *d, uint64_t at);
void due_remove(struct due_heap *h, struct due *d); /* nothing to do when it is not there */
/* Takes the first of those that are due; NULL: none is. */
struct due *due_take(struct due_heap *h, uint64_t now);

static inline uint64_t due_next(const struct due_heap *h)
{
    return h->count == 0 ? DUE_NEVER : h->at[0]->at;
}

#endif
