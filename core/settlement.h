/*
 * settlement.h - delivery tag to loan, for one channel or one STOMP session.
 *
 * Tags count up from 1.  What a peer settles goes, merged into ranges per consumer, into the
 * worker's run.  A tag that is far behind the others (never acknowledged) costs its own entry,
 * not the space up to the newest.
 *
 * A loan may be marked with a verdict that waits for a transaction's commit: it stays open, but
 * whoever settles passes it by, until the marks are settled or taken off.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_CORE_SETTLEMENT_H
#define SLUICE_CORE_SETTLEMENT_H

#include "core/client.h"

enum settle_verdict { SETTLE_CONSUMED, SETTLE_RETURNED, SETTLE_REJECTED };

struct loan { /* one open loan, by its tag */
    uint64_t tag;
    struct subscription *subscription; /* NULL: settled */
    uint64_t loan : 62;                /* the subscription's number of it */
    uint64_t mark : 2;                 /* 0: none, else a verdict and 1 */
    sl_seq seq;                        /* 0: its end need not be logged */
};

struct settlement {
    struct loan *loans; /* tags strictly growing; a ring would only save the memmove */
    size_t first;       /* index of the oldest that may be open */
    size_t end;
    size_t room;
    size_t open;
    uint64_t next_tag;
    uint64_t marked_low; /* all marked tags are within; low is 0: there are none */
    uint64_t marked_high;
    uint64_t marked_through; /* up to this tag nothing is left to be settled or marked */
};

void settlement_init(struct settlement *s);
void settlement_deinit(struct settlement *s); /* forgets; settles nothing */

/* A delivery that has to be settled; returns its tag.  SL_ENOMEM aborts: bounded by
 * prefetch. */
sl_tag settlement_add(struct settlement *s, struct subscription *subscription, uint64_t loan,
                      sl_seq seq);
/* A delivery without acknowledgement uses up a tag too. */
static inline sl_tag settlement_skip(struct settlement *s)
{
    return (sl_tag){s->next_tag++};
}

/* Ends the loan with that tag, or with multiple all up to and including it (tag 0: all there
 * are).  SL_ENOENT: no open loan has that tag (multiple: the tag was never handed out, or
 * nothing up to it is open; 0 is always fine). */
SL_MUST_CHECK enum sl_err settlement_settle(struct settlement *s, struct client *c, sl_tag tag,
                                            bool multiple, enum settle_verdict verdict);

/* The same for all loans of one subscription up to and including tag (STOMP's client mode).
 * SL_ENOENT: tag is not an open loan of it. */
SL_MUST_CHECK enum sl_err settlement_settle_of(struct settlement *s, struct client *c,
                                               struct subscription *subscription, sl_tag tag,
                                               enum settle_verdict verdict);

/* Marks what settlement_settle would have settled, with the same errors. */
SL_MUST_CHECK enum sl_err settlement_mark(struct settlement *s, sl_tag tag, bool multiple,
                                          enum settle_verdict verdict);
void settlement_settle_marked(struct settlement *s, struct client *c);
void settlement_unmark(struct settlement *s);

/* The subscription that an open tag belongs to; NULL when the tag is not open. */
struct subscription *settlement_find(const struct settlement *s, sl_tag tag);

/* Everything open goes back to its place, marked or not. */
void settlement_return_all(struct settlement *s, struct client *c);

/* Forgets the loans of a subscription that is about to be freed; settles nothing. */
void settlement_forget(struct settlement *s, const struct subscription *subscription);

#endif
