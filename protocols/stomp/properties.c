#include "protocols/stomp/properties.h"

#include "core/base/hash_map.h"
#include "core/base/limits.h"
#include "core/properties.h"
#include "core/table.h"
#include "protocols/stomp/destination.h"
#include "protocols/stomp/print.h"
#include "protocols/stomp/schedule.h"

#include <stdio.h>

#define FIELD_OVERHEAD_BYTES 6u /* name length, type, value length */
#define LINEAR_MAX 16u          /* headers among which a repeated one is looked for one by one */

#define SEEN_SLOTS 2048u
_Static_assert(SL_STOMP_HEADERS_MAX <= SEEN_SLOTS / 2, "half empty, so that looking is short");

enum header_use { USE_TEXT, USE_EXPIRATION, USE_PRIORITY, USE_TIMESTAMP, USE_PERSISTENT, USE_NOT };

static const struct known {
    struct sl_bytes name;
    enum header_use use;
    uint16_t flag;
    uint16_t offset; /* of the text in struct properties */
} KNOWN[] = {
#define NAME(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
#define TEXT(text, flag, field)                                                                    \
    {                                                                                              \
        NAME(text), USE_TEXT, flag, offsetof(struct properties, field)                             \
    }
    TEXT("content-type", PROPERTY_CONTENT_TYPE, content_type),
    TEXT("content-encoding", PROPERTY_CONTENT_ENCODING, content_encoding),
    TEXT("correlation-id", PROPERTY_CORRELATION_ID, correlation_id),
    TEXT("reply-to", PROPERTY_REPLY_TO, reply_to),
    {NAME("expiration"), USE_EXPIRATION, PROPERTY_EXPIRATION, 0},
    TEXT("type", PROPERTY_TYPE, type),
    TEXT("user-id", PROPERTY_USER_ID, user_id),
    TEXT("app-id", PROPERTY_APP_ID, app_id),
    TEXT("amqp-message-id", PROPERTY_MESSAGE_ID, message_id),
    {NAME("priority"), USE_PRIORITY, PROPERTY_PRIORITY, 0},
    {NAME("timestamp"), USE_TIMESTAMP, PROPERTY_TIMESTAMP, 0},
    {NAME("persistent"), USE_PERSISTENT, PROPERTY_DELIVERY_MODE, 0},
    /* about the frame or the connection, not about the message */
    {NAME("destination"), USE_NOT, 0, 0},
    {NAME("receipt"), USE_NOT, 0, 0},
    {NAME("transaction"), USE_NOT, 0, 0},
    {NAME("content-length"), USE_NOT, 0, 0},
    {NAME("message-id"), USE_NOT, 0, 0},
    {NAME("ack"), USE_NOT, 0, 0},
    {NAME("redelivered"), USE_NOT, 0, 0},
    {NAME("subscription"), USE_NOT, 0, 0},
    {NAME("session"), USE_NOT, 0, 0},
#undef TEXT
#undef NAME
};

struct seen {        /* names of the header table so far, when they are many */
    uint16_t *slots; /* index + 1, open addressing; NULL: look one by one */
    uint32_t mask;
};

static const struct known *find_known(struct sl_bytes name);
static enum sl_err read_known(const struct known *known, struct sl_bytes value,
                              struct properties *p);
static void read_expires(const struct stomp_headers *h, struct stomp_sending *sending,
                         struct arena *arena, struct properties *p);
static enum sl_err read_table(const struct stomp_headers *h, uint64_t delay_ms, struct arena *arena,
                              struct properties *p, const char **why);
static bool is_repeated(const struct stomp_headers *h, uint32_t i, struct seen *seen);
static enum sl_err encode(const struct properties *p, struct arena *arena, struct sl_bytes *flat);
static enum sl_err write_text(struct sl_buffer *to, const char *name, struct sl_bytes value);
static enum sl_err write_number(struct sl_buffer *to, const char *name, uint64_t value);
static enum sl_err write_reply_to(struct sl_buffer *to, struct sl_bytes value);
static enum sl_err write_table(struct sl_buffer *to, struct sl_bytes table);
static struct sl_bytes value_text(struct table_value value, char *room, size_t room_bytes);

enum sl_err stomp_properties_read(const struct stomp_headers *h, struct stomp_sending *sending,
                                  struct arena *arena, struct sl_bytes *flat, const char **why)
{
    struct properties p = {0};
    bool has_others = false;

    for (uint32_t i = 0; i < h->count; i++) {
        const struct known *known = find_known(h->at[i].name);

        if (known == NULL) {
            has_others = true;
            continue;
        }
        *why = (const char *)known->name.at;
        if (known->use != USE_NOT && (p.present & known->flag) == 0)
            SL_TRY(read_known(known, h->at[i].value, &p));
    }
    if ((p.present & PROPERTY_DELIVERY_MODE) != 0 && p.delivery_mode == 0)
        p.present &= (uint16_t)~PROPERTY_DELIVERY_MODE;
    if (sending->reply_to.at != NULL)
        p.reply_to = sending->reply_to;
    read_expires(h, sending, arena, &p);
    if (has_others)
        SL_TRY(read_table(h, sending->delay_ms, arena, &p, why));
    *why = "headers";
    return encode(&p, arena, flat);
}

