/*
 * limit.h - x-max-length and x-max-length-bytes of a queue that drops its oldest entries.
 *
 * What is ready counts, not what is out.  Who can be lent to comes first: an entry that a consumer
 * takes at once is never too many.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_LIMIT_H
#define SLUICE_CORE_LIMIT_H

#include "core/queue.h"

/* Discards what is next while there is too much, at most SL_LEND_BUDGET; true when it stopped
 * there. */
bool limit_enforce(struct shard *s, struct queue *q);

#endif
