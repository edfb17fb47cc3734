#include "core/dedup_rules.h"

#include "core/base/limits.h"
#include "core/known_headers.h"
#include "core/properties.h"

#include <xxhash.h>

#define SCALAR_BYTES_MAX 64u /* as text, of what is no string */
#define TTL_DIGITS_MAX 18u

static bool number(struct sl_bytes arguments, const char *name, uint64_t *out);
static bool truth(struct sl_bytes arguments, const char *name);
static bool find_text(const struct dedup_rules *r, struct sl_bytes properties,
                      const struct known_headers *known, struct text *room, struct sl_bytes *out);
static bool renamed(const struct dedup_rules *r, struct sl_bytes properties, struct text *room,
                    struct sl_bytes *out);
static bool known_text(const struct known_headers *known, enum known_header which,
                       struct text *room, struct sl_bytes *out);
static bool text_of(struct table_value value, struct text *room, struct sl_bytes *out);
static uint32_t ttl_of(const struct dedup_rules *r, const struct known_headers *known);
static bool read_ttl(struct table_value value, uint64_t *ms);

void dedup_secret_make(struct dedup_secret *secret, uint64_t number)
{
    for (uint64_t i = 0; i < sizeof secret->bytes / 8; i++)
        sl_store_u64(secret->bytes + 8 * i, XXH3_64bits_withSeed(&i, sizeof i, number));
}

void dedup_rules_read(struct dedup_rules *r, struct sl_bytes arguments)
{
    struct table_value value;
    uint64_t ms;
    uint64_t most;
    bool has_ms = number(arguments, "x-dedup-window-ms", &ms) ||
                  number(arguments, "x-cache-ttl", &ms);
    bool has_most = number(arguments, "x-cache-size", &most);
    bool is_plugin = truth(arguments, "x-message-deduplication");

    *r = (struct dedup_rules){
        .is_until_settled = is_plugin && !has_ms && !has_most,
        .takes_message_id = truth(arguments, "x-dedup-message-id"),
        .window_ms = has_ms ? (uint32_t)ms : SL_DEDUP_WINDOW_MS,
        .most = has_most ? (uint32_t)most : SL_DEDUP_IDS,
    };
    if (table_find(arguments, "x-deduplication-header", &value))
        (void)table_value_string(value, &r->header);
    if (r->is_until_settled)
        r->window_ms = ID_LASTS;
    r->is_full = is_plugin || has_ms || has_most || r->takes_message_id || r->header.len != 0;
    r->asks_always = r->takes_message_id || r->header.len != 0;
}

bool dedup_key_of(const struct dedup_rules *r, const struct dedup_secret *secret,
                  struct sl_bytes properties, struct dedup_key *out)
{
    struct known_headers known;
    char room[SCALAR_BYTES_MAX];
    struct text scalar = text_on(room, sizeof room);
    struct sl_bytes text;

    known_headers_read(properties, &known);
    if (!find_text(r, properties, &known, &scalar, &text))
        return false;
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(text.at, text.len, secret->bytes, sizeof secret->bytes);
    out->id = (struct message_id){hash.high64, hash.low64};
    out->ttl = ttl_of(r, &known);
    return true;
}

/* Of one that is not a number, or is out of the range that arguments.h allows, none. */
static bool number(struct sl_bytes arguments, const char *name, uint64_t *out)
{
    struct table_value value;
    int64_t n;

    if (!table_find(arguments, name, &value) || !table_value_integer(value, &n) || n <= 0 ||
        n >= ID_LASTS)
        return false;
    *out = (uint64_t)n;
    return true;
}

static bool truth(struct sl_bytes arguments, const char *name)
{
    struct table_value value;
    bool is_true = false;

    return table_find(arguments, name, &value) && table_value_bool(value, &is_true) && is_true;
}

/* The first that is an id. */
static bool find_text(const struct dedup_rules *r, struct sl_bytes properties,
                      const struct known_headers *known, struct text *room, struct sl_bytes *out)
{
    struct properties p;

    if (r->header.len != 0 && renamed(r, properties, room, out))
        return true;
    if (r->header.len == 0 && r->is_full &&
        known_text(known, KNOWN_DEDUPLICATION_HEADER, room, out))
        return true;
    if (known_text(known, KNOWN_DUPL_ID, room, out) || known_text(known, KNOWN_DEDUP_ID, room, out))
        return true;
    if (!r->takes_message_id)
        return false;
    properties_decode(properties, &p);
    *out = p.message_id;
    return (p.present & PROPERTY_MESSAGE_ID) != 0 && out->len != 0;
}

static bool renamed(const struct dedup_rules *r, struct sl_bytes properties, struct text *room,
                    struct sl_bytes *out)
{
    struct sl_bytes headers;
    struct table_field field;

    if (!properties_headers(properties, &headers))
        return false;
    struct sl_reader fields = table_fields(headers);
    while (table_next(&fields, &field))
        if (sl_bytes_equal(field.name, r->header))
            return text_of(field.value, room, out);
    return false;
}

static bool known_text(const struct known_headers *known, enum known_header which,
                       struct text *room, struct sl_bytes *out)
{
    return known_header_is(known, which) && text_of(known->value[which], room, out);
}

/* False: it is empty, or no scalar. */
static bool text_of(struct table_value value, struct text *room, struct sl_bytes *out)
{
    switch (value.type) {
    case TABLE_STRING:
    case TABLE_BYTES: *out = value.bytes; return out->len != 0;
    case TABLE_VOID:
    case TABLE_TABLE:
    case TABLE_ARRAY: return false;
    default: break;
    }
    room->len = 0;
    table_value_describe(value, room);
    *out = (struct sl_bytes){(const uint8_t *)room->at, room->len};
    return out->len != 0;
}

/* Of a message's own time and the queue's the message's, up to what a queue may ask for. */
static uint32_t ttl_of(const struct dedup_rules *r, const struct known_headers *known)
{
    uint64_t ms;

    if (!known_header_is(known, KNOWN_CACHE_TTL) || !read_ttl(known->value[KNOWN_CACHE_TTL], &ms) ||
        ms == 0)
        return r->window_ms;
    return ms < SL_DEDUP_WINDOW_MS_MAX ? (uint32_t)ms : (uint32_t)SL_DEDUP_WINDOW_MS_MAX;
}

/* As a number, or its digits: STOMP has only text. */
static bool read_ttl(struct table_value value, uint64_t *ms)
{
    struct sl_bytes digits;
    int64_t n;

    if (table_value_integer(value, &n)) {
        *ms = (uint64_t)n;
        return n >= 0;
    }
    if (!table_value_string(value, &digits) || digits.len == 0 || digits.len > TTL_DIGITS_MAX)
        return false;
    *ms = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        *ms = *ms * 10 + (uint64_t)(digits.at[i] - '0');
    }
    return true;
}
