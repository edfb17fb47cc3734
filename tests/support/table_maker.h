/*
 * table_maker.h - tables for tests, built field by field.
 *
 *   struct table_maker m;
 *   table_begin(&m);
 *   table_write_s64(&m.w, SL_BYTES_LITERAL("x-expires"), 1000);
 *   struct sl_bytes table = table_end(&m);
 */
#ifndef SLUICE_TESTS_SUPPORT_TABLE_MAKER_H
#define SLUICE_TESTS_SUPPORT_TABLE_MAKER_H

#include "core/base/assert.h"
#include "core/table.h"

struct table_maker {
    uint8_t room[8192];
    struct sl_writer w;
    uint8_t *start;
};

static inline void table_begin(struct table_maker *m)
{
    m->w = (struct sl_writer){m->room, m->room + sizeof m->room, false};
    m->start = table_write_start(&m->w);
}

static inline struct sl_bytes table_end(struct table_maker *m)
{
    table_write_finish(&m->w, m->start);
    SL_ASSERT(!m->w.overflowed);
    return (struct sl_bytes){m->start, (size_t)(m->w.pos - m->start)};
}

/* A table of one string, of one number, or of one truth. */
static inline struct sl_bytes table_of_string(struct table_maker *m, const char *name,
                                              const char *value)
{
    table_begin(m);
    table_write_string(&m->w, sl_bytes_of(name), sl_bytes_of(value));
    return table_end(m);
}

/* A field that is an array of strings; texts ends with NULL. */
static inline void table_add_array(struct table_maker *m, const char *name,
                                   const char *const *texts)
{
    uint8_t room[4096];
    struct sl_writer w = {room, room + sizeof room, false};

    for (; *texts != NULL; texts++) {
        sl_write_u8(&w, TABLE_STRING);
        sl_write_u32(&w, (uint32_t)strlen(*texts));
        sl_write_bytes(&w, sl_bytes_of(*texts));
    }
    SL_ASSERT(!w.overflowed);
    table_write_value(&m->w, sl_bytes_of(name),
                      (struct table_value){TABLE_ARRAY, {room, (size_t)(w.pos - room)}});
}

static inline struct sl_bytes table_of_number(struct table_maker *m, const char *name,
                                              int64_t value)
{
    table_begin(m);
    table_write_s64(&m->w, sl_bytes_of(name), value);
    return table_end(m);
}

static inline struct sl_bytes table_of_bool(struct table_maker *m, const char *name, bool value)
{
    table_begin(m);
    table_write_bool(&m->w, sl_bytes_of(name), value);
    return table_end(m);
}

#endif
