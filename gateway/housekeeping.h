/*
 * housekeeping.h - the thread that keeps the log in order: the next segment is prepared, checkpoints
 * are written and segments released (core/keeper.h), the free room of the disk is watched.
 *
 * Nobody waits for it but when it has fallen behind.  What the disk refuses for want of room is
 * said once and tried again; a disk that fails ends the process as in log_thread.h.
 *
 * Thread: main, but for the thread itself.
 */
#ifndef SLUICE_GATEWAY_HOUSEKEEPING_H
#define SLUICE_GATEWAY_HOUSEKEEPING_H

#include "core/keeper.h"
#include "gateway/disk_watch.h"
#include "gateway/log_thread.h"

struct housekeeping {
    struct log_thread *log; /* borrowed */
    struct keeper *keeper;
    struct disk_watch disk;
    uint64_t prepare_ms; /* not before */
    bool log_is_full;    /* and it was said */
    uint64_t hurry_ms;   /* no checkpoint for want of room before */
    sl_lsn hurried_at;   /* the end of the log when the last one was wanted */
    pthread_t thread;
    atomic_bool stop;
    bool is_started;
};

/* The log is open.  Looks at the disk, so that no publish comes before it is known.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err housekeeping_init(struct housekeeping *h, struct log_thread *log,
                                            uint64_t disk_free_limit);
SL_MUST_CHECK enum sl_err housekeeping_start(struct housekeeping *h);
/* The workers' threads have ended, the log's has not.  Ends the thread, and writes a last checkpoint
 * so that the next start is short; settle lets shards hear and answer, and says whether they did.
 * It is given up when the disk is too slow or full: it only costs time at the next start. */
void housekeeping_end(struct housekeeping *h, bool (*settle)(void *context), void *context);
void housekeeping_deinit(struct housekeeping *h);                       /* also of a zeroed one */
struct keeper_status housekeeping_status(const struct housekeeping *h); /* any thread */

#endif
