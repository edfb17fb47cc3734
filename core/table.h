/*
 * table.h - a table of named, typed values, stored flat.
 *
 * Headers of messages and arguments of definitions are such tables.  They are kept in the
 * encoding of AMQP 0-9-1 in RabbitMQ's dialect, so that what came in by AMQP goes out byte by
 * byte; docs/decisions/0001 says why the core speaks this encoding and no other part of AMQP.
 *
 *   table    u32 length of what follows, then fields
 *   field    u8 n, name of n bytes, value
 *   value    u8 type letter, then
 *            t bool u8           b s8    B u8    s s16   u u16   I s32   i u32
 *            l s64               L s64   f f32   d f64   D decimal (u8 scale, s32)
 *            S string (u32 length, bytes)        x bytes (u32 length, bytes)
 *            T time (u64 seconds)    V nothing   F table     A array (u32 length, values)
 *
 * A table here is always a whole one, its length field included, and has passed table_check
 * before anyone iterates over it; iteration of a checked table cannot fail.
 */
#ifndef SLUICE_CORE_TABLE_H
#define SLUICE_CORE_TABLE_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/text.h"

enum table_type {
    TABLE_BOOL = 't',
    TABLE_S8 = 'b',
    TABLE_U8 = 'B',
    TABLE_S16 = 's',
    TABLE_U16 = 'u',
    TABLE_S32 = 'I',
    TABLE_U32 = 'i',
    TABLE_S64 = 'l',
    TABLE_S64_ALIAS = 'L',
    TABLE_F32 = 'f',
    TABLE_F64 = 'd',
    TABLE_DECIMAL = 'D',
    TABLE_STRING = 'S',
    TABLE_BYTES = 'x',
    TABLE_TIME = 'T',
    TABLE_VOID = 'V',
    TABLE_TABLE = 'F',
    TABLE_ARRAY = 'A',
};

struct table_value {
    uint8_t type;
    struct sl_bytes bytes; /* the payload, without type letter; strings, tables and arrays here
                              without their length, other types as on the wire */
};

struct table_field {
    struct sl_bytes name;
    struct table_value value;
};

/* The empty table: four zero bytes. */
extern const struct sl_bytes table_empty;

/* Reads one table off the front of in and checks all of it: lengths, known types, depth up to
 * SL_TABLE_DEPTH_MAX.  On SL_OK *used is its whole length.  SL_ESYNTAX: not a table; *why is a
 * literal.  Does not recurse on the peer's word. */
SL_MUST_CHECK enum sl_err table_check(struct sl_bytes in, size_t *used, const char **why);

/* Iteration: struct sl_reader r = table_fields(t); while (table_next(&r, &field)) ... */
struct sl_reader table_fields(struct sl_bytes table);
bool table_next(struct sl_reader *r, struct table_field *field);
/* The same over the values of an array (a value of type 'A'). */
struct sl_reader table_elements(struct table_value array);
bool table_next_element(struct sl_reader *r, struct table_value *value);

/* First field of that name; false when there is none. */
bool table_find(struct sl_bytes table, const char *name, struct table_value *value);
size_t table_count(struct sl_bytes table);

/* False when the value is not of the kind.  Integers: every integer type, value in range. */
bool table_value_integer(struct table_value v, int64_t *out);
bool table_value_real(struct table_value v, double *out); /* floats and decimals */
bool table_value_bool(struct table_value v, bool *out);
bool table_value_string(struct table_value v, struct sl_bytes *out);

/* Equal as RabbitMQ compares arguments and header bindings: all integer types are one class,
 * both float types another, strings by bytes, else same type and same bytes. */
bool table_value_equal(struct table_value a, struct table_value b);

/* Human words for error texts: the value ("60000", "true", "abc") and RabbitMQ's name of its
 * type ("signedint", "long", "longstr", "bool", "table", "array", ...). */
void table_value_describe(struct table_value v, struct text *to);
const char *table_type_name(uint8_t type);

/* Writing: start notes where the length goes, finish fills it in.  An overflow shows on the
 * writer. */
uint8_t *table_write_start(struct sl_writer *w); /* NULL when there is no room */
void table_write_finish(struct sl_writer *w, uint8_t *start);
void table_write_string(struct sl_writer *w, struct sl_bytes name, struct sl_bytes value);
void table_write_bool(struct sl_writer *w, struct sl_bytes name, bool value);
void table_write_s64(struct sl_writer *w, struct sl_bytes name, int64_t value);
void table_write_value(struct sl_writer *w, struct sl_bytes name, struct table_value value);

#endif
