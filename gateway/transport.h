/*
 * transport.h - how bytes cross a socket: as they are, or encrypted by another table of the same
 * shape.
 *
 * Nothing here blocks.  SL_EAGAIN means that the socket must become ready first, SL_EIO that
 * the connection is over, SL_EPROTO that the peer broke the rules of its encryption: reason says
 * how, and the peer has been told.
 */
#ifndef SLUICE_GATEWAY_TRANSPORT_H
#define SLUICE_GATEWAY_TRANSPORT_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct peer_security;
struct transport;

struct transport_ops {
    /* *got is 0 with SL_OK when the peer has sent its last byte. */
    enum sl_err (*read)(struct transport *t, uint8_t *into, size_t room, size_t *got);
    /* May take less than all of it. */
    enum sl_err (*writev)(struct transport *t, const struct iovec *iov, int n, size_t *put);
    /* While wants_write: goes on with what the transport holds itself. */
    enum sl_err (*flush)(struct transport *t);
    /* Nothing more will be written; the peer's bytes may still be read. */
    void (*shutdown)(struct transport *t);
    /* Is there something to read that the socket will not announce? */
    bool (*pending)(const struct transport *t);
    /* Once there were bytes to read; lives as long as the transport.  NULL: plain. */
    const struct peer_security *(*security)(struct transport *t);
    /* Of SL_EPROTO. */
    const char *(*reason)(const struct transport *t);
    /* Releases everything, the descriptor too. */
    void (*close)(struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
    int fd;
    bool wants_write; /* there is something to go on with when the socket takes bytes */
    void *state;      /* of the ops; NULL in a plain one */
};

/* Takes fd. */
struct transport transport_plain(int fd);

#endif
