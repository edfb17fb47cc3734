#include "protocols/stomp/queue_headers.h"

#include "core/base/limits.h"
#include "core/table.h"

#include <xxhash.h>

enum argument_type { ARGUMENT_TEXT, ARGUMENT_INTEGER, ARGUMENT_BOOL };

static const struct argument {
    const char *name;
    enum argument_type type;
} ARGUMENTS[] = {
    {"x-cache-size", ARGUMENT_INTEGER},
    {"x-cache-ttl", ARGUMENT_INTEGER},
    {"x-consumer-timeout", ARGUMENT_INTEGER},
    {"x-dead-letter-exchange", ARGUMENT_TEXT},
    {"x-dead-letter-routing-key", ARGUMENT_TEXT},
    {"x-dead-letter-strategy", ARGUMENT_TEXT},
    {"x-dedup-message-id", ARGUMENT_BOOL},
    {"x-dedup-window-ms", ARGUMENT_INTEGER},
    {"x-delayed-retry-max", ARGUMENT_INTEGER},
    {"x-delayed-retry-min", ARGUMENT_INTEGER},
    {"x-delayed-retry-type", ARGUMENT_TEXT},
    {"x-delivery-limit", ARGUMENT_INTEGER},
    {"x-expires", ARGUMENT_INTEGER},
    {"x-max-age", ARGUMENT_TEXT},
    {"x-max-length", ARGUMENT_INTEGER},
    {"x-max-length-bytes", ARGUMENT_INTEGER},
    {"x-max-priority", ARGUMENT_INTEGER},
    {"x-message-deduplication", ARGUMENT_BOOL},
    {"x-message-groups", ARGUMENT_BOOL},
    {"x-message-ttl", ARGUMENT_INTEGER},
    {"x-overflow", ARGUMENT_TEXT},
    {"x-queue-leader-locator", ARGUMENT_TEXT},
    {"x-queue-mode", ARGUMENT_TEXT},
    {"x-queue-type", ARGUMENT_TEXT},
    {"x-queue-version", ARGUMENT_INTEGER},
    {"x-single-active-consumer", ARGUMENT_BOOL},
    {"x-stream-filter-size-bytes", ARGUMENT_INTEGER},
    {"x-stream-max-segment-size-bytes", ARGUMENT_INTEGER},
};

static const char *const OF_CONSUMER[] = {"x-queue-name", "x-priority", "x-stream-offset",
                                          "x-stream-filter", "x-stream-match-unfiltered"};

static void read_properties(const struct stomp_headers *h, const struct stomp_destination *d,
                            struct queue_declaration *out);
static enum sl_err read_arguments(const struct stomp_headers *h, bool is_subscribe,
                                  struct arena *arena, struct sl_bytes *table);
static bool is_argument(struct sl_bytes name, bool is_subscribe, enum argument_type *type);
static void write_argument(struct sl_writer *w, const struct stomp_header *h,
                           enum argument_type type);

enum sl_err stomp_queue_headers_read(const struct stomp_headers *h,
                                     const struct stomp_destination *d, bool is_subscribe,
                                     struct arena *arena, struct queue_declaration *out)
{
    *out = (struct queue_declaration){0};
    read_properties(h, d, out);
    return read_arguments(h, is_subscribe, arena, &out->arguments);
}

bool stomp_is_durable(const struct stomp_headers *h)
{
    return stomp_bool(h, "durable", false) || stomp_bool(h, "persistent", false);
}

void stomp_stable_name(struct sl_bytes destination, struct sl_bytes id,
                       uint8_t name[STOMP_STABLE_NAME_BYTES])
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t seed = XXH3_64bits(id.at, id.len);
    XXH128_hash_t hash = XXH3_128bits_withSeed(destination.at, destination.len, seed);
    uint8_t *at = name + sizeof STOMP_SUBSCRIPTION_PREFIX - 1;

    memcpy(name, STOMP_SUBSCRIPTION_PREFIX, sizeof STOMP_SUBSCRIPTION_PREFIX - 1);
    for (int i = 0; i < 11; i++) {
        at[i] = (uint8_t)DIGITS[hash.low64 & 63];
        at[i + 11] = (uint8_t)DIGITS[hash.high64 & 63];
        hash.low64 >>= 6;
        hash.high64 >>= 6;
    }
}

