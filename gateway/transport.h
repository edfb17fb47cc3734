/*
 * transport.h - how bytes cross a socket: plain now, encrypted by another table of the same
 * shape.
 *
 * Nothing here blocks.  SL_EAGAIN means that the socket must become ready first, SL_EIO that
 * the connection is over.
 */
#ifndef SLUICE_GATEWAY_TRANSPORT_H
#define SLUICE_GATEWAY_TRANSPORT_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct transport;

struct transport_ops {
    /* *got is 0 with SL_OK when the peer has sent its last byte. */
    enum sl_err (*read)(struct transport *t, uint8_t *into, size_t room, size_t *got);
    /* May take less than all of it. */
    enum sl_err (*writev)(struct transport *t, const struct iovec *iov, int n, size_t *put);
    /* Nothing more will be written; the peer's bytes may still be read. */
    void (*shutdown)(struct transport *t);
    /* Are there bytes to read that the socket will not announce? */
    bool (*pending)(const struct transport *t);
    /* Releases everything, the descriptor too. */
    void (*close)(struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
    int fd;
    void *state; /* of the ops; NULL in a plain one */
};

/* Takes fd. */
struct transport transport_plain(int fd);

#endif
