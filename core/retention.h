/*
 * retention.h - which segments of the log nobody needs, and which are worth emptying.
 *
 * A segment wholly below a checkpoint in which no shard has anything live may go: what is new goes
 * to the end of the log, so nothing comes to life in it again.  Where the log is more than twice
 * what is live and a segment, those of which the least is left are to be evacuated, until it would
 * not be.
 *
 * Thread: the keeper's.
 */
#ifndef SLUICE_CORE_RETENTION_H
#define SLUICE_CORE_RETENTION_H

#include "core/snapshot.h"
#include "core/store/commit_log.h"

struct retention_victim {
    struct log_segment segment;
    uint64_t live; /* bytes of its records */
};

struct retention { /* zeroed is empty */
    uint64_t live_bytes;
    uint64_t *dead; /* bases of segments that may go */
    size_t dead_count;
    struct retention_victim *victims; /* to be evacuated, in this order */
    size_t victims_count;
    bool was_evacuated; /* something was moved since: another checkpoint frees more */
};

void retention_deinit(struct retention *r);

/* Begins anew from a complete snapshot of the place from, whose checkpoint is durable. */
void retention_add_up(struct retention *r, const struct snapshot *s, struct commit_log *log,
                      sl_lsn from);
/* SL_EIO. */
SL_MUST_CHECK enum sl_err retention_release(struct retention *r, struct commit_log *log,
                                            uint64_t *released);

#endif