enum sl_err stomp_properties_write(struct sl_buffer *to, struct sl_bytes flat)
{
    struct properties p;

    properties_decode(flat, &p);
    if (p.present & PROPERTY_CONTENT_TYPE)
        SL_TRY(write_text(to, "content-type", p.content_type));
    if (p.present & PROPERTY_CONTENT_ENCODING)
        SL_TRY(write_text(to, "content-encoding", p.content_encoding));
    if ((p.present & PROPERTY_DELIVERY_MODE) && p.delivery_mode == 2)
        SL_TRY(write_text(to, "persistent", SL_BYTES_LITERAL("true")));
    if (p.present & PROPERTY_PRIORITY)
        SL_TRY(write_number(to, "priority", p.priority));
    if (p.present & PROPERTY_CORRELATION_ID)
        SL_TRY(write_text(to, "correlation-id", p.correlation_id));
    if (p.present & PROPERTY_REPLY_TO)
        SL_TRY(write_reply_to(to, p.reply_to));
    if (p.present & PROPERTY_EXPIRATION)
        SL_TRY(write_text(to, "expiration", p.expiration));
    if (p.present & PROPERTY_MESSAGE_ID)
        SL_TRY(write_text(to, "amqp-message-id", p.message_id));
    if (p.present & PROPERTY_TIMESTAMP)
        SL_TRY(write_number(to, "timestamp", p.timestamp));
    if (p.present & PROPERTY_TYPE)
        SL_TRY(write_text(to, "type", p.type));
    if (p.present & PROPERTY_USER_ID)
        SL_TRY(write_text(to, "user-id", p.user_id));
    if (p.present & PROPERTY_APP_ID)
        SL_TRY(write_text(to, "app-id", p.app_id));
    if (p.present & PROPERTY_HEADERS)
        SL_TRY(write_table(to, p.headers));
    return SL_OK;
}

static const struct known *find_known(struct sl_bytes name)
{
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (sl_bytes_equal(KNOWN[i].name, name))
            return &KNOWN[i];
    }
    return NULL;
}

static enum sl_err read_known(const struct known *known, struct sl_bytes value,
                              struct properties *p)
{
    uint64_t n;

    p->present |= known->flag;
    switch (known->use) {
    case USE_TEXT:
        if (value.len > SL_NAME_BYTES_MAX)
            return SL_ETOOBIG;
        memcpy((char *)p + known->offset, &value, sizeof value);
        return SL_OK;
    case USE_EXPIRATION:
        p->expiration = value;
        return expiration_read(value, &n) ? SL_OK : SL_ESYNTAX;
    case USE_PRIORITY:
        if (!stomp_number(value, UINT8_MAX, &n))
            return SL_ESYNTAX;
        p->priority = (uint8_t)n;
        return SL_OK;
    case USE_TIMESTAMP:
        if (!stomp_number(value, UINT64_MAX, &p->timestamp))
            return SL_ESYNTAX;
        return SL_OK;
    case USE_PERSISTENT: p->delivery_mode = sl_bytes_are(value, "true") ? 2 : 0; return SL_OK;
    case USE_NOT: break;
    }
    return SL_OK;
}

/* ActiveMQ says when a message ends, AMQP how long it lives; 0 is never, and so is what is further
 * away than AMQP can say: no client could send such a message on. */
static void read_expires(const struct stomp_headers *h, struct stomp_sending *sending,
                         struct arena *arena, struct properties *p)
{
    uint64_t at;

    if ((p->present & PROPERTY_EXPIRATION) != 0 ||
        !stomp_number(stomp_value(h, "expires"), UINT64_MAX, &at) || at == 0)
        return;
    uint64_t left = at > sending->now_wall_ms ? at - sending->now_wall_ms : 0;
    if (left > UINT32_MAX)
        return;
    uint8_t *digits = arena_take(arena, STOMP_NUMBER_BYTES_MAX);
    if (digits == NULL)
        return;
    p->expiration = (struct sl_bytes){digits, (size_t)(stomp_print_number(digits, left) - digits)};
    p->present |= PROPERTY_EXPIRATION;
    sending->is_timed = true;
}

static enum sl_err read_table(const struct stomp_headers *h, uint64_t delay_ms, struct arena *arena,
                              struct properties *p, const char **why)
{
    struct seen seen = {NULL, 0};
    size_t bytes = 4 + FIELD_OVERHEAD_BYTES + sizeof "x-delay" + sizeof delay_ms;

    for (uint32_t i = 0; i < h->count; i++)
        bytes += h->at[i].name.len + h->at[i].value.len + FIELD_OVERHEAD_BYTES;
    uint8_t *at = arena_take(arena, bytes);
    if (h->count > LINEAR_MAX) {
        seen.mask = SEEN_SLOTS - 1;
        seen.slots = arena_take(arena, SEEN_SLOTS * sizeof *seen.slots);
        if (seen.slots == NULL)
            return SL_ENOMEM;
        memset(seen.slots, 0, SEEN_SLOTS * sizeof *seen.slots);
    }
    if (at == NULL)
        return SL_ENOMEM;

