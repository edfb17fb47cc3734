/*
 * groups.h - order per key: messages of one group go to one consumer at a time.
 *
 * JMSXGroupID names the group on any queue, x-group-id on those that ask for it.  The first
 * message of a group pins it to the consumer whose turn it is; there it stays while anything of
 * it is out, also after a cancel, and afterwards for as long as it is among the
 * SL_GROUPS_REMEMBERED last ones and the consumer is there.
 *
 * Where that consumer cannot take, what is next of the group stands aside (aside.h) and others
 * overtake it, SL_GROUPS_OVERTAKEN entries at most; then the queue waits.  Entries stand aside
 * with the consumer that they wait for, in their order: one that can take again goes on with the
 * oldest of them, and nothing is looked through.
 *
 * A group is known by a hash of its name.  Two that share one share a consumer, too, which costs
 * nothing but turns.
 *
 * A queue without grouped messages has none of this.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_GROUPS_H
#define SLUICE_CORE_GROUPS_H

#include "core/aside.h"
#include "core/consumer.h"
#include "core/known_headers.h"

struct group; /* of one queue */

/* Must this entry, in memory and next, be lent by groups_lend? */
static inline bool groups_matter(const struct queue *q, const struct entry *next)
{
    return (q->groups != NULL || (next->msg->marks & MARK_GROUP) != 0) &&
           !q->rules.is_single_active;
}
/* Lends as queue_lend does, at most *budget; true when it stopped there. */
bool groups_lend(struct shard *s, struct queue *q, uint32_t *budget);
/* As queue_peek, for a get: what is with a consumer is passed over. */
enum backlog_head groups_peek(struct shard *s, struct queue *q, struct entry *out);
/* The entry has just been noted as the newest loan of a getter. */
void groups_note_get(struct queue *q, struct consumer *getter, const struct entry *entry);
/* That loan of c has ended; its group is the one that consumer.loan_groups has. */
void groups_end_loan(struct shard *s, struct consumer *c, struct group *g);
/* It can take again. */
void groups_resume(struct consumer *c);
/* It takes nothing more: groups with nothing out are free. */
void groups_leave(struct shard *s, struct consumer *c);
/* The item, which waits for a group's consumer, is about to be taken out of aside. */
void groups_forget_item(struct aside_item *item);

#endif
