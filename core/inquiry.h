/*
 * inquiry.h - a publisher asks what became of one message: did every queue that it reached have
 * its id already, and did one that is full refuse it?
 *
 * It goes with the message to each shard, and the last one that decides answers the publisher:
 * messages of the answer is 1 for "every queue had it", else 0; is_refused with a reason, when a
 * full queue did not have it.  Where the log has come to is not part of it.
 *
 * Thread: shards decide each on its own thread.
 */
#ifndef SLUICE_CORE_INQUIRY_H
#define SLUICE_CORE_INQUIRY_H

#include "core/base/ids.h"
#include "core/message.h"

struct admission;
struct shard;

enum inquiry_verdict {
    INQUIRY_GONE, /* no such queue */
    INQUIRY_TAKEN,
    INQUIRY_DUPLICATE,
    INQUIRY_REFUSED, /* it was full, and does not have the id */
};

struct inquiry {
    _Atomic uint32_t left; /* queues that have not decided */
    _Atomic uint32_t taken;
    _Atomic uint32_t duplicates;
    atomic_bool is_refused;
    struct admission *full; /* counted: of a queue that was full; NULL: none was */
    struct message *msg;    /* each lane item has a reference */
    struct sl_handle to;
    uint64_t ticket; /* 0: nobody wants to hear of it */
};

/* Of a message that goes to so many queues, at least one.  Aborts without memory. */
struct inquiry *inquiry_new(struct message *msg, uint32_t queues, struct sl_handle to,
                            uint64_t ticket);
/* One of them, with that admission, is full. */
void inquiry_add_full(struct inquiry *i, struct admission *full);
/* One queue's verdict; with the last one the inquiry ends. */
void inquiry_decide(struct shard *s, struct inquiry *i, enum inquiry_verdict verdict);
/* One queue will not decide any more, and nobody is to hear of it. */
void inquiry_drop(struct inquiry *i);

#endif
