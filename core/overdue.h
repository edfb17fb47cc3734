/*
 * overdue.h - how long a consumer may keep a message without settling it (consumer timeout).
 *
 * Whoever keeps one longer is told of (mail.h), so that its front end ends what holds it, and the
 * messages go back.  Most that is lent comes back soon, so no loan has a time of its own: now and then,
 * OVERDUE_MARKS times within the timeout, the shard notes what every consumer has been lent so far, and
 * the oldest loan that is still open was out when its mark was made.  So nobody is told of too early,
 * and who is overdue by a sixteenth of the timeout is.
 *
 * The timeout is the consumer's own argument, else the queue's (by policies too), else that of the
 * settings; where there is none, nothing is noted.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_OVERDUE_H
#define SLUICE_CORE_OVERDUE_H

#include "core/consumer.h"

#define OVERDUE_MARKS 32u
#define OVERDUE_NEVER UINT64_MAX /* as a timeout: it may keep them */

struct overdue_mark { /* loans with numbers below were out at that time */
    uint64_t at;
    uint64_t loans;
};

struct overdue { /* of a consumer: a ring, both growing */
    uint32_t first;
    uint32_t count;
    struct overdue_mark marks[OVERDUE_MARKS];
};

/* The consumer may be lent something from now on, or under another timeout. */
void overdue_watch(struct shard *s, const struct consumer *c);
/* The queue's timeout may be another. */
void overdue_watch_all(struct shard *s, struct queue *q);
/* The queue is due, perhaps for this: tells of consumers, and is due again for those that stay. */
void overdue_look(struct shard *s, struct queue *q);

#endif
