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

/* Why an entry with ENTRY_TO_DISCARD is to go. */
#define ENTRY_REASON_SHIFT 6
static inline enum discard_reason discard_reason_of(const struct entry *entry)
{
    return (enum discard_reason)(entry->flags >> ENTRY_REASON_SHIFT);
}

/* Does that need the entry's message?  Else it may be paged out. */
bool discard_needs_message(const struct queue *q);

/* The queue is full and did not take this publish: its copy of the message goes to its dead-letter
 * exchange all the same, where it asks for that. */
void queue_refuse(struct shard *s, struct queue *q, struct message *msg);

/* Takes the entry, which is neither in the backlog nor out any more.  Where its message is needed
 * and paged out it goes back, marked, and is discarded when queue_peek meets it with that. */
void queue_discard(struct shard *s, struct queue *q, struct entry *entry,
                   enum discard_reason reason);

#endif
