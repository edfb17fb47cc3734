/*
 * conn_opening.h - before the first byte of a session: who is there (PROXY protocol), and what
 * the bytes are wrapped in (TLS).
 *
 * Both are looked at while they still lie in the socket, so that nothing has to be put back.
 *
 * Thread: the worker.  Part of conn.c; nobody else calls this.
 */
#ifndef SLUICE_GATEWAY_CONN_OPENING_H
#define SLUICE_GATEWAY_CONN_OPENING_H

#include "gateway/conn.h"

/* What a new connection has to say first. */
void conn_opening_begin(struct conn *c);
/* False: more bytes are needed, or the connection is over. */
bool conn_opening_step(struct conn *c);

#endif
