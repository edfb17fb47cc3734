/*
 * listener.h - a port, as one worker sees it.
 *
 * Every worker has a socket of its own on every port (SO_REUSEPORT), so the kernel spreads
 * connections over workers and no accept is ever contended.
 *
 * From listener_open on the port is ours, but whoever connects is refused until listener_listen.
 *
 * Thread: opened by main before the worker starts; listener_listen main's; then the worker's.
 */
#ifndef SLUICE_GATEWAY_LISTENER_H
#define SLUICE_GATEWAY_LISTENER_H

#include "core/base/text.h"
#include "gateway/address.h"
#include "gateway/conn_set.h"

struct listener {
    struct loop_watch watch; /* first: a ready watch is its listener */
    struct conn_set *set;
    const struct port *port;
    struct address at;
    bool is_watched;
    struct timer pause; /* after a failed accept */
};

/* Finds the address to listen on: bind, or every address of the machine, IPv6 included where
 * there is such a thing.  SL_EIO with why: another process has the port, or it may not be had. */
SL_MUST_CHECK enum sl_err listener_probe(const char *bind, uint16_t port, struct address *out,
                                         struct text *why);

/* SL_EIO with why. */
SL_MUST_CHECK enum sl_err listener_open(struct listener *l, struct conn_set *set,
                                        const struct address *at, const struct port *port,
                                        struct text *why);
/* Connections wait from here on.  SL_EIO with why. */
SL_MUST_CHECK enum sl_err listener_listen(const struct listener *l, struct text *why);
/* And are accepted from here on. */
void listener_serve(struct listener *l);
/* Idempotent. */
void listener_close(struct listener *l);

#endif
