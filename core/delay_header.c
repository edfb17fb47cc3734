#include "core/delay_header.h"

#include "core/properties.h"
#include "core/table.h"

#include <string.h>

#define DELAY_HEADER "x-delay"
#define VALUE_BYTES 16u /* that a value is longer, at most */

static bool read_value(struct table_value value, int64_t *ms);
static bool read_digits(struct sl_bytes text, int64_t *ms);
static bool read_fraction(struct table_value value, int64_t *ms);
static void write_headers(struct sl_writer *w, struct sl_bytes headers);

uint64_t delay_of_headers(struct sl_bytes headers)
{
    struct table_value value;
    int64_t ms;

    if (headers.len == 0 || !table_find(headers, DELAY_HEADER, &value) || !read_value(value, &ms))
        return 0;
    if (ms > (int64_t)DELAY_MS_MAX)
        return DELAY_TOO_LONG;
    return ms > 0 ? (uint64_t)ms : 0;
}

uint64_t delay_of_properties(struct sl_bytes properties)
{
    struct sl_bytes headers;

    return properties_headers(properties, &headers) ? delay_of_headers(headers) : 0;
}

size_t delay_ended_room(struct sl_bytes properties)
{
    return 2 * (properties.len + VALUE_BYTES);
}

/* The headers first, in the second half of the room, for what stands around them is known. */
struct sl_bytes delay_ended(struct sl_bytes properties, uint8_t *room)
{
    size_t half = properties.len + VALUE_BYTES;
    struct properties p;

    properties_decode(properties, &p);
    struct sl_writer inner = {room + half, room + 2 * half, false};
    write_headers(&inner, p.headers);
    p.headers = (struct sl_bytes){room + half, (size_t)(inner.pos - (room + half))};
    struct sl_writer w = {room, room + half, false};
    properties_encode(&p, &w);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static bool read_value(struct table_value value, int64_t *ms)
{
    struct sl_bytes text;

    if (table_value_string(value, &text))
        return read_digits(text, ms);
    return table_value_integer(value, ms) || read_fraction(value, ms);
}

static bool read_digits(struct sl_bytes text, int64_t *ms)
{
    bool is_negative = text.len > 1 && text.at[0] == '-';
    size_t i = is_negative || (text.len > 1 && text.at[0] == '+') ? 1 : 0;
    uint64_t n = 0;

    if (text.len == 0)
        return false;
    for (; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n > DELAY_MS_MAX ? n : n * 10 + (text.at[i] - '0'); /* beyond it is beyond it */
    }
    *ms = is_negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool read_fraction(struct table_value value, int64_t *ms)
{
    double number;

    if (value.type == TABLE_F64) {
        uint64_t raw = sl_load_u64(value.bytes.at);
        memcpy(&number, &raw, sizeof number);
    } else if (value.type == TABLE_F32) {
        uint32_t raw = sl_load_u32(value.bytes.at);
        float narrow;
        memcpy(&narrow, &raw, sizeof narrow);
        number = narrow;
    } else
        return false;
    if (!(number >= 1)) /* what is no number neither */
        return false;
    *ms = number < DELAY_MS_MAX + 1.0 ? (int64_t)number : (int64_t)DELAY_MS_MAX + 1;
    return true;
}

/* As the plugin does: a number of four octets, or of eight where that is not enough. */
static void write_headers(struct sl_writer *w, struct sl_bytes headers)
{
    struct sl_reader r = table_fields(headers);
    struct table_field field;
    uint8_t raw[4];
    bool is_done = false; /* the first of that name counts */
    int64_t ms;

    uint8_t *start = table_write_start(w);
    while (table_next(&r, &field)) {
        bool is_delay = !is_done && sl_bytes_are(field.name, DELAY_HEADER) &&
                        read_value(field.value, &ms);
        is_done |= is_delay;
        if (is_delay && ms > INT32_MAX)
            table_write_s64(w, field.name, -ms);
        else if (is_delay) {
            sl_store_u32(raw, (uint32_t)-ms);
            table_write_value(w, field.name, (struct table_value){TABLE_S32, {raw, sizeof raw}});
        } else
            table_write_value(w, field.name, field.value);
    }
    table_write_finish(w, start);
}
