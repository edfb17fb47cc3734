#include "gateway/admin/http.h"

#include <stdio.h>

#define HEADER_BYTES_MAX (16u * 1024)

static int on_begin(http_parser *parser);
static int on_target(http_parser *parser, const char *at, size_t len);
static int on_headers(http_parser *parser);
static int on_body(http_parser *parser, const char *at, size_t len);
static int on_complete(http_parser *parser);
static void restart(struct http_request *r);
static const char *reason_of(unsigned status);

static const http_parser_settings SETTINGS = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void http_request_init(struct http_request *r)
{
    *r = (struct http_request){.is_begun = false};
    sl_buffer_init(&r->target, HTTP_TARGET_BYTES_MAX);
    sl_buffer_init(&r->body, HTTP_REQUEST_BYTES_MAX);
    http_parser_set_max_header_size(HEADER_BYTES_MAX);
    restart(r);
}

void http_request_deinit(struct http_request *r)
{
    sl_buffer_deinit(&r->target);
    sl_buffer_deinit(&r->body);
}

void http_request_next(struct http_request *r)
{
    sl_buffer_clear(&r->target);
    sl_buffer_deinit(&r->body);
    sl_buffer_init(&r->body, HTTP_REQUEST_BYTES_MAX);
    restart(r);
}

enum sl_err http_request_feed(struct http_request *r, struct sl_bytes in, size_t *used)
{
    size_t n = http_parser_execute(&r->parser, &SETTINGS, (const char *)in.at, in.len);

    *used = n < in.len ? n : in.len;
    r->bytes += *used;
    if (r->is_done)
        return SL_OK;
    if (HTTP_PARSER_ERRNO(&r->parser) == HPE_HEADER_OVERFLOW ||
        HTTP_PARSER_ERRNO(&r->parser) == HPE_CB_url ||
        HTTP_PARSER_ERRNO(&r->parser) == HPE_CB_headers_complete ||
        HTTP_PARSER_ERRNO(&r->parser) == HPE_CB_body || r->bytes > HTTP_REQUEST_BYTES_MAX)
        return SL_ETOOBIG;
    if (HTTP_PARSER_ERRNO(&r->parser) != HPE_OK || n != in.len)
        return SL_EPROTO;
    return SL_EAGAIN;
}

enum sl_err http_respond(struct sl_buffer *out, unsigned status, size_t body_bytes,
                         bool keeps_alive, const char *allow)
{
    char head[512];
    char length[48] = "";

    if (status != 204)
        snprintf(length, sizeof length, "content-length: %zu\r\n", body_bytes);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %u %s\r\n"
                       "server: Sluice\r\n"
                       "%s"
                       "cache-control: no-cache\r\n"
                       "%s"
                       "%s%s%s"
                       "%s"
                       "\r\n",
                       status, reason_of(status),
                       status == 204 ? "" : "content-type: application/json\r\n", length,
                       allow == NULL ? "" : "allow: ", allow == NULL ? "" : allow,
                       allow == NULL ? "" : "\r\n", keeps_alive ? "" : "connection: close\r\n");

    return sl_buffer_append(out, (struct sl_bytes){(const uint8_t *)head, (size_t)len});
}

static int on_begin(http_parser *parser)
{
    struct http_request *r = parser->data;

    r->is_begun = true;
    return 0;
}

static int on_target(http_parser *parser, const char *at, size_t len)
{
    struct http_request *r = parser->data;

    return sl_buffer_append(&r->target, (struct sl_bytes){(const uint8_t *)at, len}) != SL_OK;
}

/* What is announced as too long need not be read. */
static int on_headers(http_parser *parser)
{
    bool is_said = (parser->flags & F_CONTENTLENGTH) != 0;

    return is_said && parser->content_length > HTTP_REQUEST_BYTES_MAX ? -1 : 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct http_request *r = parser->data;

    return sl_buffer_append(&r->body, (struct sl_bytes){(const uint8_t *)at, len}) != SL_OK;
}

/* The parser stops here, so that what follows is left for the next request. */
static int on_complete(http_parser *parser)
{
    struct http_request *r = parser->data;

    r->is_done = true;
    r->keeps_alive = http_should_keep_alive(parser) != 0 && !parser->upgrade;
    http_parser_pause(parser, 1);
    return 0;
}

static void restart(struct http_request *r)
{
    http_parser_init(&r->parser, HTTP_REQUEST);
    r->parser.data = r;
    r->bytes = 0;
    r->is_begun = r->is_done = r->keeps_alive = false;
}

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } REASONS[] = {
#define REASON(number, name, text) {number, #text},
        HTTP_STATUS_MAP(REASON)
#undef REASON
    };
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    return "Unknown";
}
