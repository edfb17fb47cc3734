/*
 * world.h - the real core and the real log, on a disk and a clock that the simulation owns.
 *
 * Workers are stepped by hand, the log is flushed by hand, and so are who fetches what was paged
 * out and who keeps the log short; nothing here has a thread.  A life ends
 * by a crash (the power goes: what was not synced is lost, torn, reordered), by a kill (the process
 * goes, the page cache stays) or by a stop as the server does it.
 */
#ifndef SLUICE_TESTS_SIM_WORLD_H
#define SLUICE_TESTS_SIM_WORLD_H

#include "core/broker.h"
#include "core/keeper.h"
#include "core/queue.h"
#include "tests/support/file_faulty.h"

#define WORLD_WORKERS_MAX 3u

struct world {
    struct faulty_disk *disk;
    struct commit_log *log;
    struct broker *broker; /* NULL: nothing runs */
    struct keeper *keeper; /* with the broker */
    uint32_t workers;
    uint64_t segment_bytes;
    uint64_t budget_bytes;     /* of memory; world_init gives very much */
    uint64_t checkpoint_bytes; /* between checkpoints; 0: a segment */
    struct sl_clock clock;
    uint64_t now_ms;
    uint64_t wall_ms;    /* may go back */
    uint64_t flushed_at; /* by the time of the order: what is not flushed yet is not older */
    bool is_woken[WORLD_WORKERS_MAX];
    bool failed;                   /* the log ended: the process is to stop */
    void (*look)(bool is_looking); /* told around looking into queues; or NULL */
    struct log_findings findings;
    struct keeper_status kept; /* by all keepers so far: what they counted */
    uint64_t fetches;
};

void world_init(struct world *w, uint32_t workers, uint64_t segment_bytes);
void world_deinit(struct world *w); /* nothing runs */

/* Opens the log and recovers.  On an error nothing runs. */
SL_MUST_CHECK enum sl_err world_start(struct world *w);
/* The process ends where it stands; the disk keeps what the system has.  Sessions are closed. */
void world_kill(struct world *w);
/* The power goes.  Also when nothing runs. */
void world_crash(struct world *w, uint64_t seed);
/* The process ends in order, behind broker_on_stopped. */
void world_end(struct world *w);

uint64_t world_time(struct world *w); /* of the order */
void world_flush(struct world *w);
void world_prepare(struct world *w);
bool world_fetch(struct world *w); /* false: nothing was to be read */
void world_keep(struct world *w);
/* What could not be read is tried again at some later time; is anything waiting for that? */
bool world_is_retrying(struct world *w);

/* Calls found for each entry of that queue that is ready, in order, and then for each that is
 * out, wherever it is: what was paged out is read from the disk, with its faults out of the way,
 * and stays as it is.  False: there is no such queue. */
struct world_entry {
    struct entry entry; /* its message is NULL while its place is not durable: it moved */
    bool is_out;
};
bool world_read_queue(struct world *w, const char *name,
                      void (*found)(void *context, const struct world_entry *entry), void *context);
/* The same of one that no name finds. */
void world_read_entries(struct world *w, const struct topology_queue *def,
                        void (*found)(void *context, const struct world_entry *entry),
                        void *context);
/* Asserts the invariants of all queues and of the topology. */
void world_check(struct world *w);

struct vhost *world_vhost(struct world *w);
/* NULL: none.  What they lend stays until the next step. */
const struct topology_queue *world_queue(struct world *w, const char *name);
const struct exchange *world_exchange(struct world *w, const char *name);

#endif
