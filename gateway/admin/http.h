/*
 * http.h - HTTP/1.1 requests in, responses out; bytes only, no socket.
 *
 * A request is taken up in any pieces.  What is behind it in the input stays for the next one.
 * Its body is kept as it came.
 *
 * Thread: the owner's.
 */
#ifndef SLUICE_GATEWAY_ADMIN_HTTP_H
#define SLUICE_GATEWAY_ADMIN_HTTP_H

#include "core/base/buffer.h"

#include <http_parser.h>
#include <stdbool.h>

#define HTTP_TARGET_BYTES_MAX 8192u                /* path and query: names are 255 bytes at most */
#define HTTP_REQUEST_BYTES_MAX (64u * 1024 * 1024) /* everything: definitions may be long */

struct http_request {
    http_parser parser;
    struct sl_buffer target; /* as it came */
    struct sl_buffer body;
    size_t bytes; /* of this request so far */
    bool is_begun;
    bool is_done;
    bool keeps_alive;
};

void http_request_init(struct http_request *r);
void http_request_deinit(struct http_request *r);
/* Ready for the next one on the same connection. */
void http_request_next(struct http_request *r);

/* SL_OK: the request is whole, *used bytes were its.  SL_EAGAIN: all of in was taken, and more
 * is needed.  SL_EPROTO: not HTTP.  SL_ETOOBIG: beyond a limit.  After these two nothing more
 * can be read from the connection. */
SL_MUST_CHECK enum sl_err http_request_feed(struct http_request *r, struct sl_bytes in,
                                            size_t *used);

/* Writes status line and headers for a JSON body of that many bytes; 204 has none.  allow: methods for 405 and
 * OPTIONS, or NULL.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err http_respond(struct sl_buffer *out, unsigned status, size_t body_bytes,
                                       bool keeps_alive, const char *allow);

#endif
