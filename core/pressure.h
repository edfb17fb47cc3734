/*
 * pressure.h - what publishers are held for, seen by all workers alike (SEMANTICS 10).
 *
 * Memory has two marks, so that one freed message does not flip all publishers on and off.  When it
 * comes back everybody gets a turn: a worker that looks late, after others have filled what was
 * free, still lets its publishers go once.  The disk's floor is told by who watches it.
 *
 * Thread: any; `openings` is the caller's own.
 */
#ifndef SLUICE_CORE_PRESSURE_H
#define SLUICE_CORE_PRESSURE_H

#include "core/store/commit_log.h"

enum held_by {
    HELD_BY_MEMORY = 1,
    HELD_BY_DISK = 2, /* no room, or below the floor */
    HELD_BY_LOG = 4,  /* the disk is slower than publishers, for a moment: nobody is told */
    HELD_BY_ALARM = HELD_BY_MEMORY | HELD_BY_DISK,
};

struct pressure {
    uint64_t budget_bytes; /* of memory */
    atomic_bool is_memory_short;
    _Atomic uint64_t openings; /* how often it came back */
    atomic_bool is_disk_low;
};

/* What publishers of a worker that saw so many openings are held for now.  log: NULL where
 * nothing is kept. */
uint8_t pressure_look(struct pressure *p, const struct commit_log *log, uint64_t *openings);
/* The same without taking a turn: for who only wants to know. */
uint8_t pressure_now(const struct pressure *p, const struct commit_log *log);
/* "low on memory", "low on disk", "low on memory & disk", or "" when nobody is to be told. */
const char *pressure_reason(uint8_t held_by);

#endif
