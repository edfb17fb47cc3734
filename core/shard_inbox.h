/*
 * shard_inbox.h - what a shard does with what it hears.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_SHARD_INBOX_H
#define SLUICE_CORE_SHARD_INBOX_H

#include "core/shard.h"

/* Carries out the batch from s->todo_at on.  False when the budget ended before the batch did; the
 * next run goes on from there. */
bool shard_inbox_take(struct shard *s, const struct lane_batch *batch, uint32_t *budget);
/* Frees the batch and what its items own, from that item on: nobody will hear it. */
void shard_inbox_drop(struct lane_batch *batch, uint32_t from);

#endif
