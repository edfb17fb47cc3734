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

#include "gateway/disk_watch.h"
#include "gateway/log_thread.h"

struct housekeeping {
    struct log_thread *log; /* borrowed */
    struct disk_watch disk;
    pthread_t thread;
    atomic_bool stop;
    bool is_started;
};

/* The log is open.  Looks at the disk, so that no publish comes before it is known. */
void housekeeping_init(struct housekeeping *h, struct log_thread *log, uint64_t disk_free_limit);
SL_MUST_CHECK enum sl_err housekeeping_start(struct housekeeping *h);
/* Ends the thread.  Idempotent, also of a zeroed one. */
void housekeeping_stop(struct housekeeping *h);

#endif
