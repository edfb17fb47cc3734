#include "core/table.h"

#include "core/base/limits.h"

#include <inttypes.h>

#define VARIABLE (-1)
#define UNKNOWN (-2)

static const uint8_t no_fields[4];
const struct sl_bytes table_empty = {no_fields, sizeof no_fields};

struct level { /* a table or an array that is being checked */
    struct sl_reader left;
    bool has_names;
};

static int payload_bytes(uint8_t type);
static struct table_value read_value(struct sl_reader *r);
static uint64_t load_big_endian(struct sl_bytes b);
static double load_float(struct table_value v);
static bool is_float(uint8_t type);

enum sl_err table_check(struct sl_bytes in, size_t *used, const char **why)
{
    struct level levels[SL_TABLE_DEPTH_MAX];
    struct sl_reader r = sl_reader_of(in);
    unsigned depth = 1;

    levels[0] = (struct level){sl_reader_of(sl_read_long_string(&r)), true};
    if (r.is_short)
        return *why = "table longer than its frame", SL_ESYNTAX;

    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        if (sl_reader_left(&level->left) == 0) {
            depth--;
            continue;
        }
        if (level->has_names)
            sl_read_short_string(&level->left);
        struct table_value value = read_value(&level->left);
        if (level->left.is_short)
            return *why = "field cut by the end of its table", SL_ESYNTAX;
        if (payload_bytes(value.type) == UNKNOWN)
            return *why = "unknown field type", SL_ESYNTAX;
        if (value.type != TABLE_TABLE && value.type != TABLE_ARRAY)
            continue;
        if (depth == SL_TABLE_DEPTH_MAX)
            return *why = "tables nested too deep", SL_ESYNTAX;
        levels[depth++] = (struct level){sl_reader_of(value.bytes), value.type == TABLE_TABLE};
    }
    *used = in.len - sl_reader_left(&r);
    return SL_OK;
}

struct sl_reader table_fields(struct sl_bytes table)
{
    struct sl_bytes fields = sl_bytes_skip(table, 4);

    return fields.len == 0 ? (struct sl_reader){0} : sl_reader_of(fields);
}

bool table_next(struct sl_reader *r, struct table_field *field)
{
    if (sl_reader_left(r) == 0)
        return false;
    field->name = sl_read_short_string(r);
    field->value = read_value(r);
    return !r->is_short;
}

struct sl_reader table_elements(struct table_value array)
{
    return sl_reader_of(array.bytes);
}

bool table_next_element(struct sl_reader *r, struct table_value *value)
{
    if (sl_reader_left(r) == 0)
        return false;
    *value = read_value(r);
    return !r->is_short;
}

bool table_find(struct sl_bytes table, const char *name, struct table_value *value)
{
    struct sl_reader r = table_fields(table);
    struct sl_bytes wanted = sl_bytes_of(name);
    struct table_field field;

    while (table_next(&r, &field))
        if (sl_bytes_equal(field.name, wanted)) {
            *value = field.value;
            return true;
        }
    return false;
}

size_t table_count(struct sl_bytes table)
{
    struct sl_reader r = table_fields(table);
    struct table_field field;
    size_t count = 0;

    while (table_next(&r, &field))
        count++;
    return count;
}

bool table_value_integer(struct table_value v, int64_t *out)
{
    uint64_t raw = load_big_endian(v.bytes);

    switch (v.type) {
    case TABLE_S8: *out = (int8_t)raw; return true;
    case TABLE_S16: *out = (int16_t)raw; return true;
    case TABLE_S32: *out = (int32_t)raw; return true;
    case TABLE_U8:
    case TABLE_U16:
    case TABLE_U32:
    case TABLE_S64:
    case TABLE_S64_ALIAS: *out = (int64_t)raw; return true;
    default: return false;
    }
}

bool table_value_real(struct table_value v, double *out)
{
    if (is_float(v.type)) {
        *out = load_float(v);
        return true;
    }
    if (v.type != TABLE_DECIMAL)
        return false;
    *out = (int32_t)sl_load_u32(v.bytes.at + 1);
    for (unsigned scale = v.bytes.at[0]; scale > 0; scale--)
        *out /= 10;
    return true;
}

bool table_value_bool(struct table_value v, bool *out)
{
    if (v.type != TABLE_BOOL)
        return false;
    *out = v.bytes.at[0] != 0;
    return true;
}

bool table_value_string(struct table_value v, struct sl_bytes *out)
{
    if (v.type != TABLE_STRING)
        return false;
    *out = v.bytes;
    return true;
}

bool table_value_equal(struct table_value a, struct table_value b)
{
    int64_t x = 0;
    int64_t y = 0;
    bool p = false;
    bool q = false;

    if (table_value_integer(a, &x))
        return table_value_integer(b, &y) && x == y;
    if (is_float(a.type))
        return is_float(b.type) && load_float(a) == load_float(b);
    if (table_value_bool(a, &p))
        return table_value_bool(b, &q) && p == q;
    return a.type == b.type && sl_bytes_equal(a.bytes, b.bytes);
}

