/*
 * ids.h - numbers that must not be mixed are different types.
 */
#ifndef SLUICE_CORE_BASE_IDS_H
#define SLUICE_CORE_BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t v;
} sl_seq; /* order: one more for every publish of this node, forever */

typedef struct {
    uint64_t v;
} sl_lsn; /* place: byte position in the log */

typedef struct {
    uint64_t v;
} sl_tag; /* loan: what one channel calls one delivery */

static inline bool sl_lsn_reached(sl_lsn durable, sl_lsn wanted)
{
    return durable.v >= wanted.v;
}

/* A weak reference that is safe to send to another thread: the slot may be reused, the
 * generation is not, so a stale handle resolves to nothing instead of to a stranger. */
struct sl_handle {
    uint32_t slot;
    uint32_t generation; /* 0: no one */
    uint32_t worker;
};

static inline bool sl_handle_equal(struct sl_handle a, struct sl_handle b)
{
    return a.slot == b.slot && a.generation == b.generation && a.worker == b.worker;
}

#endif
