/*
 * counters.h - what a worker counts; written by it alone, read by anyone.
 *
 * No lock and no shared cache line: the reader sums over workers.  Counters only grow.
 */
#ifndef SLUICE_CORE_COUNTERS_H
#define SLUICE_CORE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTED_REASONS 4u /* of enum discard_reason */

#define COUNTED_VERDICTS 2u /* of enum verdict */

struct worker_counters {
    _Alignas(64) _Atomic uint64_t published; /* messages that a session handed to the broker */
    _Atomic uint64_t unroutable;             /* of these: reached no queue */
    _Atomic uint64_t refused;                /* copies that a full queue did not take */
    _Atomic uint64_t confirmed;
    _Atomic uint64_t delivered; /* encoded for a consumer or a get */
    _Atomic uint64_t settled;
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t connections_opened;
    _Atomic uint64_t connections_closed;
    _Atomic uint64_t dead_lettered[COUNTED_REASONS]; /* went to a dead-letter exchange */
    _Atomic uint64_t dropped[COUNTED_REASONS];       /* left a queue unconsumed, and went nowhere */
    _Atomic uint64_t duplicates; /* copies that a queue did not take: it had their ids */
    _Atomic uint64_t prepared;   /* messages that wait, or waited, for an outcome */
    _Atomic uint64_t outcomes[COUNTED_VERDICTS];
    _Atomic uint64_t checks_sent; /* for prepared messages without an outcome */
    _Atomic uint64_t went_round;  /* copies not sent, as they would have gone round for ever */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed); /* single writer */
}

#endif
