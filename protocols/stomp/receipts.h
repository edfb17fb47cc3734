/*
 * receipts.h - the RECEIPTs that a session owes, first come first served.
 *
 * A RECEIPT says that everything up to its frame is as safe as it will get (SEMANTICS 3 and 4),
 * so each waits for the confirm of what was published and settled before it, and none
 * overtakes another.  What waits is bounded: a session that is owed too much is not read.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_RECEIPTS_H
#define SLUICE_PROTOCOLS_STOMP_RECEIPTS_H

#include "core/base/buffer.h"
#include "core/base/ids.h"

#define STOMP_RECEIPTS_BYTES_HIGH (1024u * 1024) /* from here on frames with a receipt wait */
#define STOMP_RECEIPTS_BYTES_KEPT (16u * 1024)   /* memory kept while nothing is owed */

struct answer;
struct stomp_session;

struct stomp_receipts {
    struct sl_buffer owed; /* entries: tag u64, verdict u64, length u32, the id as it came */
    size_t first;          /* offset of the oldest */
    uint64_t next_tag;     /* of the next confirm */
    uint64_t asked;        /* the last tag that the broker was asked for */
    uint64_t confirmed;    /* the newest tag that was */
    uint64_t verdicts;     /* that were asked for so far */
    size_t decided;        /* offset: before it no verdict is waited for */
    bool is_asked_for;     /* a session waits for the receipts to drain */
};

void stomp_receipts_init(struct stomp_receipts *r);
void stomp_receipts_deinit(struct stomp_receipts *r);

static inline bool stomp_receipts_are_empty(const struct stomp_receipts *r)
{
    return r->first == r->owed.len;
}

static inline bool stomp_receipts_are_full(const struct stomp_receipts *r)
{
    return r->owed.len - r->first > STOMP_RECEIPTS_BYTES_HIGH;
}

/* Owes id (as it came; at NULL: nothing) once all that the session did so far is confirmed. */
void stomp_receipts_owe(struct stomp_session *s, struct sl_bytes id);

/* For a message that has an id, and is asked about (broker_ask_verdict): the ticket of its verdict,
 * and the same as above, but the verdict is waited for too, and told. */
#define STOMP_VERDICT_TICKET (1ull << 63) /* set in tickets of verdicts */
uint64_t stomp_receipts_verdict_ticket(struct stomp_session *s);
void stomp_receipts_owe_verdict(struct stomp_session *s, struct sl_bytes id, uint64_t ticket);
/* Of one that was refused there is an ERROR at once, and no RECEIPT. */
void stomp_receipts_on_verdict(struct stomp_session *s, const struct answer *a);

/* Owes id as soon as everything owed before it is out: at once, when that is nothing. */
void stomp_receipts_owe_next(struct stomp_session *s, struct sl_bytes id);

/* At the end of a read: asks the broker to confirm what was owed since the last time. */
void stomp_receipts_ask(struct stomp_session *s);

/* Everything up to tag is confirmed: what waited for it goes out. */
void stomp_receipts_on_confirmed(struct stomp_session *s, sl_tag upto);

#endif