    struct sl_writer w = {at, at + bytes, false};
    uint8_t *start = table_write_start(&w);
    for (uint32_t i = 0; i < h->count; i++) {
        if (find_known(h->at[i].name) != NULL || is_repeated(h, i, &seen))
            continue;
        if (delay_ms != 0 && stomp_schedule_is_word(h->at[i].name))
            continue;
        *why = "of a name longer than 255 bytes";
        if (h->at[i].name.len > SL_NAME_BYTES_MAX)
            return SL_ETOOBIG;
        table_write_string(&w, h->at[i].name, h->at[i].value);
    }
    if (delay_ms != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-delay"), (int64_t)delay_ms);
    table_write_finish(&w, start);
    p->headers = (struct sl_bytes){at, (size_t)(w.pos - at)};
    p->present |= PROPERTY_HEADERS;
    return SL_OK;
}

static bool is_repeated(const struct stomp_headers *h, uint32_t i, struct seen *seen)
{
    if (seen->slots == NULL) {
        for (uint32_t j = 0; j < i; j++) {
            if (sl_bytes_equal(h->at[j].name, h->at[i].name))
                return true;
        }
        return false;
    }
    uint32_t slot = (uint32_t)hash_map_hash(h->at[i].name) & seen->mask;
    for (; seen->slots[slot] != 0; slot = (slot + 1) & seen->mask) {
        if (sl_bytes_equal(h->at[seen->slots[slot] - 1].name, h->at[i].name))
            return true;
    }
    seen->slots[slot] = (uint16_t)(i + 1);
    return false;
}

static enum sl_err encode(const struct properties *p, struct arena *arena, struct sl_bytes *flat)
{
    size_t room = p->headers.len + 16u * 256u;
    uint8_t *at = arena_take(arena, room);

    if (at == NULL)
        return SL_ENOMEM;
    struct sl_writer w = {at, at + room, false};
    properties_encode(p, &w);
    *flat = (struct sl_bytes){at, (size_t)(w.pos - at)};
    return w.overflowed || flat->len > SL_PROPERTIES_BYTES_MAX ? SL_ETOOBIG : SL_OK;
}

static enum sl_err write_text(struct sl_buffer *to, const char *name, struct sl_bytes value)
{
    SL_TRY(sl_buffer_append(to, sl_bytes_of(name)));
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL(":")));
    SL_TRY(stomp_escape(to, value));
    return sl_buffer_append(to, SL_BYTES_LITERAL("\n"));
}

static enum sl_err write_number(struct sl_buffer *to, const char *name, uint64_t value)
{
    uint8_t digits[STOMP_NUMBER_BYTES_MAX];
    size_t n = (size_t)(stomp_print_number(digits, value) - digits);

    return write_text(to, name, (struct sl_bytes){digits, n});
}

/* A reply address that is no destination is a queue's name. */
static enum sl_err write_reply_to(struct sl_buffer *to, struct sl_bytes value)
{
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("reply-to:")));
    if (!stomp_destination_is_known(value))
        SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("/reply-queue/")));
    SL_TRY(stomp_escape(to, value));
    return sl_buffer_append(to, SL_BYTES_LITERAL("\n"));
}

static enum sl_err write_table(struct sl_buffer *to, struct sl_bytes table)
{
    struct sl_reader r = table_fields(table);
    struct table_field field;
    char room[64];

    while (table_next(&r, &field)) {
        const struct known *known = find_known(field.name);
        struct sl_bytes value = value_text(field.value, room, sizeof room);

        /* A header that MESSAGE has of its own, content-length above all, is not to be forged. */
        if (value.at == NULL || field.name.len == 0 || (known != NULL && known->use == USE_NOT))
            continue;
        SL_TRY(stomp_escape(to, field.name));
        SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL(":")));
        SL_TRY(stomp_escape(to, value));
        SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("\n")));
    }
    return SL_OK;
}

/* What STOMP cannot say becomes a string; at is NULL for what has none. */
static struct sl_bytes value_text(struct table_value value, char *room, size_t room_bytes)
{
    struct sl_bytes text;
    int64_t n;
    bool is_true;

    if (table_value_string(value, &text))
        return text.at != NULL ? text : SL_BYTES_LITERAL("");
    if (table_value_bool(value, &is_true))
        return is_true ? SL_BYTES_LITERAL("true") : SL_BYTES_LITERAL("false");
    if (table_value_integer(value, &n)) {
        snprintf(room, room_bytes, "%lld", (long long)n);
        return sl_bytes_of(room);
    }
    if (value.type == TABLE_TIME || value.type == TABLE_F32 || value.type == TABLE_F64 ||
        value.type == TABLE_DECIMAL) {
        struct text out = text_on(room, room_bytes);
        table_value_describe(value, &out);
        return sl_bytes_of(room);
    }
    return (struct sl_bytes){NULL, 0};
}
