#include "core/deaths.h"

#include "core/base/limits.h"
#include "core/base/text.h"
#include "core/properties.h"
#include "core/table.h"

#define OWN_BYTES_MAX 4096u /* names, and ten strings of at most 255 bytes */

static size_t headers_room(struct sl_bytes properties);
static void write_headers(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                          struct sl_bytes expiration);
static void write_kept(struct sl_writer *w, struct sl_bytes headers, const struct death *death);
static bool write_own(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                      struct sl_bytes expiration);
static void write_first_again(struct sl_writer *w, struct sl_bytes headers);
static bool is_kept(struct sl_bytes name, const struct death *death);
static void write_origin(struct sl_writer *w, const char *which, const struct death *death);
static bool write_deaths(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                         struct sl_bytes expiration);
static void write_newest(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                         struct sl_bytes expiration, bool has_copies);
static void write_again(struct sl_writer *w, struct sl_bytes former);
static bool write_older(struct sl_writer *w, struct table_value deaths, const struct death *death);
static void write_string_value(struct sl_writer *w, struct sl_bytes value);
static struct sl_bytes find_alike(struct table_value deaths, const struct death *death);
static bool is_alike(struct sl_bytes table, const struct death *death);
static bool has_text(struct sl_bytes table, const char *name, struct sl_bytes text);
static bool find_deaths(struct sl_bytes headers, struct table_value *deaths);
static bool next_table(struct sl_reader *r, struct sl_bytes *table);

size_t deaths_room(struct sl_bytes properties)
{
    return 2 * headers_room(properties);
}

/* The headers first, in the second half of the room, for what stands around them is known. */
struct sl_bytes deaths_write(struct sl_bytes properties, const struct death *death, uint8_t *room)
{
    size_t n = headers_room(properties);
    struct properties p;

    properties_decode(properties, &p);
    struct sl_bytes headers = p.headers.len == 0 ? table_empty : p.headers;
    struct sl_bytes expiration = p.expiration;
    size_t around = properties.len - p.headers.len;
    p.present &= (uint16_t)~PROPERTY_EXPIRATION;
    p.present |= PROPERTY_HEADERS;
    if ((properties.at[0] & PROPERTY_EXPIRATION >> 8) == 0)
        expiration = (struct sl_bytes){NULL, 0};

    struct sl_writer inner = {room + n, room + 2 * n - around, false};
    write_headers(&inner, headers, death, expiration);
    p.headers = (struct sl_bytes){room + n, (size_t)(inner.pos - (room + n))};
    struct sl_writer w = {room, room + n, false};
    properties_encode(&p, &w);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

struct sl_reader deaths_since_rejection(struct sl_bytes properties)
{
    struct sl_bytes headers;
    struct table_value deaths;

    if (properties_headers(properties, &headers) && find_deaths(headers, &deaths))
        return table_elements(deaths);
    return sl_reader_of((struct sl_bytes){NULL, 0});
}

bool deaths_next_queue(struct sl_reader *deaths, struct sl_bytes *queue)
{
    struct table_value value;
    struct sl_bytes table;

    while (next_table(deaths, &table)) {
        if (has_text(table, "reason", SL_BYTES_LITERAL("rejected")))
            return false;
        if (table_find(table, "queue", &value) && table_value_string(value, queue))
            return true;
    }
    return false;
}

/* The keys of CC stand there twice. */
static size_t headers_room(struct sl_bytes properties)
{
    size_t n = 2 * properties.len + OWN_BYTES_MAX;

    if (n > SL_PROPERTIES_BYTES_MAX)
        n = SL_PROPERTIES_BYTES_MAX;
    return n < properties.len + 4 ? properties.len + 4 : n;
}

/* Where not all fits a publisher's headers give room: what nobody knows to have died there could
 * go round for ever. */
static void write_headers(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                          struct sl_bytes expiration)
{
    struct sl_writer before = *w;
    uint8_t *start = table_write_start(w);

    write_kept(w, headers, death);
    if (!write_own(w, headers, death, expiration)) {
        *w = before;
        start = table_write_start(w);
        write_own(w, headers, death, expiration);
        write_kept(w, headers, death);
    }
    table_write_finish(w, start);
}

static void write_kept(struct sl_writer *w, struct sl_bytes headers, const struct death *death)
{
    struct sl_reader r = table_fields(headers);
    struct table_field field;

    while (table_next(&r, &field)) {
        struct sl_writer before = *w;
        if (is_kept(field.name, death))
            table_write_value(w, field.name, field.value);
        if (w->overflowed)
            *w = before;
    }
}

/* False: not every death has found room. */
static bool write_own(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                      struct sl_bytes expiration)
{
    if (death->has_deaths)
        write_first_again(w, headers);
    else
        write_origin(w, "first", death);
    write_origin(w, "last", death);
    return write_deaths(w, headers, death, expiration);
}

static void write_first_again(struct sl_writer *w, struct sl_bytes headers)
{
    struct sl_reader r = table_fields(headers);
    struct table_field field;
    struct sl_writer before = *w;

    while (table_next(&r, &field))
        if (sl_bytes_begin(field.name, "x-first-death-"))
            table_write_value(w, field.name, field.value);
    if (w->overflowed)
        *w = before;
}

static bool is_kept(struct sl_bytes name, const struct death *death)
{
    if (sl_bytes_are(name, "x-death") || sl_bytes_begin(name, "x-first-death-") ||
        sl_bytes_begin(name, "x-last-death-") || sl_bytes_are(name, "BCC"))
        return false;
    return !death->is_new_key || !sl_bytes_are(name, "CC");
}

static void write_origin(struct sl_writer *w, const char *which, const struct death *death)
{
    const struct {
        const char *what;
        struct sl_bytes value;
    } parts[] = {{"reason", death->reason}, {"queue", death->queue}, {"exchange", death->exchange}};
    struct sl_writer before = *w;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char room[64];
        struct text name = text_on(room, sizeof room);
        text_add(&name, "x-%s-death-%s", which, parts[i].what);
        table_write_string(w, sl_bytes_of(room), parts[i].value);
    }
    if (w->overflowed)
        *w = before;
}

