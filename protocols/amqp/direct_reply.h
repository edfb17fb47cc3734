/*
 * direct_reply.h - amq.rabbitmq.reply-to on a channel: core/direct_reply.h as AMQP says it.
 *
 * At most one consumer of a channel gets answers, without acknowledgement.  As long as it is there,
 * what the channel publishes with the pseudo queue as reply-to says the consumer's address instead.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_DIRECT_REPLY_H
#define SLUICE_PROTOCOLS_AMQP_DIRECT_REPLY_H

#include "core/direct_reply.h"
#include "protocols/amqp/channel.h"

struct amqp_direct_reply { /* NULL at a channel: nobody gets answers on it */
    const struct amqp_consumer *consumer;
    char address[DIRECT_REPLY_ADDRESS_CHARS + 1];
};

/* May the channel have such a consumer?  False: it has been told. */
bool amqp_direct_reply_check(struct amqp_channel *ch, bool is_no_ack);
/* Asks the broker for it; NULL: too many. */
struct subscription *amqp_direct_reply_consume(struct amqp_channel *ch, uint64_t ticket,
                                               struct amqp_consumer *consumer);
/* That consumer, or any, gets none any more. */
void amqp_direct_reply_end(struct amqp_channel *ch, const struct amqp_consumer *consumer);
void amqp_direct_reply_free(struct amqp_channel *ch);

/* Says the channel's address in *flat where it names the pseudo queue; then it is lent by the arena,
 * of which nothing else may be in use.  SL_EPRECOND. */
SL_MUST_CHECK enum sl_err amqp_direct_reply_address(struct amqp_channel *ch, struct sl_bytes *flat,
                                                    struct text *why);

#endif
