#include "gateway/admin/json_table.h"

#include "core/base/limits.h"
#include "core/table.h"

static enum sl_err add_fields(const json_t *object, struct sl_buffer *to, unsigned depth);
static enum sl_err add_elements(const json_t *array, struct sl_buffer *to, unsigned depth);
static enum sl_err add_value(const json_t *value, struct sl_buffer *to, unsigned depth);
static enum sl_err add_typed(struct sl_buffer *to, uint8_t type, const void *at, size_t len);
static enum sl_err add_u64(struct sl_buffer *to, uint8_t type, uint64_t bits);
static enum sl_err begin(struct sl_buffer *to, size_t *start);
static void end(struct sl_buffer *to, size_t start);

enum sl_err json_to_table(const json_t *object, struct sl_buffer *to)
{
    if (object == NULL || json_is_null(object))
        return sl_buffer_append(to, table_empty);
    if (!json_is_object(object))
        return SL_ESYNTAX;
    return add_fields(object, to, 1);
}

static enum sl_err add_fields(const json_t *object, struct sl_buffer *to, unsigned depth)
{
    const char *name;
    json_t *value;
    size_t start;

    if (depth > SL_TABLE_DEPTH_MAX)
        return SL_ESYNTAX;
    SL_TRY(begin(to, &start));
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        size_t len = strlen(name);
        if (len > SL_NAME_BYTES_MAX)
            return SL_ESYNTAX;
        SL_TRY(add_typed(to, (uint8_t)len, name, len));
        SL_TRY(add_value(value, to, depth));
    }
    end(to, start);
    return SL_OK;
}

static enum sl_err add_elements(const json_t *array, struct sl_buffer *to, unsigned depth)
{
    size_t start;

    if (depth > SL_TABLE_DEPTH_MAX)
        return SL_ESYNTAX;
    SL_TRY(begin(to, &start));
    for (size_t i = 0; i < json_array_size(array); i++)
        SL_TRY(add_value(json_array_get(array, i), to, depth));
    end(to, start);
    return SL_OK;
}

static enum sl_err add_value(const json_t *value, struct sl_buffer *to, unsigned depth)
{
    uint64_t bits;
    uint8_t truth = json_is_true(value);
    double real;
    size_t start;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        SL_TRY(add_typed(to, TABLE_TABLE, NULL, 0));
        return add_fields(value, to, depth + 1);
    case JSON_ARRAY:
        SL_TRY(add_typed(to, TABLE_ARRAY, NULL, 0));
        return add_elements(value, to, depth + 1);
    case JSON_STRING:
        SL_TRY(add_typed(to, TABLE_STRING, NULL, 0));
        SL_TRY(begin(to, &start));
        SL_TRY(sl_buffer_append(to, (struct sl_bytes){(const uint8_t *)json_string_value(value),
                                                      json_string_length(value)}));
        end(to, start);
        return SL_OK;
    case JSON_INTEGER: return add_u64(to, TABLE_S64, (uint64_t)json_integer_value(value));
    case JSON_REAL:
        real = json_real_value(value);
        memcpy(&bits, &real, sizeof bits);
        return add_u64(to, TABLE_F64, bits);
    case JSON_TRUE:
    case JSON_FALSE: return add_typed(to, TABLE_BOOL, &truth, 1);
    case JSON_NULL: break;
    }
    return add_typed(to, TABLE_VOID, NULL, 0);
}

static enum sl_err add_typed(struct sl_buffer *to, uint8_t type, const void *at, size_t len)
{
    SL_TRY(sl_buffer_append(to, (struct sl_bytes){&type, 1}));
    return len == 0 ? SL_OK : sl_buffer_append(to, (struct sl_bytes){at, len});
}

static enum sl_err add_u64(struct sl_buffer *to, uint8_t type, uint64_t bits)
{
    uint8_t room[8];

    sl_store_u64(room, bits);
    return add_typed(to, type, room, sizeof room);
}

/* Room for a length, which end fills in. */
static enum sl_err begin(struct sl_buffer *to, size_t *start)
{
    static const uint8_t ZERO[4];

    *start = to->len;
    return sl_buffer_append(to, (struct sl_bytes){ZERO, sizeof ZERO});
}

static void end(struct sl_buffer *to, size_t start)
{
    sl_store_u32(to->at + start, (uint32_t)(to->len - start - 4));
}
