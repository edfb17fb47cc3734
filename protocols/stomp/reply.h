/*
 * reply.h - what the server says about frames: CONNECTED, RECEIPT, ERROR.
 *
 * Headers come in a fixed order, that of RabbitMQ; an ERROR to a frame that asked for a receipt
 * has a receipt-id.  Most errors leave the connection open, as RabbitMQ's do: the frame is
 * skipped, its body included.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_REPLY_H
#define SLUICE_PROTOCOLS_STOMP_REPLY_H

#include "core/base/bytes.h"
#include "core/base/err.h"

struct stomp_session;

#define STOMP_NO_RECEIPT ((struct sl_bytes){NULL, 0})

/* response_id: of ActiveMQ's request-id, or {NULL, 0}. */
void stomp_say_connected(struct stomp_session *s, struct sl_bytes response_id);

/* id: as it came, escapes and all. */
/* is_duplicate: every queue had the message already. */
void stomp_say_receipt(struct stomp_session *s, struct sl_bytes id, bool is_duplicate);

/* ERROR; the connection stays.  receipt: of the refused frame, or STOMP_NO_RECEIPT. */
void stomp_refuse(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                  const char *body);
/* The same with a body that names something of the peer's: before, name, after. */
void stomp_refuse_about(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                        const char *before, struct sl_bytes name, const char *after);

/* ERROR, then the connection closes. */
void stomp_fail(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                const char *body);
void stomp_fail_about(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                      const char *before, struct sl_bytes name, const char *after);

/* ERROR in the broker's words for err, then the connection closes: message not_found and body
 * "NOT_FOUND - " with the reason behind it. */
void stomp_fail_with(struct stomp_session *s, struct sl_bytes receipt, enum sl_err err,
                     const char *reason);

/* The same, and the connection stays. */
void stomp_refuse_with(struct stomp_session *s, struct sl_bytes receipt, enum sl_err err,
                       const char *reason);

/* ERROR to a consumer that the server ended; the connection stays.  id: of the subscription,
 * or {NULL, 0}. */
void stomp_say_cancelled(struct stomp_session *s, struct sl_bytes id, struct sl_bytes destination);

/* MESSAGE behind the last one that a browser is shown, as ActiveMQ has it. */
void stomp_say_browser_end(struct stomp_session *s, struct sl_bytes id,
                           struct sl_bytes destination);

#endif
