/*
 * properties_maker.h - properties of messages for tests, encoded.
 *
 *   struct properties_maker m;
 *   table_publish_with(s, "", "q", properties_of_header(&m, "dedup-id", "one", true), 1);
 */
#ifndef SLUICE_TESTS_SUPPORT_PROPERTIES_MAKER_H
#define SLUICE_TESTS_SUPPORT_PROPERTIES_MAKER_H

#include "core/properties.h"
#include "tests/support/table_maker.h"

#define LARGE_HEADER_BYTES 4096u

struct properties_maker {
    struct table_maker headers;
    uint8_t room[8192];
};

static inline struct sl_bytes properties_of_headers(struct properties_maker *m,
                                                    struct sl_bytes headers, bool is_persistent)
{
    struct properties p = {.present = PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE,
                           .delivery_mode = is_persistent ? 2 : 1,
                           .headers = headers};
    struct sl_writer w = {m->room, m->room + sizeof m->room, false};

    properties_encode(&p, &w);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){m->room, (size_t)(w.pos - m->room)};
}

/* One header, a string. */
static inline struct sl_bytes properties_of_header(struct properties_maker *m, const char *name,
                                                   const char *value, bool is_persistent)
{
    return properties_of_headers(m, table_of_string(&m->headers, name, value), is_persistent);
}

/* Of a persistent message, with a header of 4 KiB. */
static inline struct sl_bytes properties_large(struct properties_maker *m)
{
    char text[LARGE_HEADER_BYTES];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return properties_of_header(m, "large", text, true);
}

#endif
