/*
 * consumer.h - one consumer of a queue, and its loans.
 *
 * Loans are numbered per consumer, from 0, in the order of lending; the session counts along,
 * so a settle names a range of numbers and nothing has to be looked up.
 *
 * A getter is the consumer behind one basic.get with acknowledgement: it takes one loan, is
 * never lent to, counts nowhere, and goes when the loan is settled.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_CONSUMER_H
#define SLUICE_CORE_CONSUMER_H

#include "core/peer.h"
#include "core/queue.h"

struct out_loan { /* one loan; sequence 0: settled; message NULL: paged out */
    uint64_t number;
    struct entry entry;
};

struct consumer {
    struct peer *peer;
    struct queue *queue;
    struct slot_ref at;
    uint32_t cookie;
    bool is_no_ack;
    bool is_getter;
    bool is_cancelled;
    uint32_t prefetch;
    uint32_t out;
    struct credit_group *group; /* counted, or NULL */
    uint64_t next_loan;
    struct out_loan *loans; /* numbers strictly growing */
    size_t first, end, room;
    uint64_t resident_from;     /* loans of lower numbers are without message */
    struct group **loan_groups; /* of loans, by index; NULL: none has a group, or had one */
    struct list groups;         /* of group.of_consumer: groups.h */
    uint64_t timeout_ms;        /* x-consumer-timeout; RULES_NONE: it did not say */
    struct overdue *overdue;    /* NULL: nothing was noted; overdue.h */
    struct due_heap waiting;    /* of aside_item.of_waiting: what waits until it can take */
    struct list of_resuming;
    int64_t priority;
    struct rank *rank; /* of those with its priority; NULL: that is 0 */
    struct list of_able;
    struct list of_holders; /* some loan may have its message */
    struct list of_queue;
    struct list of_peer;
};

/* p: NULL for one of the broker's own, which is a getter.  NULL: no room for another one. */
struct consumer *consumer_new(struct shard *s, struct queue *q, struct peer *p,
                              const struct shard_command *options, bool is_getter);
/* Loans must be gone. */
void consumer_free(struct shard *s, struct consumer *c);

/* May it be lent one more?  False puts it out of able until something changes. */
bool consumer_can_take(struct shard *s, struct consumer *c);
/* Something was given back: it stands in able again, and its queue is looked at. */
void consumer_wake(struct shard *s, struct consumer *c);
/* Takes the entry's reference; the delivery is on its way to the session. */
void consumer_deliver(struct shard *s, struct consumer *c, const struct entry *entry);
/* Notes the entry as out; returns the loan's number.  Takes the reference. */
uint64_t consumer_lend(struct consumer *c, const struct entry *entry);

/* Ends n loans from first on; those that are not open are passed over.  kind: LANE_CONSUME,
 * LANE_RETURN or LANE_REJECT.  A getter goes with its loan. */
void consumer_settle(struct shard *s, struct consumer *c, uint64_t first, uint32_t n,
                     uint32_t kind);
/* Ends that open loan, and gives its entry with the reference; the consumer stays. */
void consumer_take(struct shard *s, struct consumer *c, uint64_t number, struct entry *out);
/* The first open loan from that number on, which becomes its own; NULL: there is none. */
const struct entry *consumer_loan_from(const struct consumer *c, uint64_t *number);
/* The message of that loan was paged out, and is there again. */
void consumer_is_resident(struct consumer *c, uint64_t number);
/* Fills in the first open loans that have their message, at most room; returns how many.  Good
 * until the loans change. */
uint32_t consumer_residents(struct consumer *c, struct entry **out, uint32_t room);
/* All loans go back to their places. */
void consumer_return_all(struct shard *s, struct consumer *c);
/* Calls back for everything that it has out; each entry is that of a struct out_loan. */
void consumer_each_loan(const struct consumer *c,
                        void (*on_entry)(void *context, const struct entry *entry), void *context);
/* The same of what it was lent first, looking at that many loans at most. */
void consumer_each_early_loan(const struct consumer *c, size_t most,
                              void (*on_entry)(void *context, const struct entry *entry),
                              void *context);
/* Loans end with their queue. */
void consumer_forget_all(struct shard *s, struct consumer *c);

/* The entry of that loan while it is open; NULL: it is not. */
struct entry *consumer_loan(struct consumer *c, uint64_t number);

#endif
