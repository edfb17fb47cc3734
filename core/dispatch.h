/*
 * dispatch.h - which consumer of a queue is lent to next.
 *
 * Consumers that can take stand in able, and have their turns in a circle.  Those with an
 * x-priority stand with their equals in a rank instead; a higher rank goes before a lower one
 * for as long as somebody in it can take.  A queue none of whose consumers has a priority has no
 * ranks.
 *
 * Where the queue asks for a single active consumer, only that one ever stands anywhere.  It stays
 * until it leaves or one with a higher priority comes; the next one, the highest and then the
 * oldest, takes over when nothing is out with the one before, so that the order is kept.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_DISPATCH_H
#define SLUICE_CORE_DISPATCH_H

#include "core/consumer.h"

/* A consumer that is not a getter has come, with that x-priority; it has left, or was cancelled,
 * and takes nothing more. */
void dispatch_enter(struct shard *s, struct consumer *c, int64_t priority);
void dispatch_leave(struct shard *s, struct consumer *c);
/* It is about to be freed. */
void dispatch_forget(struct shard *s, struct consumer *c);

/* It stands at the end of those who can take, unless it is not its time. */
void dispatch_stand(struct consumer *c);
/* The one whose turn it is; NULL: nobody can take. */
static inline struct consumer *dispatch_next(struct queue *q);
struct consumer *dispatch_next_ranked(struct queue *q); /* where there are ranks */
/* It has taken one: the next one's turn. */
static inline void dispatch_turn(struct consumer *c);
void dispatch_turn_in(struct list *able, struct consumer *c); /* those that it stands with */
void dispatch_turn_ranked(struct consumer *c);
/* Nothing is out with it any more. */
void dispatch_settled(struct shard *s, struct consumer *c);
/* For listings: it is the one that is lent to, or one of them. */
bool dispatch_is_active(const struct consumer *c);

static inline struct consumer *dispatch_next(struct queue *q)
{
    if (q->ranks != NULL)
        return dispatch_next_ranked(q);
    return list_is_empty(&q->able) ? NULL : LIST_OF(q->able.next, struct consumer, of_able);
}

static inline void dispatch_turn(struct consumer *c)
{
    const struct list *able = &c->queue->able;

    if (c->rank != NULL)
        dispatch_turn_ranked(c);
    else if (able->next != able->prev) /* it is not alone */
        dispatch_turn_in(&c->queue->able, c);
}

#endif
