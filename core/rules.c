#include "core/rules.h"

#include "core/properties.h"
#include "core/table.h"

static void read_retry(struct queue_rules *r, struct sl_bytes arguments);
static uint64_t number(struct sl_bytes arguments, const char *name);
static bool word(struct sl_bytes arguments, const char *name, struct sl_bytes *out);
static bool truth(struct sl_bytes arguments, const char *name);
static enum overflow overflow_of(struct sl_bytes arguments);

void rules_read(struct queue_rules *r, struct sl_bytes arguments)
{
    uint64_t priority = number(arguments, "x-max-priority");

    *r = (struct queue_rules){
        .ttl_ms = number(arguments, "x-message-ttl"),
        .expires_ms = number(arguments, "x-expires"),
        .max_length = number(arguments, "x-max-length"),
        .max_bytes = number(arguments, "x-max-length-bytes"),
        .delivery_limit = number(arguments, "x-delivery-limit"),
        .consumer_timeout_ms = number(arguments, "x-consumer-timeout"),
        .overflow = overflow_of(arguments),
        .max_priority = priority == RULES_NONE ? 0 : (uint8_t)priority,
        .is_single_active = truth(arguments, "x-single-active-consumer"),
        .has_group_ids = truth(arguments, "x-message-groups"),
    };
    read_retry(r, arguments);
    r->has_dead_letter_exchange =
        word(arguments, "x-dead-letter-exchange", &r->dead_letter_exchange);
    r->has_dead_letter_key = word(arguments, "x-dead-letter-routing-key", &r->dead_letter_key);
    r->is_any = r->ttl_ms != RULES_NONE || r->expires_ms != RULES_NONE || rules_limit(r) ||
                r->delivery_limit != RULES_NONE || r->has_dead_letter_exchange ||
                r->max_priority != 0;
}

uint64_t rules_deadline(const struct queue_rules *r, struct sl_bytes properties, uint64_t time_ms)
{
    uint64_t ttl = r->ttl_ms;
    struct properties p;
    uint64_t ms;

    if (properties_expire(properties)) {
        properties_decode(properties, &p);
        if (expiration_read(p.expiration, &ms) && ms < ttl)
            ttl = ms;
    }
    return ttl == RULES_NONE ? 0 : time_ms + ttl;
}

uint8_t rules_priority(const struct queue_rules *r, struct sl_bytes properties)
{
    if (r->max_priority == 0)
        return 0;
    uint8_t priority = properties_priority(properties);
    return priority < r->max_priority ? priority : r->max_priority;
}

/* Every return counts here, so all types but "disabled" mean the same. */
static void read_retry(struct queue_rules *r, struct sl_bytes arguments)
{
    struct sl_bytes type;
    uint64_t min = number(arguments, "x-delayed-retry-min");

    r->retry_max_ms = number(arguments, "x-delayed-retry-max");
    if (word(arguments, "x-delayed-retry-type", &type) && !sl_bytes_are(type, "disabled") &&
        min != RULES_NONE && r->retry_max_ms != 0)
        r->retry_min_ms = min;
    if (r->retry_max_ms > UINT32_MAX)
        r->retry_max_ms = UINT32_MAX;
}

/* Below zero says none, as a delivery limit may. */
static uint64_t number(struct sl_bytes arguments, const char *name)
{
    struct table_value value;
    int64_t n;

    if (!table_find(arguments, name, &value) || !table_value_integer(value, &n) || n < 0)
        return RULES_NONE;
    return (uint64_t)n;
}

static bool word(struct sl_bytes arguments, const char *name, struct sl_bytes *out)
{
    struct table_value value;

    return table_find(arguments, name, &value) && table_value_string(value, out);
}

static bool truth(struct sl_bytes arguments, const char *name)
{
    struct table_value value;
    bool is_true = false;

    return table_find(arguments, name, &value) && table_value_bool(value, &is_true) && is_true;
}

static enum overflow overflow_of(struct sl_bytes arguments)
{
    struct sl_bytes name;

    if (!word(arguments, "x-overflow", &name) || sl_bytes_are(name, "drop-head"))
        return OVERFLOW_DROP_HEAD;
    return sl_bytes_are(name, "reject-publish") ? OVERFLOW_REJECT_PUBLISH
                                                : OVERFLOW_REJECT_PUBLISH_DLX;
}
