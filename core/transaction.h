/*
 * transaction.h - publishes that wait, to take effect together with settlements or not at all.
 *
 * A front end adds to it as its peer speaks; nothing reaches the broker before the commit:
 *
 *     transaction_prepare      everything that may be refused is refused here
 *     broker_group_begin
 *     settle ...               the front end's own list
 *     transaction_publish_all  in the order of the peer
 *     broker_group_end
 *     broker_confirm           tells when the disk has it
 *
 * The messages are routed by transaction_prepare, so that nothing can fail between begin and end:
 * a group that was begun is whole.  What is waiting counts in the memory budget like any message.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_TRANSACTION_H
#define SLUICE_CORE_TRANSACTION_H

#include "core/client.h"
#include "core/message.h"
#include "core/route.h"

struct transaction_publish {
    struct message *msg;
    struct route *route; /* of transaction_prepare */
    bool owns_route;     /* else it is the one before's */
    bool is_mandatory;
};

struct transaction { /* zeroed is empty */
    struct transaction_publish *publishes;
    uint32_t count;
    uint32_t room;
    uint32_t settles;             /* how many the front end has noted */
    uint64_t bytes;               /* of the messages */
    const struct admission *full; /* who refused it, after SL_EFULL; lent until it is cleared */
};

static inline bool transaction_is_empty(const struct transaction *t)
{
    return t->count == 0 && t->settles == 0;
}

/* Takes msg when true; false: beyond a bound, or no memory. */
SL_MUST_CHECK bool transaction_add_publish(struct transaction *t, struct message *msg,
                                           bool is_mandatory);
/* Counts one settlement, of however many loans; false: beyond the bound. */
SL_MUST_CHECK bool transaction_add_settle(struct transaction *t);

/* Routes all of it.  loans: how many the settlements may end at most.  SL_ENOENT and SL_EDENIED as
 * broker_route, *at_fault is lent; SL_ETOOBIG: it would take effect in too many places; SL_ENOMEM.
 * Takes the places in queues that may refuse; SL_EFULL: one of them is full, t->full says which.
 * The caller may go on adding after an error, or clear it. */
SL_MUST_CHECK enum sl_err transaction_prepare(struct transaction *t, struct client *c, size_t loans,
                                              const struct message **at_fault);

/* After transaction_prepare and within a group: publishes all of it, and leaves it empty.
 * unroutable is shown each mandatory message that reaches no queue; NULL: nobody wants to know. */
void transaction_publish_all(struct transaction *t, struct client *c,
                             void (*unroutable)(void *context, struct message *msg), void *context);

/* Drops everything; also ends its life. */
void transaction_clear(struct transaction *t);

#endif
