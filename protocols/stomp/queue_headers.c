#include "protocols/stomp/queue_headers.h"

#include "core/base/limits.h"
#include "core/table.h"
#include "protocols/stomp/durable.h"

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
    {"x-selector", ARGUMENT_TEXT},
    {"x-single-active-consumer", ARGUMENT_BOOL},
    {"x-stream-filter-size-bytes", ARGUMENT_INTEGER},
    {"x-stream-max-segment-size-bytes", ARGUMENT_INTEGER},
    {"x-subscribed-to", ARGUMENT_TEXT},
};

static const char *const OF_CONSUMER[] = {"x-queue-name", "x-priority"};
static const char *const OF_STREAMS[] = {"x-stream-offset", "x-stream-filter",
                                         "x-stream-match-unfiltered"};

#define TRANSLATED_MAX 3u /* arguments that other headers than their own ask for */

static void read_properties(const struct stomp_headers *h, const struct stomp_destination *d,
                            struct queue_declaration *out);
static enum sl_err read_arguments(const struct stomp_headers *h, const struct stomp_header *more,
                                  uint32_t more_count, bool is_subscribe, struct arena *arena,
                                  struct sl_bytes *table);
static uint32_t translate(const struct stomp_headers *h, const struct stomp_destination *d,
                          struct stomp_header out[TRANSLATED_MAX]);
static void write_headers(struct sl_writer *w, const struct stomp_headers *h, bool is_subscribe);
static bool is_argument(struct sl_bytes name, bool is_subscribe, enum argument_type *type);
static void write_argument(struct sl_writer *w, const struct stomp_header *h,
                           enum argument_type type);

enum sl_err stomp_queue_headers_read(const struct stomp_headers *h,
                                     const struct stomp_destination *d, bool is_subscribe,
                                     struct arena *arena, struct queue_declaration *out)
{
    struct stomp_header more[TRANSLATED_MAX];
    uint32_t count = is_subscribe ? translate(h, d, more) : 0;

    *out = (struct queue_declaration){0};
    read_properties(h, d, out);
    return read_arguments(h, more, count, is_subscribe, arena, &out->arguments);
}

const char *stomp_stream_header(const struct stomp_headers *h)
{
    for (size_t i = 0; i < sizeof OF_STREAMS / sizeof OF_STREAMS[0]; i++)
        if (stomp_find(h, OF_STREAMS[i]) != NULL)
            return OF_STREAMS[i];
    return NULL;
}

/* RabbitMQ 4.3's, but for one thing: a named topic queue (x-queue-name) is not exclusive, as
 * it is named in order to be shared.  A subscription with a name of its own is as ActiveMQ and
 * Artemis have it: it stays. */
static void read_properties(const struct stomp_headers *h, const struct stomp_destination *d,
                            struct queue_declaration *out)
{
    if (stomp_destination_is_queue(d)) {
        out->is_durable = stomp_bool(h, "durable", true);
        out->is_auto_delete = !out->is_durable || stomp_bool(h, "auto-delete", false);
        out->is_exclusive = !out->is_durable || stomp_bool(h, "exclusive", false);
        return;
    }
    struct sl_bytes name;
    bool stays = stomp_durable_name(h, &name) != NULL;
    bool is_named = stays || stomp_find(h, "x-queue-name") != NULL;
    out->is_durable = stomp_is_durable(h);
    out->is_auto_delete = !stays && stomp_bool(h, "auto-delete", true);
    out->is_exclusive =
        !stays &&
        stomp_bool(h, "exclusive", !is_named && (!out->is_durable || d->kind == STOMP_TO_EXCHANGE));
}

/* What is said in the words of others, as headers of ours; who says ours as well means ours. */
static uint32_t translate(const struct stomp_headers *h, const struct stomp_destination *d,
                          struct stomp_header out[TRANSLATED_MAX])
{
    struct sl_bytes name;
    bool has_name = !stomp_destination_is_queue(d) && stomp_durable_name(h, &name) != NULL;
    const struct stomp_header words[TRANSLATED_MAX] = {
        {SL_BYTES_LITERAL("x-selector"), stomp_value(h, "selector")},
        {SL_BYTES_LITERAL("x-single-active-consumer"), stomp_bool(h, "activemq.exclusive", false)
                                                           ? SL_BYTES_LITERAL("true")
                                                           : SL_BYTES_LITERAL("")},
        {SL_BYTES_LITERAL("x-subscribed-to"),
         has_name ? stomp_value(h, "destination") : SL_BYTES_LITERAL("")},
    };
    uint32_t count = 0;

    for (uint32_t i = 0; i < TRANSLATED_MAX; i++)
        if (words[i].value.len != 0 && stomp_find(h, (const char *)words[i].name.at) == NULL)
            out[count++] = words[i];
    return count;
}

static enum sl_err read_arguments(const struct stomp_headers *h, const struct stomp_header *more,
                                  uint32_t more_count, bool is_subscribe, struct arena *arena,
                                  struct sl_bytes *table)
{
    enum argument_type type;
    size_t bytes = 4;
    uint32_t count = more_count;

    for (uint32_t i = 0; i < more_count; i++)
        bytes += more[i].name.len + more[i].value.len + 16;
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
    for (uint32_t i = 0; i < more_count; i++)
        if (is_argument(more[i].name, true, &type))
            write_argument(&w, &more[i], type);
    write_headers(&w, h, is_subscribe);
    table_write_finish(&w, start);
    *table = (struct sl_bytes){at, (size_t)(w.pos - at)};
    return w.overflowed || table->len > SL_PROPERTIES_BYTES_MAX ? SL_ETOOBIG : SL_OK;
}

static void write_headers(struct sl_writer *w, const struct stomp_headers *h, bool is_subscribe)
{
    enum argument_type type;

    for (uint32_t i = 0; i < h->count; i++) {
        const struct stomp_header *one = &h->at[i];
        bool is_first = true;

        if (!is_argument(one->name, is_subscribe, &type))
            continue;
        for (uint32_t j = 0; j < i && is_first; j++)
            is_first = !sl_bytes_equal(h->at[j].name, one->name);
        if (is_first)
            write_argument(w, one, type);
    }
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
