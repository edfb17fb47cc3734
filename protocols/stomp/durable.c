#include "protocols/stomp/durable.h"

#include "core/base/limits.h"
#include "core/base/random.h"
#include "protocols/stomp/queue_headers.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#include <stdlib.h>
#include <xxhash.h>

#define DURABLE_PREFIX "stomp-durable-"
#define NAME_BYTES (sizeof STOMP_SUBSCRIPTION_PREFIX - 1 + STOMP_STABLE_NAME_CHARS)
_Static_assert(SL_RANDOM_NAME_CHARS == STOMP_STABLE_NAME_CHARS, "a random name is as long");

static bool refuse(struct stomp_session *s, const struct stomp_frame *f, const char *message,
                   const char *body);
static struct sl_bytes hashed_name(struct stomp_session *s, const struct stomp_frame *f,
                                   const char *prefix, struct sl_bytes first,
                                   struct sl_bytes second);

bool stomp_is_durable(const struct stomp_headers *h)
{
    struct sl_bytes name;

    return stomp_bool(h, "durable", false) || stomp_bool(h, "persistent", false) ||
           stomp_durable_name(h, &name) != NULL;
}

const char *stomp_durable_name(const struct stomp_headers *h, struct sl_bytes *name)
{
    static const char *const NAMES[] = {
        "activemq.subscriptionName", "activemq.subcriptionName", /* as it was misspelt for long */
        "durable-subscription-name", "durable-subscriber-name"};

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const struct stomp_header *found = stomp_find(h, NAMES[i]);
        if (found == NULL)
            continue;
        *name = found->value;
        return NAMES[i];
    }
    *name = (struct sl_bytes){NULL, 0};
    return NULL;
}

bool stomp_durable_of_connection(struct stomp_session *s, const struct stomp_headers *h)
{
    struct sl_bytes id = stomp_value(h, "client-id");

    if (id.len == 0)
        return true;
    if (id.len > SL_NAME_BYTES_MAX) {
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT", "'client-id' may have 255 bytes at most");
        return false;
    }
    free(s->client_id);
    s->client_id = strndup((const char *)id.at, id.len);
    if (s->client_id == NULL)
        stomp_fail_with(s, STOMP_NO_RECEIPT, SL_ENOMEM, "out of memory");
    return s->client_id != NULL;
}

bool stomp_durable_check(struct stomp_session *s, const struct stomp_frame *f,
                         const struct stomp_destination *d)
{
    struct sl_bytes name;
    bool is_named = stomp_durable_name(&f->headers, &name) != NULL;

    if (is_named && stomp_destination_is_queue(d))
        return refuse(s, f, "Invalid Subscription",
                      "cannot durably subscribe to a Queue destination!");
    if (is_named && (name.len == 0 || name.len > SL_NAME_BYTES_MAX))
        return refuse(s, f, "Invalid header",
                      "The name of a durable subscription has 1 to 255 bytes");
    if (is_named && s->client_id == NULL)
        return refuse(s, f, "Missing header",
                      "'CONNECT' must include a 'client-id' header for named durable "
                      "subscriptions");
    if (is_named && stomp_find(&f->headers, "x-queue-name") != NULL)
        return refuse(s, f, "Invalid header",
                      "'x-queue-name' does not go with the name of a durable subscription");
    if (is_named || stomp_destination_is_queue(d) || !stomp_is_durable(&f->headers) ||
        stomp_find(&f->headers, "id") != NULL)
        return true;
    return refuse(s, f, "Missing Header",
                  stomp_bool(&f->headers, "durable", false)
                      ? "Header 'id' is required for durable subscriptions"
                      : "Header 'id' is required for persistent subscriptions");
}

bool stomp_durable_queue(struct stomp_session *s, const struct stomp_frame *f,
                         struct sl_bytes *name)
{
    struct sl_bytes given = stomp_value(&f->headers, "x-queue-name");
    struct sl_bytes own;

    if (given.len > SL_NAME_BYTES_MAX)
        return refuse(s, f, "Invalid header", "'x-queue-name' may have 255 bytes at most");
    if (stomp_durable_name(&f->headers, &own) != NULL)
        return stomp_durable_find(s, f, name);
    *name = given;
    if (given.len != 0)
        return true;
    *name = hashed_name(s, f, STOMP_SUBSCRIPTION_PREFIX, stomp_value(&f->headers, "destination"),
                        stomp_value(&f->headers, "id"));
    if (name->at != NULL && !stomp_is_durable(&f->headers))
        sl_random_name((char *)name->at + sizeof STOMP_SUBSCRIPTION_PREFIX - 1);
    return name->at != NULL;
}

bool stomp_durable_find(struct stomp_session *s, const struct stomp_frame *f,
                        struct sl_bytes *queue)
{
    struct sl_bytes name;

    if (stomp_durable_name(&f->headers, &name) == NULL || s->client_id == NULL)
        return false;
    *queue = hashed_name(s, f, DURABLE_PREFIX, sl_bytes_of(s->client_id), name);
    return queue->at != NULL;
}

void stomp_stable_name(struct sl_bytes first, struct sl_bytes second,
                       uint8_t chars[STOMP_STABLE_NAME_CHARS])
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t seed = XXH3_64bits(second.at, second.len);
    XXH128_hash_t of = XXH3_128bits_withSeed(first.at, first.len, seed);

    for (uint32_t i = 0; i < STOMP_STABLE_NAME_CHARS / 2; i++) {
        chars[i] = (uint8_t)DIGITS[of.low64 & 63];
        chars[i + STOMP_STABLE_NAME_CHARS / 2] = (uint8_t)DIGITS[of.high64 & 63];
        of.low64 >>= 6;
        of.high64 >>= 6;
    }
}

static bool refuse(struct stomp_session *s, const struct stomp_frame *f, const char *message,
                   const char *body)
{
    stomp_refuse(s, f->receipt, message, body);
    return false;
}

/* {NULL, 0}: there was no memory, which was answered. */
static struct sl_bytes hashed_name(struct stomp_session *s, const struct stomp_frame *f,
                                   const char *prefix, struct sl_bytes first,
                                   struct sl_bytes second)
{
    uint8_t *at = arena_take(&s->base.env->arena, NAME_BYTES + 1);
    struct sl_bytes begins = sl_bytes_of(prefix);

    if (at == NULL) {
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory");
        return (struct sl_bytes){NULL, 0};
    }
    memcpy(at, begins.at, begins.len);
    stomp_stable_name(first, second, at + begins.len);
    return (struct sl_bytes){at, begins.len + STOMP_STABLE_NAME_CHARS};
}
