/*
 * consume_arguments.h - what the arguments of basic.consume ask for.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_CONSUME_ARGUMENTS_H
#define SLUICE_PROTOCOLS_AMQP_CONSUME_ARGUMENTS_H

#include "protocols/amqp/channel.h"

struct amqp_consume_arguments {
    int64_t priority;    /* x-priority: any integer will do */
    bool has_timeout;    /* x-consumer-timeout: any that is not negative */
    uint64_t timeout_ms; /* 0: none */
};

/* table: of a consumer of that queue.  False: it was refused, in RabbitMQ's words. */
bool amqp_consume_arguments(struct amqp_channel *ch, struct sl_bytes queue, struct sl_bytes table,
                            struct amqp_consume_arguments *out);

#endif