static bool write_deaths(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                         struct sl_bytes expiration)
{
    struct table_value deaths = {TABLE_ARRAY, {NULL, 0}};
    struct sl_writer before = *w;

    if (death->has_deaths)
        find_deaths(headers, &deaths);
    struct sl_bytes former = find_alike(deaths, death);
    for (int copies = former.len == 0; copies >= 0; copies--) { /* if need be, without CC */
        *w = before;
        sl_write_short_string(w, SL_BYTES_LITERAL("x-death"));
        sl_write_u8(w, TABLE_ARRAY);
        uint8_t *start = sl_write_room(w, 4);
        if (former.len != 0)
            write_again(w, former);
        else
            write_newest(w, headers, death, expiration, copies != 0);
        if (w->overflowed)
            continue;
        bool is_whole = write_older(w, deaths, death);
        table_write_finish(w, start);
        return is_whole;
    }
    *w = before;
    return false;
}

static void write_newest(struct sl_writer *w, struct sl_bytes headers, const struct death *death,
                         struct sl_bytes expiration, bool has_copies)
{
    struct table_value copies;
    struct table_value key;
    struct sl_bytes text;

    sl_write_u8(w, TABLE_TABLE);
    uint8_t *table = table_write_start(w);
    table_write_s64(w, SL_BYTES_LITERAL("count"), 1);
    table_write_string(w, SL_BYTES_LITERAL("reason"), death->reason);
    table_write_string(w, SL_BYTES_LITERAL("queue"), death->queue);
    sl_write_short_string(w, SL_BYTES_LITERAL("time"));
    sl_write_u8(w, TABLE_TIME);
    sl_write_u64(w, death->time);
    table_write_string(w, SL_BYTES_LITERAL("exchange"), death->exchange);
    sl_write_short_string(w, SL_BYTES_LITERAL("routing-keys"));
    sl_write_u8(w, TABLE_ARRAY);
    uint8_t *keys = sl_write_room(w, 4);
    write_string_value(w, death->key);
    if (has_copies && table_find(headers, "CC", &copies) && copies.type == TABLE_ARRAY) {
        struct sl_reader r = table_elements(copies);
        while (table_next_element(&r, &key))
            if (table_value_string(key, &text))
                write_string_value(w, text);
    }
    table_write_finish(w, keys);
    if (expiration.at != NULL)
        table_write_string(w, SL_BYTES_LITERAL("original-expiration"), expiration);
    table_write_finish(w, table);
}

/* The same once more: all as it was, and counted. */
static void write_again(struct sl_writer *w, struct sl_bytes former)
{
    struct sl_reader r = table_fields(former);
    struct table_field field;
    int64_t count;

    sl_write_u8(w, TABLE_TABLE);
    uint8_t *table = table_write_start(w);
    while (table_next(&r, &field)) {
        if (sl_bytes_are(field.name, "count") && table_value_integer(field.value, &count))
            table_write_s64(w, field.name, count == INT64_MAX ? count : count + 1);
        else
            table_write_value(w, field.name, field.value);
    }
    table_write_finish(w, table);
}

static bool write_older(struct sl_writer *w, struct table_value deaths, const struct death *death)
{
    struct sl_reader r = table_elements(deaths);
    struct sl_bytes table;

    while (next_table(&r, &table)) {
        if (is_alike(table, death))
            continue;
        if ((size_t)(w->end - w->pos) < 1 + table.len)
            return false;
        sl_write_u8(w, TABLE_TABLE);
        sl_write_bytes(w, table);
    }
    return true;
}

static void write_string_value(struct sl_writer *w, struct sl_bytes value)
{
    sl_write_u8(w, TABLE_STRING);
    sl_write_long_string(w, value);
}

static struct sl_bytes find_alike(struct table_value deaths, const struct death *death)
{
    struct sl_reader r = table_elements(deaths);
    struct sl_bytes table;

    while (next_table(&r, &table))
        if (is_alike(table, death))
            return table;
    return (struct sl_bytes){NULL, 0};
}

static bool is_alike(struct sl_bytes table, const struct death *death)
{
    return has_text(table, "queue", death->queue) && has_text(table, "reason", death->reason);
}

static bool has_text(struct sl_bytes table, const char *name, struct sl_bytes text)
{
    struct table_value value;

    return table_find(table, name, &value) && value.type == TABLE_STRING &&
           sl_bytes_equal(value.bytes, text);
}

static bool find_deaths(struct sl_bytes headers, struct table_value *deaths)
{
    struct table_value found;

    if (!table_find(headers, "x-death", &found) || found.type != TABLE_ARRAY)
        return false;
    *deaths = found;
    return true;
}

/* The next of an array that is a table, whole: with its length, which lies before it. */
static bool next_table(struct sl_reader *r, struct sl_bytes *table)
{
    struct table_value value;

    while (table_next_element(r, &value))
        if (value.type == TABLE_TABLE) {
            *table = (struct sl_bytes){value.bytes.at - 4, value.bytes.len + 4};
            return true;
        }
    return false;
}
