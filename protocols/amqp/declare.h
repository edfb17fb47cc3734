/*
 * declare.h - the methods of the classes exchange and queue.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_DECLARE_H
#define SLUICE_PROTOCOLS_AMQP_DECLARE_H

#include "protocols/amqp/channel.h"

/* An empty name means the queue declared last on this channel.  False: there was none, and the
 * channel has failed. */
bool amqp_queue_name(struct amqp_channel *ch, struct sl_bytes *name);

/* Handlers of the method table. */
void amqp_exchange_declare(struct amqp_channel *ch, struct sl_reader *r);
void amqp_exchange_delete(struct amqp_channel *ch, struct sl_reader *r);
void amqp_exchange_bind(struct amqp_channel *ch, struct sl_reader *r);
void amqp_exchange_unbind(struct amqp_channel *ch, struct sl_reader *r);
void amqp_queue_declare(struct amqp_channel *ch, struct sl_reader *r);
void amqp_queue_declared(struct amqp_channel *ch, struct answer *a);
void amqp_queue_bind(struct amqp_channel *ch, struct sl_reader *r);
void amqp_queue_unbind(struct amqp_channel *ch, struct sl_reader *r);
void amqp_queue_purge(struct amqp_channel *ch, struct sl_reader *r);
void amqp_queue_purged(struct amqp_channel *ch, struct answer *a);
void amqp_queue_delete(struct amqp_channel *ch, struct sl_reader *r);
void amqp_queue_deleted(struct amqp_channel *ch, struct answer *a);

#endif
