/*
 * transport_tls.h - bytes of a connection inside TLS.
 *
 * The handshake is part of reading: until it is over, reads say SL_EAGAIN.
 *
 * Thread: the worker.
 */
#ifndef SLUICE_GATEWAY_TRANSPORT_TLS_H
#define SLUICE_GATEWAY_TRANSPORT_TLS_H

#include "gateway/tls_context.h"
#include "gateway/transport.h"

/* Takes over the descriptor of a plain one, of which nothing was read.  SL_ENOMEM: t is as it
 * was. */
SL_MUST_CHECK enum sl_err transport_tls_begin(struct transport *t, struct tls_context *context);

#endif
