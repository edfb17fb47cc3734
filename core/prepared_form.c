#include "core/prepared_form.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/known_headers.h"
#include "core/properties.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define MORE_BYTES SL_PREPARED_HEADERS_BYTES

struct rewriting {    /* of a message's headers */
    bool drops_asked; /* what asked for the preparation */
    bool is_check;
    struct sl_bytes user; /* at is NULL: prepared-user stays */
    uint32_t number;
};

static struct sl_bytes string_of(const struct known_headers *k, enum known_header which);
static bool read_milliseconds(struct table_value value, uint64_t *ms);
static struct message *rewrite(const struct message *msg, struct sl_bytes exchange,
                               struct sl_bytes key, const struct rewriting *how);
static struct sl_bytes write_properties(const struct message *msg, const struct rewriting *how,
                                        uint8_t *room, size_t size);
static struct sl_bytes write_headers(const struct message *msg, struct sl_bytes headers,
                                     const struct rewriting *how, uint8_t *room, size_t size);
static bool is_dropped(struct sl_bytes name, const struct rewriting *how);
static void add_check(struct sl_writer *w, const struct message *msg, uint32_t number);
static bool cut(struct sl_bytes *text, const char *prefix);

enum sl_err prepared_form_read(struct sl_bytes properties, struct prepared_form *out,
                               struct text *why)
{
    struct known_headers k;

    known_headers_read(properties, &k);
    *out = (struct prepared_form){.id = string_of(&k, KNOWN_PREPARE),
                                  .user = string_of(&k, KNOWN_PREPARED_USER),
                                  .check = string_of(&k, KNOWN_PREPARE_CHECK)};
    if (out->id.len == 0 || out->id.len > SL_NAME_BYTES_MAX) {
        text_add(why, "header 'x-prepare' must be an id of 1 to 255 bytes");
        return SL_EPRECOND;
    }
    if (known_header_is(&k, KNOWN_PREPARE_CHECK)) {
        struct sl_bytes exchange, key;
        if (prepared_destination(out->check, &exchange, &key) != SL_OK) {
            text_add(why, "header 'x-prepare-check' must be a destination like /queue/NAME, "
                          "/topic/KEY or /exchange/NAME/KEY");
            return SL_EPRECOND;
        }
    }
    out->has_timeout = known_header_is(&k, KNOWN_PREPARE_TIMEOUT);
    if (out->has_timeout && !read_milliseconds(k.value[KNOWN_PREPARE_TIMEOUT], &out->timeout_ms)) {
        text_add(why, "header 'x-prepare-timeout' must be a number of milliseconds up to "
                      "4294967295");
        return SL_EPRECOND;
    }
    return SL_OK;
}

enum sl_err outcome_form_read(struct sl_bytes properties, struct outcome_form *out,
                              struct text *why)
{
    struct known_headers k;

    known_headers_read(properties, &k);
    struct sl_bytes outcome = string_of(&k, KNOWN_OUTCOME);
    *out = (struct outcome_form){.user = string_of(&k, KNOWN_PREPARED_USER)};
    if (!sl_bytes_are(outcome, "commit") && !sl_bytes_are(outcome, "rollback")) {
        text_add(why, "header 'outcome' must be 'commit' or 'rollback'");
        return SL_EPRECOND;
    }
    out->verdict = sl_bytes_are(outcome, "commit") ? VERDICT_COMMIT : VERDICT_ROLLBACK;
    if (known_header_is(&k, KNOWN_PREPARED_USER) &&
        (out->user.at == NULL || out->user.len > SL_NAME_BYTES_MAX)) {
        text_add(why, "header 'prepared-user' must be the name of a user");
        return SL_EPRECOND;
    }
    return SL_OK;
}

/* A digest and not a mere hash: nobody makes an id that stands for another one's. */
void prepared_key(struct sl_bytes user, struct sl_bytes id, uint8_t key[OUTCOME_KEY_BYTES])
{
    uint8_t text[2 * (1 + SL_NAME_BYTES_MAX)];
    uint8_t digest[EVP_MAX_MD_SIZE];
    struct sl_writer w = {text, text + sizeof text, false};

    sl_write_short_string(&w, user);
    sl_write_short_string(&w, id);
    SL_ASSERT(!w.overflowed);
    SL_ASSERT(EVP_Digest(text, (size_t)(w.pos - text), digest, NULL, EVP_sha256(), NULL) == 1);
    memcpy(key, digest, OUTCOME_KEY_BYTES);
}

enum sl_err prepared_destination(struct sl_bytes text, struct sl_bytes *exchange,
                                 struct sl_bytes *key)
{
    *exchange = (struct sl_bytes){NULL, 0};
    if (cut(&text, "/topic/"))
        *exchange = SL_BYTES_LITERAL("amq.topic");
    else if (cut(&text, "/exchange/")) {
        const uint8_t *end = text.len == 0 ? NULL : memchr(text.at, '/', text.len);
        exchange->at = text.at;
        exchange->len = end == NULL ? text.len : (size_t)(end - text.at);
        *key = sl_bytes_skip(text, end == NULL ? text.len : exchange->len + 1);
        return exchange->len == 0 || exchange->len > SL_NAME_BYTES_MAX ||
                       key->len > SL_NAME_BYTES_MAX
                   ? SL_ESYNTAX
                   : SL_OK;
    } else if (!cut(&text, "/queue/") && !cut(&text, "/amq/queue/"))
        return SL_ESYNTAX;
    *key = text;
    return key->len == 0 || key->len > SL_NAME_BYTES_MAX ? SL_ESYNTAX : SL_OK;
}

