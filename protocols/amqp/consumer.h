/*
 * consumer.h - basic.consume and what it leads to: deliveries, cancelling, being cancelled.
 *
 * A consumer that is over stays with its channel, retired, while the channel still has loans
 * of it to settle.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_CONSUMER_H
#define SLUICE_PROTOCOLS_AMQP_CONSUMER_H

#include "protocols/amqp/channel.h"

struct amqp_consumer {
    struct amqp_channel *channel;
    struct subscription *subscription;
    struct list of_retired;
    bool is_retired;
    uint8_t tag_len;
    uint16_t head_len;
    uint8_t head[]; /* of its deliveries; ends with the consumer tag */
};

static inline struct sl_bytes amqp_consumer_tag(const struct amqp_consumer *consumer)
{
    return (struct sl_bytes){consumer->head + consumer->head_len - consumer->tag_len,
                             consumer->tag_len};
}

/* The slots of the front end. */
void amqp_consumer_on_deliveries(struct amqp_connection *c, const struct delivery *items,
                                 uint32_t count);
void amqp_consumer_on_cancelled(struct amqp_connection *c, uint32_t cookie);
void amqp_consumer_on_overdue(struct amqp_connection *c, const struct overdue_mail *mail);

/* Handlers of the method table. */
void amqp_basic_consume(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_consume_done(struct amqp_channel *ch, struct answer *a);
void amqp_basic_cancel(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_cancel_done(struct amqp_channel *ch, struct answer *a);

/* The core refused what the channel waited for: a consumer that was to be is not. */
void amqp_consumer_on_refused(struct amqp_channel *ch);
/* basic.qos for the whole channel: consumers that are there come under its group too. */
void amqp_consumer_join_all(struct amqp_channel *ch);
/* The channel ends: the core forgets its consumers. */
void amqp_consumer_drop_all(struct amqp_channel *ch);
/* The connection has ended and the core has forgotten already. */
void amqp_consumer_free_all(struct amqp_channel *ch);

#endif
