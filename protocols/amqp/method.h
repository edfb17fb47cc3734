/*
 * method.h - which methods there are, where each is legal, and who does its work.
 *
 * The table is the state machine: a handler may assume its phase.  A method whose work ends
 * with an answer from the core has a second handler, and its channel waits in between.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_METHOD_H
#define SLUICE_PROTOCOLS_AMQP_METHOD_H

#include "protocols/amqp/channel.h"
#include "protocols/amqp/connection.h"

struct amqp_method {
    uint32_t id;
    uint32_t legal; /* phases of the connection, or states of the channel */
    void (*on_connection)(struct amqp_connection *c, struct sl_reader *r); /* one of these two */
    void (*on_channel)(struct amqp_channel *ch, struct sl_reader *r);
    void (*on_answer)(struct amqp_channel *ch, struct answer *a); /* err is SL_OK */
    uint32_t ok; /* sent for the answer when there is no on_answer */
};

/* NULL: no such method here. */
const struct amqp_method *amqp_method_find(uint32_t id);

/* For tests that walk the table. */
extern const struct amqp_method amqp_methods[];
extern const size_t amqp_methods_count;

#endif
