#include "gateway/ctl/api.h"

#include "core/base/buffer.h"
#include "gateway/admin/socket.h"

#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define BODY_BYTES_MAX (1024u * 1024 * 1024)
#define TIMEOUT_S 150 /* longer than the gateway's own */

struct response {
    struct sl_buffer body;
    bool is_done;
};

static enum sl_err open_socket(const char *path, int *fd, struct text *why);
static enum sl_err send_request(int fd, const char *method, const char *path, const json_t *body,
                                struct text *why);
static enum sl_err send_all(int fd, const char *at, size_t len, struct text *why);
static enum sl_err read_response(int fd, http_parser *parser, struct response *r, struct text *why);
static int on_body(http_parser *parser, const char *at, size_t len);
static int on_complete(http_parser *parser);
static enum sl_err read_json(unsigned status, struct sl_bytes body, json_t **out, struct text *why);

enum sl_err api_get(const char *socket_path, const char *path, json_t **out, struct text *why)
{
    return api_call(socket_path, "GET", path, NULL, out, why);
}

enum sl_err api_post(const char *socket_path, const char *path, struct text *why)
{
    json_t *nothing = NULL;
    enum sl_err err = api_call(socket_path, "POST", path, NULL, &nothing, why);

    json_decref(nothing);
    return err;
}

void api_add_segment(struct text *path, const char *segment)
{
    text_add(path, "/");
    for (; *segment != '\0'; segment++) {
        unsigned char c = (unsigned char)*segment;
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        text_add(path, is_plain ? "%c" : "%%%02X", c);
    }
}

enum sl_err api_call(const char *socket_path, const char *method, const char *path,
                     const json_t *body, json_t **out, struct text *why)
{
    http_parser parser;
    struct response r = {.is_done = false};
    int fd;

    *out = NULL;
    SL_TRY(open_socket(socket_path, &fd, why));
    sl_buffer_init(&r.body, BODY_BYTES_MAX);
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = &r;
    enum sl_err err = send_request(fd, method, path, body, why);
    if (err == SL_OK)
        err = read_response(fd, &parser, &r, why);
    if (err == SL_OK)
        err = read_json(parser.status_code, sl_buffer_bytes(&r.body), out, why);
    sl_buffer_deinit(&r.body);
    close(fd);
    return err;
}

static enum sl_err open_socket(const char *path, int *fd, struct text *why)
{
    static const struct timeval timeout = {TIMEOUT_S, 0};
    char room[128];

    if (socket_connect(path, fd) == SL_OK) {
        (void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        (void)setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        return SL_OK;
    }
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        text_add(why,
                 "no gateway is running here: nobody answers at %s "
                 "(--data-dir names the directory of the one you mean)",
                 path);
        return SL_ENOENT;
    case EACCES:
    case EPERM:
        text_add(why, "%s may only be used by root and the user that the gateway runs as", path);
        return SL_EDENIED;
    default: text_add(why, "%s: %s", path, strerror_r(errno, room, sizeof room)); return SL_EIO;
    }
}

static enum sl_err send_request(int fd, const char *method, const char *path, const json_t *body,
                                struct text *why)
{
    char request[4096];
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    size_t body_len = text == NULL ? 0 : strlen(text);
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\n"
                       "content-length: %zu\r\n\r\n",
                       method, path, body_len);

    enum sl_err err = send_all(fd, request, (size_t)len, why);
    if (err == SL_OK && body_len != 0)
        err = send_all(fd, text, body_len, why);
    free(text);
    return err;
}

static enum sl_err send_all(int fd, const char *at, size_t len, struct text *why)
{
    while (len != 0) {
        ssize_t put = send(fd, at, len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            text_add(why, "the gateway broke the connection off");
            return SL_EIO;
        }
        at += put;
        len -= (size_t)put;
    }
    return SL_OK;
}

static enum sl_err read_response(int fd, http_parser *parser, struct response *r, struct text *why)
{
    static const http_parser_settings SETTINGS = {.on_body = on_body,
                                                  .on_message_complete = on_complete};
    static char bytes[READ_BYTES];

    while (!r->is_done) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            text_add(why, got < 0 && errno == EAGAIN ? "the gateway does not answer"
                                                     : "the gateway broke the connection off");
            return SL_EIO;
        }
        size_t used = http_parser_execute(parser, &SETTINGS, bytes, (size_t)got);
        if (!r->is_done && (used != (size_t)got || HTTP_PARSER_ERRNO(parser) != HPE_OK)) {
            text_add(why, "the answer cannot be read: %s",
                     http_errno_description(HTTP_PARSER_ERRNO(parser)));
            return SL_EPROTO;
        }
    }
    return SL_OK;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct response *r = parser->data;

    return sl_buffer_append(&r->body, (struct sl_bytes){(const uint8_t *)at, len}) != SL_OK;
}

static int on_complete(http_parser *parser)
{
    struct response *r = parser->data;

    r->is_done = true;
    return 0;
}

static enum sl_err read_json(unsigned status, struct sl_bytes body, json_t **out, struct text *why)
{
    json_error_t error;
    const char *reason;
    bool is_good = status == 200 || status == 201 || status == 204;

    if (body.len == 0 && is_good)
        return SL_OK;
    *out = json_loadb((const char *)body.at, body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*out == NULL) {
        text_add(why, "the answer cannot be read: %s", error.text);
        return SL_EPROTO;
    }
    if (is_good)
        return SL_OK;
    reason = json_string_value(json_object_get(*out, "reason"));
    text_add(why, "the gateway says %u: %s", status, reason == NULL ? "no reason" : reason);
    json_decref(*out);
    *out = NULL;
    return SL_EPRECOND;
}
