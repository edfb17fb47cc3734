/*
 * proxy_protocol.h - the header by which a proxy says for whom it connects: PROXY protocol,
 * version 1 (a line of text) and 2 (binary).
 *
 * Thread: any.
 */
#ifndef SLUICE_GATEWAY_PROXY_PROTOCOL_H
#define SLUICE_GATEWAY_PROXY_PROTOCOL_H

#include "core/base/bytes.h"
#include "gateway/address.h"

struct proxy_header {
    size_t len;    /* of the header; the client's own bytes begin behind it */
    bool is_local; /* the proxy speaks for itself, or does not know: the socket's addresses hold */
    struct address source;
    struct address target;
};

/* in is what has come so far.  SL_EAGAIN: it may become a header, with more bytes.  SL_EPROTO: it
 * is none, or longer than SL_PROXY_HEADER_BYTES_MAX. */
SL_MUST_CHECK enum sl_err proxy_protocol_parse(struct sl_bytes in, struct proxy_header *out);

#endif
