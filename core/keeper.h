/*
 * keeper.h - housekeeping of the log: checkpoints, and which segments may go.
 *
 *   keeper_step --marker, at one place of the order--> every shard
 *   shards      --their parts (snapshot.h)-----------> keeper
 *   keeper_step: waits until the log is durable as far as the parts rely on it, writes the
 *                checkpoint, renames it in, releases segments in which nothing is live, and asks
 *                shards to move the survivors of mostly dead ones (evacuation.h)
 *
 * Thread: keeper_step and keeper_end the housekeeping thread (tests call them by hand);
 * keeper_hurry, keeper_is_busy and keeper_status any.
 */
#ifndef SLUICE_CORE_KEEPER_H
#define SLUICE_CORE_KEEPER_H

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/store/commit_log.h"

struct broker;
struct keeper;

struct keeper_options {
    struct sl_file_ops files;
    uint64_t checkpoint_bytes;    /* of log between checkpoints; 0: a segment */
    uint64_t interval_ms;         /* and at least this long between them; 0: none */
    const struct sl_clock *clock; /* borrowed; NULL: what a checkpoint holds up is not measured */
};

struct keeper_status { /* any thread */
    uint64_t checkpoints;
    uint64_t last_checkpoint_ms; /* how long the last one took */
    uint64_t live_bytes;         /* as of the last one: records once, and 64 bytes an entry */
    uint64_t log_bytes;
    uint64_t released; /* segments */
    uint64_t moved;    /* records */
};

/* Borrows the broker and its log, after broker_recovery_end.  NULL: no memory. */
struct keeper *keeper_new(struct broker *b, struct commit_log *log,
                          const struct keeper_options *options);
void keeper_free(struct keeper *k);

/* Does what there is to do, in short steps; call it every few milliseconds.  SL_EFULL: no room for
 * a checkpoint, it is tried again; SL_EIO: the disk failed, and the log should be given up. */
SL_MUST_CHECK enum sl_err keeper_step(struct keeper *k, uint64_t now_ms);
/* The next step begins a checkpoint whatever the log has grown by. */
void keeper_hurry(struct keeper *k);
/* The same for the last one, behind which as little as possible is to be read again: nothing is
 * moved any more. */
void keeper_end(struct keeper *k);
bool keeper_is_busy(const struct keeper *k); /* a checkpoint or an evacuation is under way */
struct keeper_status keeper_status(const struct keeper *k);

#endif
