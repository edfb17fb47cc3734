#include "core/cluster_name.h"

#include <string.h>

#define CLUSTER_ID_BYTES_MAX 64u

static const char TOPIC[] = "/topic/";
static const char EXCHANGE[] = "/exchange/";
static const char VIRTUAL[] = "/queue/Consumer.";

static enum sl_err split_topic(struct sl_bytes text, struct sl_bytes *exchange,
                               struct sl_bytes *pattern);
static bool unescape(struct sl_bytes from, uint8_t room[SL_NAME_BYTES_MAX], struct sl_bytes *to);
static enum sl_err finish(struct sl_bytes id, struct cluster_name *out, struct text *reason);
static void write_part(struct sl_writer *w, struct sl_bytes part, bool is_exchange);
static enum sl_err refuse_length(struct text *reason);

bool cluster_id_is_valid(struct sl_bytes id)
{
    static const char OTHERS[] = "._-";

    if (id.len == 0 || id.len > CLUSTER_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && !(c >= '0' && c <= '9') && memchr(OTHERS, c, sizeof OTHERS - 1) == NULL)
            return false;
    }
    return true;
}

enum sl_err cluster_id_check(struct sl_bytes id, struct text *reason)
{
    if (cluster_id_is_valid(id))
        return SL_OK;
    text_add(reason, "invalid ClusterID '");
    text_add_bytes(reason, id.len > 2 * CLUSTER_ID_BYTES_MAX
                               ? (struct sl_bytes){id.at, 2 * CLUSTER_ID_BYTES_MAX}
                               : id);
    text_add(reason, "': 1 to 64 of A-Z a-z 0-9 . _ - are allowed");
    return SL_EPRECOND;
}

enum sl_err cluster_name_read(struct sl_bytes text, struct cluster_name *out, struct text *reason)
{
    struct sl_bytes before;
    struct sl_bytes pattern;
    struct sl_bytes id;

    if (sl_bytes_begin(text, VIRTUAL) &&
        cluster_name_split_virtual(sl_bytes_skip(text, strlen("/queue/")), &id, &pattern))
        return cluster_name_make(SL_BYTES_LITERAL(CLUSTER_TOPIC_EXCHANGE), pattern, id, out,
                                 reason);
    if ((!sl_bytes_begin(text, TOPIC) && !sl_bytes_begin(text, EXCHANGE)) ||
        !cluster_name_split(text, &before, &id))
        return SL_ENOENT;
    enum sl_err err = cluster_name_of_topic(before, id, out, reason);
    if (err != SL_ENOENT)
        return err;
    text_add(reason, "the name of a cluster queue has something before its last @");
    return SL_EPRECOND;
}

enum sl_err cluster_name_of_topic(struct sl_bytes text, struct sl_bytes id,
                                  struct cluster_name *out, struct text *reason)
{
    struct sl_bytes exchange;
    struct sl_bytes pattern;

    SL_TRY(split_topic(text, &exchange, &pattern));
    if (!unescape(exchange, out->exchange_room, &out->exchange) ||
        !unescape(pattern, out->pattern_room, &out->pattern))
        return refuse_length(reason);
    return finish(id, out, reason);
}

enum sl_err cluster_name_make(struct sl_bytes exchange, struct sl_bytes pattern, struct sl_bytes id,
                              struct cluster_name *out, struct text *reason)
{
    if (exchange.len > SL_NAME_BYTES_MAX || pattern.len > SL_NAME_BYTES_MAX)
        return refuse_length(reason);
    if (exchange.len == 0) {
        text_add(reason, "a cluster queue needs an exchange with a name");
        return SL_EPRECOND;
    }
    memcpy(out->exchange_room, exchange.at, exchange.len);
    if (pattern.len != 0)
        memcpy(out->pattern_room, pattern.at, pattern.len);
    out->exchange = (struct sl_bytes){out->exchange_room, exchange.len};
    out->pattern = (struct sl_bytes){out->pattern_room, pattern.len};
    return finish(id, out, reason);
}

bool cluster_name_split(struct sl_bytes text, struct sl_bytes *before, struct sl_bytes *id)
{
    size_t at = text.len;

    while (at != 0 && text.at[at - 1] != '@')
        at--;
    if (at == 0)
        return false;
    *before = (struct sl_bytes){text.at, at - 1};
    *id = (struct sl_bytes){text.at + at, text.len - at};
    return true;
}

bool cluster_name_split_virtual(struct sl_bytes queue, struct sl_bytes *id,
                                struct sl_bytes *pattern)
{
    static const char CONSUMER[] = "Consumer.";
    static const char VIRTUAL_TOPIC[] = "VirtualTopic.";

