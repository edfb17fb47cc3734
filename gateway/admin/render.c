#include "gateway/admin/render.h"

#include "core/base/text.h"
#include "core/table.h"

#include <math.h>
#include <stdlib.h>

static json_t *json_of_fields(struct sl_reader fields);
static json_t *json_of_array(struct table_value array);
static json_t *json_of_value(struct table_value v);
static json_t *json_of_decimal(struct sl_bytes bytes);
static json_t *json_of_real(double number);
static void put_named(json_t *object, struct sl_bytes name, json_t *value);
static int append(const char *at, size_t len, void *context);

json_t *json_of_bytes(struct sl_bytes bytes)
{
    json_t *exact = json_stringn(bytes.len == 0 ? "" : (const char *)bytes.at, bytes.len);
    char *room = exact != NULL ? NULL : malloc(bytes.len + 1);

    if (exact != NULL || room == NULL)
        return exact;
    struct text text = text_on(room, bytes.len + 1);
    text_add_bytes(&text, bytes);
    exact = json_stringn(text.at, text.len);
    free(room);
    return exact;
}

json_t *json_of_table(struct sl_bytes table)
{
    return table.len == 0 ? json_object() : json_of_fields(table_fields(table));
}

enum sl_err json_write(struct sl_buffer *to, const json_t *value)
{
    size_t before = to->len;

    if (value != NULL && json_dump_callback(value, append, to, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        return SL_OK;
    to->len = before;
    return value == NULL ? SL_ENOMEM : SL_ETOOBIG;
}

/* table_check has bounded the depth. */
static json_t *json_of_fields(struct sl_reader fields)
{
    json_t *object = json_object();
    struct table_field field;

    while (object != NULL && table_next(&fields, &field))
        put_named(object, field.name, json_of_value(field.value));
    return object;
}

static json_t *json_of_array(struct table_value array)
{
    json_t *out = json_array();
    struct sl_reader r = table_elements(array);
    struct table_value value;

    while (out != NULL && table_next_element(&r, &value))
        (void)json_array_append_new(out, json_of_value(value));
    return out;
}

static json_t *json_of_value(struct table_value v)
{
    struct sl_reader r = sl_reader_of(v.bytes);
    bool truth;
    int64_t number;
    uint32_t half;
    uint64_t whole;
    float single;
    double both;

    if (table_value_bool(v, &truth))
        return json_boolean(truth);
    if (table_value_integer(v, &number))
        return json_integer(number);
    switch (v.type) {
    case TABLE_STRING:
    case TABLE_BYTES: return json_of_bytes(v.bytes);
    case TABLE_TIME: return json_of_number(sl_read_u64(&r));
    case TABLE_TABLE: return json_of_fields(r);
    case TABLE_ARRAY: return json_of_array(v);
    case TABLE_DECIMAL: return json_of_decimal(v.bytes);
    case TABLE_F32:
        half = sl_read_u32(&r);
        memcpy(&single, &half, sizeof single);
        return json_of_real(single);
    case TABLE_F64:
        whole = sl_read_u64(&r);
        memcpy(&both, &whole, sizeof both);
        return json_of_real(both);
    default: return json_null();
    }
}

static json_t *json_of_decimal(struct sl_bytes bytes)
{
    struct sl_reader r = sl_reader_of(bytes);
    uint8_t scale = sl_read_u8(&r);
    double number = (int32_t)sl_read_u32(&r);

    for (; scale > 0; scale--)
        number /= 10;
    return json_of_real(number);
}

/* JSON has no word for what is not a number. */
static json_t *json_of_real(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

/* Jansson wants a name that ends with a NUL and is text: a field's name is 255 bytes at most. */
static void put_named(json_t *object, struct sl_bytes name, json_t *value)
{
    char room[256];
    struct text text = text_on(room, sizeof room);

    text_add_bytes(&text, name);
    (void)json_object_set_new_nocheck(object, room, value);
}

static int append(const char *at, size_t len, void *context)
{
    struct sl_bytes bytes = {(const uint8_t *)at, len};

    return sl_buffer_append(context, bytes) == SL_OK ? 0 : -1;
}
