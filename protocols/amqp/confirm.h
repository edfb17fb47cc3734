/*
 * confirm.h - confirm.select, and the acks to a publisher.
 *
 * A channel that published is told to the core once per read, by its newest number; the answer
 * is a cursor too, so one basic.ack stands for all of them.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_CONFIRM_H
#define SLUICE_PROTOCOLS_AMQP_CONFIRM_H

#include "protocols/amqp/channel.h"

/* Asks for the confirms of everything published since the last time. */
void amqp_confirm_announce(struct amqp_connection *c);
/* The slot of the front end. */
void amqp_confirm_on_confirmed(struct amqp_connection *c, uint64_t who, sl_tag upto,
                               bool is_refused);

/* Handler of the method table. */
void amqp_confirm_select(struct amqp_channel *ch, struct sl_reader *r);

#endif