struct message *prepared_stored(const struct message *msg, struct sl_bytes user)
{
    if (user.at == NULL)
        user = SL_BYTES_LITERAL("");
    return rewrite(msg, message_exchange(msg), message_key(msg), &(struct rewriting){.user = user});
}

struct message *prepared_committed(const struct message *stored)
{
    return rewrite(stored, message_exchange(stored), message_key(stored),
                   &(struct rewriting){.drops_asked = true});
}

struct message *prepared_check(const struct message *stored, struct sl_bytes exchange,
                               struct sl_bytes key, uint32_t number)
{
    return rewrite(stored, exchange, key, &(struct rewriting){.is_check = true, .number = number});
}

/* at is NULL: it is not there, or no string. */
static struct sl_bytes string_of(const struct known_headers *k, enum known_header which)
{
    struct sl_bytes value = {NULL, 0};

    if (known_header_is(k, which) && !table_value_string(k->value[which], &value))
        return (struct sl_bytes){NULL, 0};
    return value;
}

static bool read_milliseconds(struct table_value value, uint64_t *ms)
{
    struct sl_bytes text;
    int64_t number;

    if (table_value_string(value, &text))
        return expiration_read(text, ms);
    if (!table_value_integer(value, &number) || number < 0 || number > UINT32_MAX)
        return false;
    *ms = (uint64_t)number;
    return true;
}

static struct message *rewrite(const struct message *msg, struct sl_bytes exchange,
                               struct sl_bytes key, const struct rewriting *how)
{
    size_t size = message_properties(msg).len + MORE_BYTES;
    uint8_t *room = malloc(2 * size);
    struct message *out = NULL;

    if (room == NULL)
        return NULL;
    struct sl_bytes properties = write_properties(msg, how, room, size);
    out = message_new(exchange, key, properties, message_body(msg).len);
    free(room);
    if (out != NULL && message_append(&out, message_body(msg)) != SL_OK) {
        message_unref(out);
        return NULL;
    }
    if (out != NULL) {
        out->has_deaths = msg->has_deaths;
        out->is_moved = how->is_check;
    }
    return out;
}

/* room: twice size. */
static struct sl_bytes write_properties(const struct message *msg, const struct rewriting *how,
                                        uint8_t *room, size_t size)
{
    struct sl_writer w = {room, room + size, false};
    struct sl_bytes headers = table_empty;
    struct properties p;

    properties_decode(message_properties(msg), &p);
    properties_headers(message_properties(msg), &headers);
    p.headers = write_headers(msg, headers, how, room + size, size);
    p.present |= PROPERTY_HEADERS;
    if (how->drops_asked && p.headers.len == table_empty.len)
        p.present &= (uint16_t)~PROPERTY_HEADERS;
    if (how->is_check) {
        p.present |= PROPERTY_DELIVERY_MODE;
        p.present &= (uint16_t)~PROPERTY_EXPIRATION;
        p.delivery_mode = 2;
    }
    properties_encode(&p, &w);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static struct sl_bytes write_headers(const struct message *msg, struct sl_bytes headers,
                                     const struct rewriting *how, uint8_t *room, size_t size)
{
    struct sl_writer w = {room, room + size, false};
    uint8_t *start = table_write_start(&w);
    struct sl_reader r = table_fields(headers);
    struct table_field field;

    while (table_next(&r, &field))
        if (!is_dropped(field.name, how))
            table_write_value(&w, field.name, field.value);
    if (how->user.at != NULL)
        table_write_string(&w, SL_BYTES_LITERAL("prepared-user"), how->user);
    if (how->is_check)
        add_check(&w, msg, how->number);
    table_write_finish(&w, start);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static bool is_dropped(struct sl_bytes name, const struct rewriting *how)
{
    if (how->is_check)
        return sl_bytes_are(name, "prepared-id") || sl_bytes_are(name, "prepared-check") ||
               sl_bytes_are(name, "prepared-exchange") || sl_bytes_are(name, "prepared-key");
    if (sl_bytes_are(name, "prepared-user"))
        return true;
    return how->drops_asked &&
           (sl_bytes_are(name, "x-prepare") || sl_bytes_are(name, "x-prepare-timeout") ||
            sl_bytes_are(name, "x-prepare-check"));
}

static void add_check(struct sl_writer *w, const struct message *msg, uint32_t number)
{
    struct prepared_form form;
    char why[128];
    struct text text = text_on(why, sizeof why);
    enum sl_err err = prepared_form_read(message_properties(msg), &form, &text);

    SL_ASSERT(err == SL_OK); /* it was read when it was prepared */
    table_write_string(w, SL_BYTES_LITERAL("prepared-id"), form.id);
    table_write_s64(w, SL_BYTES_LITERAL("prepared-check"), number);
    table_write_string(w, SL_BYTES_LITERAL("prepared-exchange"), message_exchange(msg));
    table_write_string(w, SL_BYTES_LITERAL("prepared-key"), message_key(msg));
}

static bool cut(struct sl_bytes *text, const char *prefix)
{
    if (!sl_bytes_begin(*text, prefix))
        return false;
    *text = sl_bytes_skip(*text, strlen(prefix));
    return true;
}
