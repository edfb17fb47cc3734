/*
 * sasl.h - who says it is connecting: what is offered, and responses, read only.
 *
 * PLAIN and AMQPLAIN always; EXTERNAL where the peer's certificate has a name, which is the user's
 * then, whatever the response; ANONYMOUS where the settings name a user for it.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_SASL_H
#define SLUICE_PROTOCOLS_AMQP_SASL_H

#include "core/base/bytes.h"
#include "core/base/err.h"

struct amqp_sasl_offer {          /* to one peer */
    const char *certificate_name; /* NULL: none */
    const char *anonymous_user;   /* NULL or empty: none */
};

struct amqp_credentials { /* borrowed from the response, or the offer */
    struct sl_bytes user;
    struct sl_bytes password;
    bool is_vouched_for; /* there is no password to be asked for */
};

/* As connection.start says them. */
const char *amqp_sasl_mechanisms(const struct amqp_sasl_offer *offer);
/* One of ours, or what is said of any other. */
const char *amqp_sasl_name(struct sl_bytes mechanism);

/* response: the long string of connection.start-ok with its four length octets.
 * SL_ENOENT: no such mechanism; SL_ESYNTAX: the response cannot be read. */
SL_MUST_CHECK enum sl_err amqp_sasl_read(const struct amqp_sasl_offer *offer,
                                         struct sl_bytes mechanism, struct sl_bytes response,
                                         struct amqp_credentials *out);

#endif
