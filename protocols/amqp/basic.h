/*
 * basic.h - quality of service, get, and what a client says about its deliveries.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_BASIC_H
#define SLUICE_PROTOCOLS_AMQP_BASIC_H

#include "protocols/amqp/channel.h"

/* Handlers of the method table. */
void amqp_basic_qos(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_get(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_got(struct amqp_channel *ch, struct answer *a);
void amqp_basic_ack(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_nack(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_reject(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_recover(struct amqp_channel *ch, struct sl_reader *r);
void amqp_basic_recover_async(struct amqp_channel *ch, struct sl_reader *r);

/* Closes the channel: no open loan has this tag. */
void amqp_basic_unknown_tag(struct amqp_channel *ch, uint64_t tag);

#endif
