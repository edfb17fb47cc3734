#include "protocols/stomp/headers.h"

static uint8_t unescaped(uint8_t c);
static const char *escape_of(uint8_t c);

enum sl_err stomp_unescape(struct arena *arena, struct sl_bytes raw, bool is_strict,
                           struct sl_bytes *out)
{
    *out = raw;
    if (raw.len == 0 || memchr(raw.at, '\\', raw.len) == NULL)
        return SL_OK;

    uint8_t *to = arena_take(arena, raw.len);
    struct sl_reader r = sl_reader_of(raw);
    size_t n = 0;

    if (to == NULL)
        return SL_ENOMEM;
    while (sl_reader_left(&r) != 0) {
        uint8_t c = sl_read_u8(&r);
        uint8_t meant = 0;

        if (c == '\\' && sl_reader_left(&r) != 0)
            meant = unescaped(*r.pos);
        if (c == '\\' && meant == 0 && is_strict)
            return SL_ESYNTAX;
        if (meant != 0)
            sl_read_u8(&r);
        to[n++] = meant != 0 ? meant : c;
    }
    *out = (struct sl_bytes){to, n};
    return SL_OK;
}

enum sl_err stomp_escape(struct sl_buffer *to, struct sl_bytes bytes)
{
    uint8_t *at = sl_buffer_reserve(to, bytes.len * 2 + 1);
    size_t n = 0;

    if (at == NULL)
        return SL_ENOMEM;
    for (size_t i = 0; i < bytes.len; i++) {
        const char *escape = escape_of(bytes.at[i]);

        if (escape == NULL) {
            at[n++] = bytes.at[i];
            continue;
        }
        at[n++] = (uint8_t)escape[0];
        at[n++] = (uint8_t)escape[1];
    }
    sl_buffer_grow(to, n);
    return SL_OK;
}

void stomp_headers_trim(struct stomp_headers *h)
{
    for (uint32_t i = 0; i < h->count; i++)
        h->at[i].value = stomp_trim(h->at[i].value);
}

struct sl_bytes stomp_trim(struct sl_bytes value)
{
    while (value.len != 0 && (value.at[0] == ' ' || value.at[0] == '\t'))
        value = sl_bytes_skip(value, 1);
    return value;
}

bool stomp_number(struct sl_bytes value, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = value.at[i] - (unsigned)'0';

        if (digit > 9 || n > (max - digit) / 10 || digit > max)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

bool stomp_signed_number(struct sl_bytes value, int64_t *out)
{
    bool is_negative = value.len != 0 && value.at[0] == '-';
    uint64_t n;

    if (!stomp_number(is_negative ? sl_bytes_skip(value, 1) : value, INT64_MAX, &n))
        return false;
    *out = is_negative ? -(int64_t)n : (int64_t)n;
    return true;
}

bool stomp_bool(const struct stomp_headers *h, const char *name, bool otherwise)
{
    struct sl_bytes value = stomp_value(h, name);

    if (sl_bytes_are(value, "true") || sl_bytes_are(value, "True"))
        return true;
    if (sl_bytes_are(value, "false") || sl_bytes_are(value, "False"))
        return false;
    return otherwise;
}

static uint8_t unescaped(uint8_t c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 'c': return ':';
    case '\\': return '\\';
    default: return 0;
    }
}

static const char *escape_of(uint8_t c)
{
    switch (c) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case ':': return "\\c";
    case '\\': return "\\\\";
    default: return NULL;
    }
}
