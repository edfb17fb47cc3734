/*
 * tls_wire.h - encrypted bytes on their way into the socket.
 *
 * OpenSSL writes one record at a time; here they are gathered, and leave with one system call.
 * The memory to gather in is the thread's.  Only what the socket does not take is kept with the
 * connection: at most TLS_WIRE_BYTES.
 *
 * Thread: the worker.  Part of transport_tls.c.
 */
#ifndef SLUICE_GATEWAY_TLS_WIRE_H
#define SLUICE_GATEWAY_TLS_WIRE_H

#include "core/base/err.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_WIRE_BYTES (160u * 1024)

struct tls_wire {
    int fd;
    uint8_t *left; /* what the socket has not taken; NULL: nothing */
    size_t begin;
    size_t end;
};

/* What OpenSSL writes into goes to w, which stays where it is.  NULL: no memory. */
BIO *tls_wire_bio(struct tls_wire *w);
/* Is there so much that it should go out before more is added? */
bool tls_wire_is_full(void);
/* Before anything else is done with the thread: to the socket with it.  SL_EAGAIN: some is left,
 * and goes first the next time.  SL_EIO: the socket or the memory is at its end. */
SL_MUST_CHECK enum sl_err tls_wire_flush(struct tls_wire *w);
void tls_wire_deinit(struct tls_wire *w);

#endif
