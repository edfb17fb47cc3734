/*
 * sasl.h - who says it is connecting: PLAIN and AMQPLAIN responses, read only.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_SASL_H
#define SLUICE_PROTOCOLS_AMQP_SASL_H

#include "core/base/bytes.h"
#include "core/base/err.h"

#define AMQP_MECHANISMS "AMQPLAIN PLAIN"

struct amqp_credentials { /* borrowed from the response */
    struct sl_bytes user;
    struct sl_bytes password;
};

/* response: the long string of connection.start-ok with its four length octets.
 * SL_ENOENT: no such mechanism; SL_ESYNTAX: the response cannot be read. */
SL_MUST_CHECK enum sl_err amqp_sasl_read(struct sl_bytes mechanism, struct sl_bytes response,
                                         struct amqp_credentials *out);

#endif
