#include "gateway/conn_opening.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "gateway/conn_set.h"
#include "gateway/proxy_protocol.h"
#include "gateway/transport_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TLS_HANDSHAKE 0x16

static bool take_proxy_header(struct conn *c);
static bool take_first_byte(struct conn *c);
static size_t peek(struct conn *c, uint8_t *into, size_t room);
static size_t awaited(const struct conn *c);
static void wait_for(struct conn *c, size_t bytes);

void conn_opening_begin(struct conn *c)
{
    c->awaits_first_byte = c->set->entrance.tls != NULL && c->port->tls != PORT_PLAIN;
}

bool conn_opening_step(struct conn *c)
{
    if (c->awaits_proxy_header && !take_proxy_header(c))
        return false;
    return !c->awaits_first_byte || take_first_byte(c);
}

static bool take_proxy_header(struct conn *c)
{
    struct proxy_header header;
    size_t len = peek(c, c->set->input, SL_PROXY_HEADER_BYTES_MAX);

    if (len == 0)
        return false;
    enum sl_err err = proxy_protocol_parse((struct sl_bytes){c->set->input, len}, &header);
    if (err == SL_EAGAIN && len >= awaited(c)) {
        wait_for(c, len + 1);
        return false;
    }
    wait_for(c, 1);
    if (err != SL_OK || recv(c->watch.fd, c->set->input, header.len, 0) != (ssize_t)header.len) {
        conn_refuse(c, "no-proxy-header");
        return false;
    }
    c->awaits_proxy_header = false;
    if (header.is_local)
        return true;
    c->origin = malloc(sizeof *c->origin);
    if (c->origin == NULL) {
        conn_refuse(c, "memory");
        return false;
    }
    *c->origin = (struct conn_origin){header.source, header.target};
    return true;
}

static bool take_first_byte(struct conn *c)
{
    uint8_t first;

    if (peek(c, &first, 1) == 0)
        return false;
    c->awaits_first_byte = false;
    if (first != TLS_HANDSHAKE) {
        if (c->port->tls == PORT_TLS)
            conn_refuse(c, "plain-on-tls-port");
        return c->port->tls != PORT_TLS;
    }
    if (transport_tls_begin(&c->transport, c->set->entrance.tls) == SL_OK)
        return true;
    conn_refuse(c, "memory");
    return false;
}

/* 0: there is nothing yet, or nothing will come. */
static size_t peek(struct conn *c, uint8_t *into, size_t room)
{
    ssize_t n = recv(c->watch.fd, into, room, MSG_PEEK);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        conn_kill(c);
    return n < 0 ? 0 : (size_t)n;
}

/* With less than this the socket only announces that nothing more will come, be it that the peer
 * has finished or that urgent data stands in the way. */
static size_t awaited(const struct conn *c)
{
    int mark = 1;
    socklen_t size = sizeof mark;

    (void)getsockopt(c->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &size);
    return (size_t)mark;
}

/* The socket would announce again and again what was only looked at. */
static void wait_for(struct conn *c, size_t bytes)
{
    int mark = (int)bytes;

    (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark);
}