    if (!sl_bytes_begin(queue, CONSUMER))
        return false;
    struct sl_bytes rest = sl_bytes_skip(queue, sizeof CONSUMER - 1);
    const uint8_t *dot = rest.len == 0 ? NULL : memchr(rest.at, '.', rest.len);
    if (dot == NULL)
        return false;
    *id = (struct sl_bytes){rest.at, (size_t)(dot - rest.at)};
    *pattern = sl_bytes_skip(rest, id->len + 1);
    return sl_bytes_begin(*pattern, VIRTUAL_TOPIC) && pattern->len > sizeof VIRTUAL_TOPIC - 1;
}

/* Into what stands for the exchange and what stands for the pattern, escapes and all. */
static enum sl_err split_topic(struct sl_bytes text, struct sl_bytes *exchange,
                               struct sl_bytes *pattern)
{
    if (sl_bytes_begin(text, TOPIC)) {
        *exchange = SL_BYTES_LITERAL(CLUSTER_TOPIC_EXCHANGE);
        *pattern = sl_bytes_skip(text, sizeof TOPIC - 1);
        return pattern->len == 0 ? SL_ENOENT : SL_OK;
    }
    if (!sl_bytes_begin(text, EXCHANGE))
        return SL_ENOENT;
    *exchange = sl_bytes_skip(text, sizeof EXCHANGE - 1);
    const uint8_t *slash = exchange->len == 0 ? NULL : memchr(exchange->at, '/', exchange->len);
    *pattern = (struct sl_bytes){NULL, 0};
    if (slash != NULL) {
        size_t len = (size_t)(slash - exchange->at);
        *pattern = sl_bytes_skip(*exchange, len + 1);
        exchange->len = len;
    }
    return exchange->len == 0 ? SL_ENOENT : SL_OK;
}

/* False: it is longer than a name may be. */
static bool unescape(struct sl_bytes from, uint8_t room[SL_NAME_BYTES_MAX], struct sl_bytes *to)
{
    size_t n = 0;

    while (from.len != 0) {
        bool is_slash = sl_bytes_begin(from, "%2F");
        bool is_at = sl_bytes_begin(from, "%40");

        if (n == SL_NAME_BYTES_MAX)
            return false;
        room[n++] = is_slash ? '/' : is_at ? '@' : from.at[0];
        from = sl_bytes_skip(from, is_slash || is_at ? 3 : 1);
    }
    *to = (struct sl_bytes){room, n};
    return true;
}

/* Writes the queue's own name of exchange and pattern. */
static enum sl_err finish(struct sl_bytes id, struct cluster_name *out, struct text *reason)
{
    struct sl_writer w = {out->own_room, out->own_room + sizeof out->own_room, false};

    SL_TRY(cluster_id_check(id, reason));
    if (sl_bytes_are(out->exchange, CLUSTER_TOPIC_EXCHANGE) && out->pattern.len == 0)
        return cluster_name_refuse_pattern(out->exchange, true, reason);
    if (sl_bytes_are(out->exchange, CLUSTER_TOPIC_EXCHANGE)) {
        sl_write_bytes(&w, sl_bytes_of(TOPIC));
        write_part(&w, out->pattern, false);
    } else {
        sl_write_bytes(&w, sl_bytes_of(EXCHANGE));
        write_part(&w, out->exchange, true);
        if (out->pattern.len != 0)
            sl_write_u8(&w, '/');
        write_part(&w, out->pattern, false);
    }
    sl_write_u8(&w, '@');
    const uint8_t *own_id = w.pos;
    sl_write_bytes(&w, id);
    if (w.overflowed)
        return refuse_length(reason);
    out->own = (struct sl_bytes){out->own_room, (size_t)(w.pos - out->own_room)};
    out->id = (struct sl_bytes){own_id, id.len};
    return SL_OK;
}

static void write_part(struct sl_writer *w, struct sl_bytes part, bool is_exchange)
{
    for (size_t i = 0; i < part.len; i++) {
        if (part.at[i] == '@')
            sl_write_bytes(w, SL_BYTES_LITERAL("%40"));
        else if (part.at[i] == '/' && is_exchange)
            sl_write_bytes(w, SL_BYTES_LITERAL("%2F"));
        else
            sl_write_u8(w, part.at[i]);
    }
}

enum sl_err cluster_name_refuse_pattern(struct sl_bytes exchange, bool is_missing,
                                        struct text *reason)
{
    text_add(reason, is_missing ? "a cluster queue on exchange '" : "exchange '");
    text_add_bytes(reason, exchange);
    text_add(reason, is_missing ? "' needs a pattern"
                                : "' has no keys: a cluster queue on it has no pattern");
    return SL_EPRECOND;
}

static enum sl_err refuse_length(struct text *reason)
{
    text_add(reason, "the name of a cluster queue is longer than 255 bytes");
    return SL_EPRECOND;
}
