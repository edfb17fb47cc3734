/*
 * recovery.h - from the records of the log back to exchanges, queues and what is in them.
 *
 * The visitor begins with a checkpoint, if there is one, and is called for every good record behind
 * it, in order, before any worker runs.  It makes definitions through the topology that is in use
 * later, and keeps per queue what survives (survivors.h); the end puts that into the backlogs, in
 * order, with its counts.
 *
 * Thread: the one that starts the process.
 */
#ifndef SLUICE_CORE_RECOVERY_H
#define SLUICE_CORE_RECOVERY_H

#include "core/shard.h"
#include "core/store/commit_log.h"

struct recovery;

/* Borrows the topology and its shards.  Messages stay in memory while less than resident_bytes is
 * in use.  Aborts without memory. */
struct recovery *recovery_new(struct topology *t, struct shard **shards, uint64_t resident_bytes);
/* For commit_log_open.  An error of the visitor is SL_ECORRUPT for a record that cannot be read
 * although its checksum is right, SL_ENOMEM, or SL_EIO. */
struct log_visitor recovery_visitor(struct recovery *r);
/* Fills the backlogs. */
SL_MUST_CHECK enum sl_err recovery_fill(struct recovery *r, struct commit_log *log);
/* When shards can write records again: what becomes of entries that were refused, and of which the
 * log does not say it. */
SL_MUST_CHECK enum sl_err recovery_decide(struct recovery *r, struct commit_log *log);
void recovery_free(struct recovery *r);

#endif
