/*
 * conn_input.h - bytes from the socket to the session, and what the session leaves unread.
 *
 * A worker has one large buffer for input.  A connection has memory of its own only for bytes
 * that its session could not use yet: part of a frame, or all there was when it had to wait.
 *
 * Thread: the worker.  Part of conn.c; nobody else calls this.
 */
#ifndef SLUICE_GATEWAY_CONN_INPUT_H
#define SLUICE_GATEWAY_CONN_INPUT_H

#include "gateway/conn.h"

/* Asks the loop for what the connection waits for now, beside what its session has to write. */
void conn_want(struct conn *c);
/* False while the session waits for something, or the peer does not read. */
bool conn_may_read(const struct conn *c);

/* One read, for fairness: epoll brings the connection back with the rest.  The first bytes
 * choose the front end; what it does with them is handed over. */
void conn_read(struct conn *c);
/* Lends what is unread, without reading more. */
void conn_lend_unread(struct conn *c);
void conn_drop_unread(struct conn *c);
/* Lingering: reads and forgets. */
void conn_drop_input(struct conn *c);

#endif
