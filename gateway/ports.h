/*
 * ports.h - the ports of the gateway, and what guards them: certificates, proxies, a limit.
 *
 * Thread: main.  Part of assemble.c.
 */
#ifndef SLUICE_GATEWAY_PORTS_H
#define SLUICE_GATEWAY_PORTS_H

#include "gateway/assemble.h"

/* Workers are there and have not started.  Any error with why. */
SL_MUST_CHECK enum sl_err ports_open(struct gateway *g, struct text *why);
/* Workers have stopped; also when nothing was opened. */
void ports_close(struct gateway *g);

/* Reads certificates, keys and revocation lists again, for new connections.  On an error the old
 * ones stay, and why says what is wrong. */
SL_MUST_CHECK enum sl_err ports_reload(struct gateway *g, const struct tls_settings *settings,
                                       struct text *why);

/* " amqp=0.0.0.0:5672 ..." */
void ports_describe(const struct gateway *g, struct text *to);

#endif
