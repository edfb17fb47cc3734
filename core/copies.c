#include "core/copies.h"

#include "core/base/limits.h"

static const struct {
    enum known_header which;
    const char *name;
} COPIES[] = {{KNOWN_CC, "CC"}, {KNOWN_BCC, "BCC"}};
#define COPIES_COUNT (sizeof COPIES / sizeof *COPIES)

enum sl_err copies_check(struct sl_bytes properties, struct text *reason)
{
    struct known_headers known;
    struct copies c;
    struct sl_bytes key;
    unsigned keys = 0;

    known_headers_read(properties, &known);
    for (size_t i = 0; i < COPIES_COUNT; i++) {
        const struct table_value *value = &known.value[COPIES[i].which];
        if (!known_header_is(&known, COPIES[i].which) || value->type == TABLE_ARRAY)
            continue;
        text_add(reason, "invalid message: {unacceptable_type_in_header,\"%s\",%s}", COPIES[i].name,
                 table_type_name(value->type));
        return SL_EPRECOND;
    }
    copies_begin(&c, properties);
    while (copies_next(&c, &key))
        keys++;
    if (keys <= SL_COPIES_MAX)
        return SL_OK;
    text_add(reason, "invalid message: its headers CC and BCC have %u keys, and %u are allowed",
             keys, SL_COPIES_MAX);
    return SL_EPRECOND;
}

void copies_begin(struct copies *c, struct sl_bytes properties)
{
    c->known.present = 0;
    if (properties.len != 0)
        known_headers_read(properties, &c->known);
    c->rest = sl_reader_of((struct sl_bytes){NULL, 0});
    c->next = 0;
}

bool copies_next(struct copies *c, struct sl_bytes *key)
{
    struct table_value element;

    for (;;) {
        while (table_next_element(&c->rest, &element))
            if (table_value_string(element, key) && key->len <= SL_NAME_BYTES_MAX)
                return true;
        if (c->next == COPIES_COUNT)
            return false;
        enum known_header which = COPIES[c->next++].which;
        if (known_header_is(&c->known, which) && c->known.value[which].type == TABLE_ARRAY)
            c->rest = table_elements(c->known.value[which]);
    }
}

/* Written in place of the old ones: what comes before and behind the headers stays as it is. */
struct sl_bytes copies_hide(struct sl_bytes properties, uint8_t *room)
{
    struct sl_writer w = {room, room + properties.len, false};
    struct sl_bytes headers;
    struct table_field field;

    if (!properties_headers(properties, &headers))
        return properties;
    size_t before = (size_t)(headers.at - properties.at);
    sl_write_bytes(&w, (struct sl_bytes){properties.at, before});
    uint8_t *start = table_write_start(&w);
    struct sl_reader r = table_fields(headers);
    while (table_next(&r, &field))
        if (!sl_bytes_are(field.name, "BCC"))
            table_write_value(&w, field.name, field.value);
    table_write_finish(&w, start);
    sl_write_bytes(&w, sl_bytes_skip(properties, before + headers.len));
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}
