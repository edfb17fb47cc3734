#include "core/discard.h"

#include "core/queue.h"

bool discard_needs_message(const struct queue *q)
{
    (void)q;
    return false;
}

void queue_discard(struct shard *s, struct queue *q, struct entry *entry,
                   enum discard_reason reason)
{
    if ((entry->flags & ENTRY_LOGGED) != 0 && reason != DISCARD_REJECTED)
        journal_settled(&s->run->journal, q->ref.number, entry->seq);
    shard_end_entry(s, entry);
}
