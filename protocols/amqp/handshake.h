/*
 * handshake.h - from the protocol header to connection.open-ok.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_HANDSHAKE_H
#define SLUICE_PROTOCOLS_AMQP_HANDSHAKE_H

#include "protocols/amqp/connection.h"

enum sniff amqp_sniff(struct sl_bytes first);

/* Reads the protocol header and answers with connection.start, or, when it is not ours, with
 * our own header and the end.  Returns how many bytes are done with. */
size_t amqp_handshake_on_header(struct amqp_connection *c, struct sl_bytes in);

/* The login that was waited for is known. */
void amqp_handshake_on_answer(struct amqp_connection *c, const struct answer *a);

/* Handlers of the method table. */
void amqp_connection_start_ok(struct amqp_connection *c, struct sl_reader *r);
void amqp_connection_tune_ok(struct amqp_connection *c, struct sl_reader *r);
void amqp_connection_open(struct amqp_connection *c, struct sl_reader *r);

#endif
