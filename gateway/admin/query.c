#include "gateway/admin/query.h"

#include <http_parser.h>
#include <stdlib.h>

static enum sl_err take_path(struct query *q, struct sl_bytes path, struct sl_writer *w);
static enum sl_err take_parameters(struct query *q, struct sl_bytes all, struct sl_writer *w);
static enum sl_err decode(struct sl_bytes in, bool plus_is_space, struct sl_writer *w,
                          struct sl_bytes *out);
static bool read_hex(struct sl_reader *r, uint8_t *out);
static int hex_digit(uint8_t c);
static struct sl_bytes cut(struct sl_bytes *rest, char at);

enum sl_err query_parse(struct query *q, struct sl_bytes target)
{
    struct http_parser_url url;

    *q = (struct query){.text = NULL};
    http_parser_url_init(&url);
    if (target.len == 0 || http_parser_parse_url((const char *)target.at, target.len, 0, &url) != 0)
        return SL_ESYNTAX;
    struct sl_bytes path = {target.at + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len};
    struct sl_bytes rest = {target.at + url.field_data[UF_QUERY].off, url.field_data[UF_QUERY].len};
    if (path.len == 0 || path.at[0] != '/')
        return SL_ESYNTAX;

    q->text = malloc(target.len); /* decoding only shortens */
    if (q->text == NULL)
        return SL_ENOMEM;
    struct sl_writer w = {q->text, q->text + target.len, false};
    enum sl_err err = take_path(q, sl_bytes_skip(path, 1), &w);
    if (err == SL_OK)
        err = take_parameters(q, rest, &w);
    if (err != SL_OK)
        query_deinit(q);
    return err;
}

void query_deinit(struct query *q)
{
    free(q->text);
    q->text = NULL;
}

struct sl_bytes query_value(const struct query *q, const char *name)
{
    for (size_t i = 0; i < q->parameters_count; i++)
        if (sl_bytes_are(q->parameters[i].name, name))
            return q->parameters[i].value;
    return (struct sl_bytes){NULL, 0};
}

bool query_is_true(const struct query *q, const char *name)
{
    return sl_bytes_are(query_value(q, name), "true");
}

enum sl_err query_number(const struct query *q, const char *name, uint64_t *out)
{
    struct sl_bytes value = query_value(q, name);
    uint64_t number = 0;

    if (value.at == NULL)
        return SL_OK;
    if (value.len == 0 || value.len > 18)
        return SL_ESYNTAX;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return SL_ESYNTAX;
        number = number * 10 + (value.at[i] - '0');
    }
    *out = number;
    return SL_OK;
}

static enum sl_err take_path(struct query *q, struct sl_bytes path, struct sl_writer *w)
{
    while (path.len != 0) {
        if (q->segments_count == QUERY_SEGMENTS_MAX)
            return SL_ETOOBIG;
        SL_TRY(decode(cut(&path, '/'), false, w, &q->segments[q->segments_count++]));
    }
    return SL_OK;
}

static enum sl_err take_parameters(struct query *q, struct sl_bytes all, struct sl_writer *w)
{
    while (all.len != 0) {
        struct sl_bytes value = cut(&all, '&');
        struct sl_bytes name = cut(&value, '=');
        struct query_parameter *p = &q->parameters[q->parameters_count];

        if (name.len == 0)
            continue;
        if (q->parameters_count == QUERY_PARAMETERS_MAX)
            return SL_ETOOBIG;
        SL_TRY(decode(name, true, w, &p->name));
        SL_TRY(decode(value, true, w, &p->value));
        q->parameters_count++;
    }
    return SL_OK;
}

static enum sl_err decode(struct sl_bytes in, bool plus_is_space, struct sl_writer *w,
                          struct sl_bytes *out)
{
    struct sl_reader r = sl_reader_of(in);
    const uint8_t *start = w->pos;

    while (sl_reader_left(&r) != 0) {
        uint8_t c = sl_read_u8(&r);
        if (c == '+' && plus_is_space)
            c = ' ';
        else if (c == '%' && !read_hex(&r, &c))
            return SL_ESYNTAX;
        sl_write_u8(w, c);
    }
    if (w->overflowed)
        return SL_ETOOBIG;
    *out = (struct sl_bytes){start, (size_t)(w->pos - start)};
    return SL_OK;
}

static bool read_hex(struct sl_reader *r, uint8_t *out)
{
    int high = hex_digit(sl_read_u8(r));
    int low = hex_digit(sl_read_u8(r));

    if (high < 0 || low < 0 || r->is_short)
        return false;
    *out = (uint8_t)(high << 4 | low);
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Gives what stands before the first such character, or all; *rest is what stands behind it. */
static struct sl_bytes cut(struct sl_bytes *rest, char at)
{
    const uint8_t *found = rest->len == 0 ? NULL : memchr(rest->at, at, rest->len);
    struct sl_bytes first = {rest->at, found == NULL ? rest->len : (size_t)(found - rest->at)};

    *rest = sl_bytes_skip(*rest, first.len + 1);
    return first;
}
