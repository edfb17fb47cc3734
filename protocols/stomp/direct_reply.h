/*
 * direct_reply.h - /queue/amq.rabbitmq.reply-to: core/direct_reply.h as STOMP says it.
 *
 * At most one subscription of a session, with ack:auto, gets answers.  As long as it is there, a
 * SEND with the header reply-to:amq.rabbitmq.reply-to says the subscription's address instead.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_DIRECT_REPLY_H
#define SLUICE_PROTOCOLS_STOMP_DIRECT_REPLY_H

#include "core/direct_reply.h"

struct stomp_frame;
struct stomp_session;
struct stomp_subscription;

struct stomp_direct_reply { /* NULL at a session: nobody gets answers in it */
    const struct stomp_subscription *subscription;
    char address[DIRECT_REPLY_ADDRESS_CHARS + 1];
};

/* May the session have such a subscription?  False: it was told, and closes. */
bool stomp_direct_reply_check(struct stomp_session *s, const struct stomp_frame *f);
/* Asks the broker for it; NULL: too many. */
struct subscription *stomp_direct_reply_consume(struct stomp_session *s, uint64_t ticket,
                                                struct stomp_subscription *sub);
/* That subscription gets none any more. */
void stomp_direct_reply_end(struct stomp_session *s, const struct stomp_subscription *sub);
void stomp_direct_reply_free(struct stomp_session *s);

/* Where the frame's answers go; false: nowhere, it was told, and closes. */
bool stomp_direct_reply_address(struct stomp_session *s, const struct stomp_frame *f,
                                struct sl_bytes *address);

#endif
