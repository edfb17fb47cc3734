/*
 * discard.h - an entry leaves its queue without having been consumed.
 *
 * Where the queue has a dead-letter exchange the message goes there, and both ends are one record;
 * else it is gone, and that is the record.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_DISCARD_H
#define SLUICE_CORE_DISCARD_H

#include "core/backlog.h"

struct queue;
struct shard;

enum discard_reason { DISCARD_REJECTED, DISCARD_EXPIRED, DISCARD_MAXLEN, DISCARD_DELIVERY_LIMIT };

/* Does that need the entry's message?  Else it may be paged out. */
bool discard_needs_message(const struct queue *q);

/* Takes the entry, which is neither in the backlog nor out any more. */
void queue_discard(struct shard *s, struct queue *q, struct entry *entry,
                   enum discard_reason reason);

#endif