/* RabbitMQ 4.3's, but for one thing: a named topic queue (x-queue-name) is not exclusive, as
 * it is named in order to be shared. */
static void read_properties(const struct stomp_headers *h, const struct stomp_destination *d,
                            struct queue_declaration *out)
{
    if (stomp_destination_is_queue(d)) {
        out->is_durable = stomp_bool(h, "durable", true);
        out->is_auto_delete = !out->is_durable || stomp_bool(h, "auto-delete", false);
        out->is_exclusive = !out->is_durable || stomp_bool(h, "exclusive", false);
        return;
    }
    bool is_named = stomp_find(h, "x-queue-name") != NULL;
    out->is_durable = stomp_is_durable(h);
    out->is_auto_delete = stomp_bool(h, "auto-delete", true);
    out->is_exclusive =
        stomp_bool(h, "exclusive", !is_named && (!out->is_durable || d->kind == STOMP_TO_EXCHANGE));
}

static enum sl_err read_arguments(const struct stomp_headers *h, bool is_subscribe,
                                  struct arena *arena, struct sl_bytes *table)
{
    enum argument_type type;
    size_t bytes = 4;
    uint32_t count = 0;

    for (uint32_t i = 0; i < h->count; i++) {
        if (!is_argument(h->at[i].name, is_subscribe, &type))
            continue;
        bytes += h->at[i].name.len + h->at[i].value.len + 16;
        count++;
    }
    if (count == 0)
        return SL_OK;
    uint8_t *at = arena_take(arena, bytes);
    if (at == NULL)
        return SL_ENOMEM;

    struct sl_writer w = {at, at + bytes, false};
    uint8_t *start = table_write_start(&w);
    for (uint32_t i = 0; i < h->count; i++) {
        const struct stomp_header *one = &h->at[i];
        bool is_first = true;

        if (!is_argument(one->name, is_subscribe, &type))
            continue;
        for (uint32_t j = 0; j < i && is_first; j++)
            is_first = !sl_bytes_equal(h->at[j].name, one->name);
        if (is_first)
            write_argument(&w, one, type);
    }
    table_write_finish(&w, start);
    *table = (struct sl_bytes){at, (size_t)(w.pos - at)};
    return w.overflowed || table->len > SL_PROPERTIES_BYTES_MAX ? SL_ETOOBIG : SL_OK;
}

static bool is_argument(struct sl_bytes name, bool is_subscribe, enum argument_type *type)
{
    if (!sl_bytes_begin(name, "x-"))
        return false;
    for (size_t i = 0; i < sizeof ARGUMENTS / sizeof ARGUMENTS[0]; i++) {
        *type = ARGUMENTS[i].type;
        if (sl_bytes_are(name, ARGUMENTS[i].name))
            return true;
    }
    for (size_t i = 0; i < sizeof OF_CONSUMER / sizeof OF_CONSUMER[0]; i++) {
        if (sl_bytes_are(name, OF_CONSUMER[i]))
            return false;
    }
    *type = ARGUMENT_INTEGER;
    return is_subscribe;
}

/* A value that is not of its type goes as a string: the broker knows how to refuse that. */
static void write_argument(struct sl_writer *w, const struct stomp_header *h,
                           enum argument_type type)
{
    int64_t n;

    if (type == ARGUMENT_INTEGER && stomp_signed_number(h->value, &n)) {
        table_write_s64(w, h->name, n);
        return;
    }
    if (type == ARGUMENT_BOOL && sl_bytes_are(h->value, "true"))
        table_write_bool(w, h->name, true);
    else if (type == ARGUMENT_BOOL && sl_bytes_are(h->value, "false"))
        table_write_bool(w, h->name, false);
    else
        table_write_string(w, h->name, h->value);
}
