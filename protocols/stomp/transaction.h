/*
 * transaction.h - BEGIN, COMMIT, ABORT: publishes and settles that wait, to take effect together.
 *
 * A transaction holds whole messages and the tags of loans; nothing of it reaches the broker
 * before COMMIT, which checks all of it first and then hands it over as one group.  What is
 * refused ends the transaction, so that no COMMIT takes the rest of it for the whole.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_TRANSACTION_H
#define SLUICE_PROTOCOLS_STOMP_TRANSACTION_H

#include "core/message.h"
#include "core/settlement.h"

struct stomp_frame;
struct stomp_session;
struct stomp_transaction;

/* Handlers. */
bool stomp_on_begin(struct stomp_session *s, const struct stomp_frame *f);
bool stomp_on_commit(struct stomp_session *s, const struct stomp_frame *f);
bool stomp_on_abort(struct stomp_session *s, const struct stomp_frame *f);

/* The one that the frame names; NULL: it names none that is open, which was answered. */
struct stomp_transaction *stomp_transaction_of(struct stomp_session *s,
                                               const struct stomp_frame *f);

/* Takes msg when true; false: beyond a limit, or no memory. */
bool stomp_transaction_add_message(struct stomp_transaction *t, struct message *msg);
bool stomp_transaction_add_settle(struct stomp_transaction *t, sl_tag tag, bool is_cumulative,
                                  enum settle_verdict verdict);

/* Answers that, and drops it. */
void stomp_transaction_too_large(struct stomp_session *s, struct stomp_transaction *t,
                                 struct sl_bytes receipt);

/* A frame within it was refused: it is gone.  Nothing to do when the frame names none. */
void stomp_transaction_spoil(struct stomp_session *s, const struct stomp_frame *f);

/* Drops all; the settles in them never happened. */
void stomp_transactions_deinit(struct stomp_session *s);

#endif
