/*
 * slot_table.h - numbered places for pointers, where a used-up number is never believed again.
 *
 * A slot's generation grows each time the slot is given up; 0 is never a generation.  So a
 * reference (slot, generation) may be kept by anyone and resolves to NULL once its object is
 * gone, even when the slot has a new tenant.
 *
 * Thread: the owner's.  A zeroed struct is an empty table.
 */
#ifndef SLUICE_CORE_BASE_SLOT_TABLE_H
#define SLUICE_CORE_BASE_SLOT_TABLE_H

#include "core/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct slot {
    void *object;        /* NULL: free */
    uint32_t generation; /* of the tenant, or of the next one */
    uint32_t next_free;  /* slot + 1, 0 ends the list */
};

struct slot_table {
    struct slot *slots;
    uint32_t count; /* slots in use */
    uint32_t room;
    uint32_t first_free; /* slot + 1 */
};

struct slot_ref {
    uint32_t slot;
    uint32_t generation;
};

void slot_table_deinit(struct slot_table *t); /* releases the table, not the objects */

/* Gives object a place.  SL_ENOMEM: no memory for a larger table. */
SL_MUST_CHECK enum sl_err slot_table_put(struct slot_table *t, void *object, struct slot_ref *ref);

/* Frees the place; the reference is stale from now on. */
void slot_table_remove(struct slot_table *t, struct slot_ref ref);

static inline void *slot_table_get(const struct slot_table *t, struct slot_ref ref)
{
    if (ref.slot >= t->room || t->slots[ref.slot].generation != ref.generation)
        return NULL;
    return t->slots[ref.slot].object;
}

/* Walks the tenants: start with *cursor = 0; NULL at the end. */
void *slot_table_next(const struct slot_table *t, uint32_t *cursor);

#endif
