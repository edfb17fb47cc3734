/*
 * dedup_rules.h - what a queue's arguments say of ids, and which id a message has for it.
 *
 *   x-deduplication-header   with the queue's name for it, where it has one    on queues that have
 *   _AMQ_DUPL_ID                                                               any such argument:
 *   dedup-id                                                                   the first of these;
 *   message-id, the property, where the queue asks for it                      else of the middle two
 *
 * An id is any scalar, compared as text; an empty one is none.
 *
 * Thread: pure; the rules belong to the queue.
 */
#ifndef SLUICE_CORE_DEDUP_RULES_H
#define SLUICE_CORE_DEDUP_RULES_H

#include "core/base/bytes.h"
#include "core/id_window.h"

#define DEDUP_SECRET_BYTES 192u

struct message;

struct dedup_rules {
    bool is_full;           /* every header counts, not only those that nobody else uses */
    bool asks_always;       /* also of messages without MARK_DEDUP */
    bool is_until_settled;  /* an id is remembered as long as its message is in the queue */
    bool takes_message_id;  /* x-dedup-message-id */
    uint32_t window_ms;     /* x-dedup-window-ms or x-cache-ttl; or ID_LASTS */
    uint32_t most;          /* x-cache-size: ids of each window */
    struct sl_bytes header; /* x-deduplication-header; borrowed from the arguments, or empty */
};

struct dedup_secret { /* what ids are hashed with; nobody outside can aim at a collision */
    uint8_t bytes[DEDUP_SECRET_BYTES];
};

/* number: 64 random bits that stay with the ids. */
void dedup_secret_make(struct dedup_secret *secret, uint64_t number);

/* arguments: a whole table, checked (arguments.h), which stays as long as the rules. */
void dedup_rules_read(struct dedup_rules *r, struct sl_bytes arguments);

struct dedup_key { /* the id that a message has for a queue */
    struct message_id id;
    uint32_t ttl; /* ms for which it is remembered */
};

/* properties: flat, checked.  False: the message has no id for that queue. */
bool dedup_key_of(const struct dedup_rules *r, const struct dedup_secret *secret,
                  struct sl_bytes properties, struct dedup_key *out);

#endif
