/*
 * entrance.h - what a connection passes before its first bytes reach a front end.
 *
 * Thread: written by main before workers start, then read by all.
 */
#ifndef SLUICE_GATEWAY_ENTRANCE_H
#define SLUICE_GATEWAY_ENTRANCE_H

#include "gateway/address_list.h"
#include "gateway/cert_login.h"
#include "gateway/tls_context.h"
#include "protocols/protocol.h"

enum port_tls { PORT_PLAIN, PORT_EITHER, PORT_TLS };

struct port {
    const char *name;                /* for logs: "amqp", "amqps" */
    const struct protocol *protocol; /* who answers first bytes that are nobody's */
    enum port_tls tls;               /* PORT_EITHER: the first byte says */
};

struct entrance {                /* of one worker's connections */
    struct tls_context *tls;     /* NULL: every port is plain */
    struct address_list proxies; /* whose connections begin with a header of the proxy protocol */
    struct cert_login cert_login;
};

#endif
