#include "protocols/stomp/destination.h"

#include "core/base/limits.h"
#include "core/prepared_form.h"

static const struct {
    const char *prefix;
    enum stomp_destination_kind kind;
} KINDS[] = {
    {"/queue/", STOMP_TO_QUEUE},           {"/topic/", STOMP_TO_TOPIC},
    {"/exchange/", STOMP_TO_EXCHANGE},     {"/amq/queue/", STOMP_TO_AMQ_QUEUE},
    {"/temp-queue/", STOMP_TO_TEMP_QUEUE}, {"/reply-queue/", STOMP_TO_REPLY_QUEUE},
    {"/prepared/", STOMP_TO_PREPARED},
};

static bool find_kind(struct sl_bytes text, struct stomp_destination *out, struct sl_bytes *rest);
static enum sl_err parse_rest(struct sl_bytes rest, const char *topic_exchange, struct arena *arena,
                              struct stomp_destination *out, const char **why);
static enum sl_err unescape(struct arena *arena, struct sl_bytes *name);
static enum sl_err write_escaped(struct sl_buffer *to, struct sl_bytes name);

enum sl_err stomp_destination_parse(struct sl_bytes text, const char *topic_exchange,
                                    struct arena *arena, struct stomp_destination *out,
                                    const char **why)
{
    struct sl_bytes rest;

    *out = (struct stomp_destination){0};
    *why = "Destination cannot be blank";
    if (text.len == 0)
        return SL_ESYNTAX;
    if (!find_kind(text, out, &rest))
        return SL_ENOENT;
    SL_TRY(parse_rest(rest, topic_exchange, arena, out, why));
    *why = "The name is longer than 255 bytes";
    if (out->exchange.len > SL_NAME_BYTES_MAX || out->key.len > SL_NAME_BYTES_MAX)
        return SL_ESYNTAX;
    return SL_OK;
}

enum sl_err stomp_destination_write(struct sl_buffer *to, struct sl_bytes exchange,
                                    struct sl_bytes key, const char *topic_exchange)
{
    if (exchange.len == 0 || sl_bytes_are(exchange, topic_exchange)) {
        SL_TRY(sl_buffer_append(to, exchange.len == 0 ? SL_BYTES_LITERAL("/queue/")
                                                      : SL_BYTES_LITERAL("/topic/")));
        return write_escaped(to, key);
    }
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("/exchange/")));
    SL_TRY(write_escaped(to, exchange));
    if (key.len == 0)
        return SL_OK;
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("/")));
    return write_escaped(to, key);
}

bool stomp_destination_is_known(struct sl_bytes text)
{
    struct stomp_destination ignored;
    struct sl_bytes rest;

    return text.len != 0 && text.at[0] == '/' && find_kind(text, &ignored, &rest);
}

static bool find_kind(struct sl_bytes text, struct stomp_destination *out, struct sl_bytes *rest)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (!sl_bytes_begin(text, KINDS[i].prefix))
            continue;
        out->kind = KINDS[i].kind;
        *rest = sl_bytes_skip(text, strlen(KINDS[i].prefix));
        return true;
    }
    out->kind = STOMP_TO_QUEUE;
    *rest = text;
    return memchr(text.at, '/', text.len) == NULL;
}

static enum sl_err parse_rest(struct sl_bytes rest, const char *topic_exchange, struct arena *arena,
                              struct stomp_destination *out, const char **why)
{
    const uint8_t *slash;

    *why = "The name is empty";
    if (rest.len == 0)
        return SL_ESYNTAX;
    out->key = rest;
    if (out->kind == STOMP_TO_REPLY_QUEUE || out->kind == STOMP_TO_TEMP_QUEUE)
        return SL_OK;
    if (out->kind == STOMP_TO_TOPIC)
        out->exchange = sl_bytes_of(topic_exchange);
    if (out->kind == STOMP_TO_PREPARED)
        out->exchange = SL_BYTES_LITERAL(PREPARED_EXCHANGE);
    if (out->kind != STOMP_TO_EXCHANGE)
        return unescape(arena, &out->key);

    slash = memchr(rest.at, '/', rest.len);
    out->exchange = rest;
    out->key = (struct sl_bytes){NULL, 0};
    if (slash != NULL) {
        out->exchange.len = (size_t)(slash - rest.at);
        out->key = sl_bytes_skip(rest, out->exchange.len + 1);
    }
    if (out->exchange.len == 0)
        return SL_ESYNTAX;
    SL_TRY(unescape(arena, &out->exchange));
    return unescape(arena, &out->key);
}

static enum sl_err unescape(struct arena *arena, struct sl_bytes *name)
{
    if (name->len == 0 || memchr(name->at, '%', name->len) == NULL)
        return SL_OK;

    uint8_t *to = arena_take(arena, name->len);
    struct sl_bytes left = *name;
    size_t n = 0;

    if (to == NULL)
        return SL_ENOMEM;
    while (left.len != 0) {
        bool is_slash = sl_bytes_begin(left, "%2F");

        to[n++] = is_slash ? '/' : left.at[0];
        left = sl_bytes_skip(left, is_slash ? 3 : 1);
    }
    *name = (struct sl_bytes){to, n};
    return SL_OK;
}

static enum sl_err write_escaped(struct sl_buffer *to, struct sl_bytes name)
{
    static const char HEX[] = "0123456789ABCDEF";
    uint8_t *at = sl_buffer_reserve(to, name.len * 3 + 1);
    size_t n = 0;

    if (at == NULL)
        return SL_ENOMEM;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];

        if (c >= 32 && c <= 127 && c != '/' && c != '%' && c != ':' && c != '\\') {
            at[n++] = c;
            continue;
        }
        if (c == ':' || c == '\\') { /* the header's own escapes, not the destination's */
            at[n++] = '\\';
            at[n++] = c == ':' ? 'c' : '\\';
            continue;
        }
        at[n++] = '%';
        at[n++] = (uint8_t)HEX[c >> 4];
        at[n++] = (uint8_t)HEX[c & 15];
    }
    sl_buffer_grow(to, n);
    return SL_OK;
}
