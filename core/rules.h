/*
 * rules.h - what a queue does of itself with its entries: the arguments of its declaration as
 * the queue's shard reads them.
 *
 * Arguments were checked when the queue was declared (arguments.h), so reading cannot fail.
 *
 * Thread: pure; the struct belongs to the queue.
 */
#ifndef SLUICE_CORE_RULES_H
#define SLUICE_CORE_RULES_H

#include "core/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define RULES_NONE UINT64_MAX /* no such limit */

enum overflow { OVERFLOW_DROP_HEAD, OVERFLOW_REJECT_PUBLISH, OVERFLOW_REJECT_PUBLISH_DLX };

struct queue_rules {
    bool is_any;                   /* some rule below is in force: the fast question */
    uint64_t ttl_ms;               /* x-message-ttl */
    uint64_t expires_ms;           /* x-expires */
    uint64_t max_length;           /* x-max-length: ready entries */
    uint64_t max_bytes;            /* x-max-length-bytes: of their bodies */
    uint64_t delivery_limit;       /* x-delivery-limit */
    uint64_t consumer_timeout_ms;  /* x-consumer-timeout; 0: none, whatever the settings say */
    enum overflow overflow;        /* x-overflow */
    bool has_dead_letter_exchange; /* "" is the default exchange */
    bool has_dead_letter_key;
    struct sl_bytes dead_letter_exchange; /* borrowed from the arguments */
    struct sl_bytes dead_letter_key;
    uint8_t max_priority;  /* x-max-priority; 0: not a priority queue */
    bool is_single_active; /* x-single-active-consumer */
    bool has_group_ids;    /* x-message-groups, or a cluster queue: x-group-id names a group, too */
    uint64_t retry_min_ms; /* x-delayed-retry-min; 0: what comes back is ready at once */
    uint64_t retry_max_ms; /* x-delayed-retry-max */
};

/* arguments: a whole table, which stays as long as the rules. */
void rules_read(struct queue_rules *r, struct sl_bytes arguments);

/* Is what is ready limited, by number or by bytes? */
static inline bool rules_limit(const struct queue_rules *r)
{
    return r->max_length != RULES_NONE || r->max_bytes != RULES_NONE;
}
/* Are publishers refused where the limit is reached?  Else the oldest go. */
static inline bool rules_refuse(const struct queue_rules *r)
{
    return rules_limit(r) && r->overflow != OVERFLOW_DROP_HEAD;
}

/* When a message with these properties, which came at time_ms, expires in this queue: by the
 * queue's time to live or its own expiration, whichever is less.  0: never. */
uint64_t rules_deadline(const struct queue_rules *r, struct sl_bytes properties, uint64_t time_ms);
/* As the queue counts it: 0 to max_priority. */
uint8_t rules_priority(const struct queue_rules *r, struct sl_bytes properties);

#endif
