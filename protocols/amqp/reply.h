/*
 * reply.h - what the core's refusals are called in AMQP.
 *
 * The core speaks sl_err; only this table speaks reply codes.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_REPLY_H
#define SLUICE_PROTOCOLS_AMQP_REPLY_H

#include "core/base/err.h"
#include "protocols/amqp/wire.h"

enum amqp_scope { AMQP_CLOSE_CHANNEL, AMQP_CLOSE_CONNECTION };

struct amqp_reply {
    uint16_t code;
    enum amqp_scope scope;
};

struct amqp_reply amqp_reply_of(enum sl_err err); /* not for SL_OK */

/* "PRECONDITION_FAILED" for 406, and so on: the first word of every reply text. */
const char *amqp_code_name(uint16_t code);

#endif
