/*
 * recovery.h - from the records of the log back to exchanges, queues and what is in them.
 *
 * The visitor is called for every good record, in order, before any worker runs.  It makes
 * definitions through the topology that is in use later, and keeps per queue what has not been
 * settled; the end puts that into the backlogs, in order, with its counts.
 *
 * Thread: the one that starts the process.
 */
#ifndef SLUICE_CORE_RECOVERY_H
#define SLUICE_CORE_RECOVERY_H

#include "core/shard.h"
#include "core/store/commit_log.h"

struct recovery;

/* Borrows the topology and its shards.  Aborts without memory. */
struct recovery *recovery_new(struct topology *t, struct shard **shards);
/* For commit_log_open.  An error of the visitor is SL_ECORRUPT for a record that cannot be read
 * although its checksum is right, or SL_ENOMEM. */
struct log_visitor recovery_visitor(struct recovery *r);
/* Fills the backlogs and frees r. */
SL_MUST_CHECK enum sl_err recovery_finish(struct recovery *r);

#endif
