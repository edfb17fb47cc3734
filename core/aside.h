/*
 * aside.h - what a queue holds and must not lend yet: entries that wait for their time (retry.h),
 * or for the consumer of their group (groups.h).
 *
 * They have left the backlog and are in the queue all the same: whoever counts, pages, moves,
 * purges or keeps what a queue holds looks here, too.  An entry whose message was paged out goes
 * back to the backlog to have it fetched.
 *
 * A queue that never put anything aside has none of this.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_ASIDE_H
#define SLUICE_CORE_ASIDE_H

#include "core/backlog.h"
#include "core/base/hash_map.h"
#include "core/base/list.h"
#include "core/due.h"

struct group;
struct queue;
struct shard;

struct aside_item {
    struct entry entry;      /* its sequence is the key in by_seq */
    struct due of_order;     /* in aside.order */
    struct due of_deadlines; /* in aside.deadlines */
    struct due of_waiting;   /* in aside.delayed, or in waiting of its group's consumer */
    struct list of_all;      /* in aside.resident or aside.away */
    struct group *group;     /* NULL: it waits for its time */
    struct list of_group;    /* in group.waiting */
};

struct aside {
    struct hash_map by_seq;
    struct due_heap order;     /* by aside_order, where the queue drops its oldest */
    struct due_heap deadlines; /* those that expire */
    struct due_heap delayed;   /* by when they are to be lent again */
    struct list resident;      /* those with their message; and without */
    struct list away;
};

/* Where an entry stands among all of its queue: the less, the earlier it is lent. */
static inline uint64_t aside_order(const struct entry *entry)
{
    return (uint64_t)(255u - entry->priority) << 56 | entry->seq.v;
}

/* Takes the reference in entry, which is in no backlog any more, or not yet. */
struct aside_item *aside_put(struct queue *q, const struct entry *entry);
/* Gives it back, and frees the item. */
struct entry aside_take(struct queue *q, struct aside_item *item);
/* The same, and the entry is in the backlog again, in its own place. */
void aside_return(struct queue *q, struct aside_item *item);
/* Empties it; calls back for every entry, with its reference. */
void aside_clear(struct queue *q, void (*on_entry)(void *context, struct entry *entry),
                 void *context);

uint64_t aside_count(const struct queue *q);
/* NULL: it is not there. */
struct entry *aside_find(const struct queue *q, sl_seq seq);
void aside_each(const struct queue *q, void (*on_entry)(void *context, const struct entry *entry),
                void *context);

/* Only those that wait for the consumer of their group: they are ready. */
void aside_each_ready(const struct queue *q,
                      void (*on_entry)(void *context, const struct entry *entry), void *context);

/* When the first of them expires; 0: never. */
uint64_t aside_deadline(const struct queue *q);
/* Discards those that have expired, at most SL_LEND_BUDGET; true when it stopped there. */
bool aside_discard_expired(struct shard *s, struct queue *q);
/* The queue drops its oldest from now on: all that stand aside get their places by age. */
void aside_keep_order(struct queue *q);
/* The oldest, in a queue that drops those; NULL: there is none. */
struct aside_item *aside_oldest(const struct queue *q);

/* Paging: the first that have their message, at most room; and those of them without are noted. */
uint32_t aside_residents(const struct queue *q, struct entry **out, uint32_t room);
void aside_note_stripped(struct queue *q, struct entry **entries, uint32_t n);

#endif
