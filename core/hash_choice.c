#include "core/hash_choice.h"

#include <math.h>
#include <xxhash.h>

static enum sl_err find_text(struct sl_bytes arguments, const char *name, bool *is_there,
                             struct sl_bytes *out, struct text *reason);
static enum sl_err property_of(struct sl_bytes name, enum hash_source_kind *kind,
                               struct text *reason);
static uint64_t number_of(struct sl_bytes bytes);
static uint64_t header_number(struct sl_bytes properties, struct sl_bytes name);
static bool is_number(struct sl_bytes key);

enum sl_err hash_source_read(struct sl_bytes arguments, struct hash_source *out,
                             struct text *reason)
{
    struct sl_bytes property = {NULL, 0};
    bool has_header = false;
    bool has_property = false;

    *out = (struct hash_source){.kind = HASH_KEY};
    if (arguments.len == 0)
        return SL_OK;
    SL_TRY(find_text(arguments, "hash-header", &has_header, &out->header, reason));
    SL_TRY(find_text(arguments, "hash-property", &has_property, &property, reason));
    if (has_header && has_property) {
        text_add(reason, "hash-header and hash-property are mutually exclusive");
        return SL_EPRECOND;
    }
    if (has_header)
        out->kind = HASH_HEADER;
    return has_property ? property_of(property, &out->kind, reason) : SL_OK;
}

uint64_t hash_choice_number(const struct hash_source *source, struct sl_bytes key,
                            struct sl_bytes properties)
{
    struct properties p = {.present = 0};
    uint8_t time[8] = {0};

    if (source->kind == HASH_KEY)
        return number_of(key);
    if (source->kind == HASH_HEADER)
        return header_number(properties, source->header);
    if (properties.len != 0)
        properties_decode(properties, &p);
    if (source->kind == HASH_MESSAGE_ID)
        return number_of(p.message_id);
    if (source->kind == HASH_CORRELATION_ID)
        return number_of(p.correlation_id);
    sl_store_u64(time, p.timestamp);
    return number_of((struct sl_bytes){time, sizeof time});
}

enum sl_err hash_weight_read(struct sl_bytes key, double *weight, struct text *reason)
{
    bool is_negative = key.len != 0 && key.at[0] == '-';
    struct sl_bytes digits =
        is_negative || (key.len != 0 && key.at[0] == '+') ? sl_bytes_skip(key, 1) : key;

    if (!is_number(digits)) {
        text_add(reason, "The binding key must be an integer: <<\"");
        text_add_bytes(reason, key);
        text_add(reason, "\">>");
        return SL_EPRECOND;
    }
    *weight = 0;
    for (size_t i = 0; i < digits.len; i++)
        *weight = *weight * 10 + (digits.at[i] - '0');
    if (!is_negative && *weight >= 1)
        return SL_OK;
    text_add(reason, "The binding key must be greater than 0");
    return SL_EPRECOND;
}

uint64_t hash_choice_spot(struct sl_bytes destination, bool is_queue, struct sl_bytes key)
{
    uint64_t name = XXH3_64bits_withSeed(destination.at, destination.len, is_queue);

    return XXH3_64bits_withSeed(key.at, key.len, name);
}

/* The throw is a number u in (0, 1); of -w / ln(u) the highest of all comes as often as w says. */
double hash_choice_throw(uint64_t message, uint64_t spot, double weight)
{
    uint64_t hash = XXH3_64bits_withSeed(&message, sizeof message, spot);
    double u = ((double)(hash >> 12) + 0.5) * 0x1p-52;

    return -weight / log(u);
}

static enum sl_err find_text(struct sl_bytes arguments, const char *name, bool *is_there,
                             struct sl_bytes *out, struct text *reason)
{
    struct table_value value;

    *is_there = table_find(arguments, name, &value);
    if (!*is_there || table_value_string(value, out))
        return SL_OK;
    text_add(reason, "Invalid argument, '%s' must be a string and not of type '%s'", name,
             table_type_name(value.type));
    return SL_EPRECOND;
}

static enum sl_err property_of(struct sl_bytes name, enum hash_source_kind *kind,
                               struct text *reason)
{
    static const struct {
        const char *name;
        enum hash_source_kind kind;
    } known[] = {{"message_id", HASH_MESSAGE_ID},
                 {"correlation_id", HASH_CORRELATION_ID},
                 {"timestamp", HASH_TIMESTAMP}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (sl_bytes_are(name, known[i].name)) {
            *kind = known[i].kind;
            return SL_OK;
        }
    text_add(reason, "Unsupported property: ");
    text_add_bytes(reason, name);
    return SL_EPRECOND;
}

static uint64_t number_of(struct sl_bytes bytes)
{
    return XXH3_64bits(bytes.at, bytes.len);
}

/* Its type counts as well as its value, but for integers, which are one class. */
static uint64_t header_number(struct sl_bytes properties, struct sl_bytes name)
{
    struct sl_reader r;
    struct table_field field;
    struct sl_bytes headers;
    int64_t n;

    if (properties.len == 0 || !properties_headers(properties, &headers))
        return number_of((struct sl_bytes){NULL, 0});
    r = table_fields(headers);
    while (table_next(&r, &field)) {
        if (!sl_bytes_equal(field.name, name))
            continue;
        if (!table_value_integer(field.value, &n))
            return number_of(field.value.bytes);
        return XXH3_64bits(&n, sizeof n);
    }
    return number_of((struct sl_bytes){NULL, 0});
}

static bool is_number(struct sl_bytes digits)
{
    for (size_t i = 0; i < digits.len; i++)
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
    return digits.len != 0;
}
