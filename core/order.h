/*
 * order.h - the one order of everything that shards hear.
 *
 * A worker gathers commands for shards in lanes (run.h).  order_hand_over gives them their
 * sequence numbers and posts them, all under one short lock whose work grows with the number
 * of shards addressed and not with that of messages.  So every shard hears of commands in one
 * order, and a publish that races a queue's deletion ends the same way everywhere.
 *
 * The order is the commit log's (store/commit_log.h): a place in it is a place in the log, and
 * the durable cursor follows.  Without a log, as tests of the broker alone have it, the cursor
 * is simply the end of the order.
 *
 * Thread: any.  Lock order: topology, then order, then a mailbox.
 */
#ifndef SLUICE_CORE_ORDER_H
#define SLUICE_CORE_ORDER_H

#include "core/base/clock.h"
#include "core/base/ids.h"
#include "core/base/mailbox.h"
#include "core/store/commit_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct order {
    struct commit_log *log; /* NULL: in memory only; then lock and next_seq are in use */
    pthread_mutex_t lock;
    _Atomic uint64_t next_seq;
    const struct sl_clock *clock;
    uint64_t wall_from; /* the time of the order is this, and what has passed since */
    uint64_t monotonic_from;
};

void order_init(struct order *o, const struct sl_clock *clock); /* borrows the clock */
/* Between recovery and the first turn: the log, borrowed, and the last time that it knows. */
void order_attach(struct order *o, struct commit_log *log, uint64_t not_before);
void order_deinit(struct order *o);

struct lane_batch;

/* One shard's part of a hand-over. */
struct hand_over {
    struct mailbox *to;
    struct lane_batch *first; /* a chain by node.next */
    struct lane_batch *last;
    bool must_wake; /* out */
};

/* Appends the records, gives sequences [base, base + count) to the batches of all parts and posts
 * them; the caller wakes afterwards.  The end of the place is for the confirm line. */
struct log_place order_hand_over(struct order *o, struct log_run *records, struct hand_over *parts,
                                 uint32_t n, uint64_t count);

/* Someone waits for what has been handed over so far. */
void order_hurry(struct order *o);

/* Appends records alone, at once and in a hurry: definitions, under the topology lock; marks. */
sl_lsn order_append(struct order *o, struct log_run *records);

/* The same without the hurry, and tells where the records lie; there is a log. */
struct log_place order_place(struct order *o, struct log_run *records);

/* What time it is, in ms since 1970: the wall clock as it was at the start, and from there on as
 * time passes, whatever becomes of the wall clock; never before the last time in the log.  What
 * is handed over carries it, and never one that is less than what went before. */
uint64_t order_time(const struct order *o);

/* Everything before this place is as safe as it will get. */
sl_lsn order_durable(struct order *o);

#endif
