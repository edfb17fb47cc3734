#include "core/delivery_count.h"

#include "core/properties.h"
#include "core/table.h"

static void write_headers(struct sl_bytes headers, uint32_t returns, struct sl_writer *w);

/* What stands before the headers and behind them stays as it is. */
void delivery_count_write(struct sl_bytes properties, uint32_t returns, struct sl_writer *w)
{
    struct sl_reader r = sl_reader_of(properties);
    struct sl_bytes headers = table_empty;
    uint16_t flags = sl_read_u16(&r);

    sl_write_u16(w, flags | PROPERTY_HEADERS);
    const uint8_t *before = r.pos;
    if (flags & PROPERTY_CONTENT_TYPE)
        sl_read_short_string(&r);
    if (flags & PROPERTY_CONTENT_ENCODING)
        sl_read_short_string(&r);
    sl_write_bytes(w, (struct sl_bytes){before, (size_t)(r.pos - before)});
    if (properties_headers(properties, &headers))
        sl_read_bytes(&r, headers.len);
    write_headers(headers, returns, w);
    sl_write_bytes(w, (struct sl_bytes){r.pos, sl_reader_left(&r)});
}

static void write_headers(struct sl_bytes headers, uint32_t returns, struct sl_writer *w)
{
    struct sl_reader r = table_fields(headers);
    struct sl_bytes name = SL_BYTES_LITERAL(DELIVERY_COUNT_HEADER);
    struct table_field field;
    uint8_t *start = table_write_start(w);

    while (table_next(&r, &field))
        if (!sl_bytes_equal(field.name, name))
            table_write_value(w, field.name, field.value);
    table_write_s64(w, name, returns);
    table_write_finish(w, start);
}