void table_value_describe(struct table_value v, struct text *to)
{
    int64_t integer;
    bool truth;

    if (table_value_integer(v, &integer))
        text_add(to, "%" PRId64, integer);
    else if (table_value_bool(v, &truth))
        text_add(to, truth ? "true" : "false");
    else if (is_float(v.type))
        text_add(to, "%.17g", load_float(v));
    else if (v.type == TABLE_STRING || v.type == TABLE_BYTES)
        text_add_bytes(to, v.bytes);
    else if (v.type == TABLE_TIME)
        text_add(to, "%" PRIu64, load_big_endian(v.bytes));
    else if (v.type == TABLE_DECIMAL)
        text_add(to, "%" PRId32 "e-%u", (int32_t)sl_load_u32(v.bytes.at + 1), v.bytes.at[0]);
    else if (v.type == TABLE_VOID)
        text_add(to, "undefined");
    else
        text_add(to, "%zu bytes", v.bytes.len);
}

const char *table_type_name(uint8_t type)
{
    switch (type) {
    case TABLE_BOOL: return "bool";
    case TABLE_S8: return "byte";
    case TABLE_U8: return "unsignedbyte";
    case TABLE_S16: return "short";
    case TABLE_U16: return "unsignedshort";
    case TABLE_S32: return "signedint";
    case TABLE_U32: return "unsignedint";
    case TABLE_S64:
    case TABLE_S64_ALIAS: return "long";
    case TABLE_F32: return "float";
    case TABLE_F64: return "double";
    case TABLE_DECIMAL: return "decimal";
    case TABLE_STRING: return "longstr";
    case TABLE_BYTES: return "binary";
    case TABLE_TIME: return "timestamp";
    case TABLE_VOID: return "void";
    case TABLE_TABLE: return "table";
    case TABLE_ARRAY: return "array";
    default: return "unknown";
    }
}

uint8_t *table_write_start(struct sl_writer *w)
{
    return sl_write_room(w, 4);
}

void table_write_finish(struct sl_writer *w, uint8_t *start)
{
    if (start != NULL)
        sl_store_u32(start, (uint32_t)(w->pos - start) - 4);
}

void table_write_string(struct sl_writer *w, struct sl_bytes name, struct sl_bytes value)
{
    sl_write_short_string(w, name);
    sl_write_u8(w, TABLE_STRING);
    sl_write_long_string(w, value);
}

void table_write_bool(struct sl_writer *w, struct sl_bytes name, bool value)
{
    sl_write_short_string(w, name);
    sl_write_u8(w, TABLE_BOOL);
    sl_write_u8(w, value);
}

void table_write_s64(struct sl_writer *w, struct sl_bytes name, int64_t value)
{
    sl_write_short_string(w, name);
    sl_write_u8(w, TABLE_S64);
    sl_write_u64(w, (uint64_t)value);
}

void table_write_value(struct sl_writer *w, struct sl_bytes name, struct table_value value)
{
    sl_write_short_string(w, name);
    sl_write_u8(w, value.type);
    if (payload_bytes(value.type) == VARIABLE)
        sl_write_long_string(w, value.bytes);
    else
        sl_write_bytes(w, value.bytes);
}

static int payload_bytes(uint8_t type)
{
    switch (type) {
    case TABLE_VOID: return 0;
    case TABLE_BOOL:
    case TABLE_S8:
    case TABLE_U8: return 1;
    case TABLE_S16:
    case TABLE_U16: return 2;
    case TABLE_S32:
    case TABLE_U32:
    case TABLE_F32: return 4;
    case TABLE_DECIMAL: return 5;
    case TABLE_S64:
    case TABLE_S64_ALIAS:
    case TABLE_F64:
    case TABLE_TIME: return 8;
    case TABLE_STRING:
    case TABLE_BYTES:
    case TABLE_TABLE:
    case TABLE_ARRAY: return VARIABLE;
    default: return UNKNOWN;
    }
}

/* An unknown type has no payload that could be skipped: nothing is read. */
static struct table_value read_value(struct sl_reader *r)
{
    struct table_value value = {sl_read_u8(r), {NULL, 0}};
    int n = payload_bytes(value.type);

    if (n == VARIABLE)
        value.bytes = sl_read_long_string(r);
    else if (n > 0)
        value.bytes = sl_read_bytes(r, (size_t)n);
    return value;
}

static uint64_t load_big_endian(struct sl_bytes b)
{
    switch (b.len) {
    case 1: return b.at[0];
    case 2: return sl_load_u16(b.at);
    case 4: return sl_load_u32(b.at);
    case 8: return sl_load_u64(b.at);
    default: return 0;
    }
}

static bool is_float(uint8_t type)
{
    return type == TABLE_F32 || type == TABLE_F64;
}

static double load_float(struct table_value v)
{
    if (v.type == TABLE_F32) {
        uint32_t raw = sl_load_u32(v.bytes.at);
        float f;
        memcpy(&f, &raw, sizeof f);
        return (double)f;
    }
    uint64_t raw = sl_load_u64(v.bytes.at);
    double d;
    memcpy(&d, &raw, sizeof d);
    return d;
}
