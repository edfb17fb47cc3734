/*
 * known_headers.h - the headers of a message that ask something of the broker.
 *
 * A publish is looked at once: known_headers_marks says which kinds of them it has, and the
 * message keeps the answer (message.h), so that whoever acts on a kind passes over all other
 * messages without looking.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_KNOWN_HEADERS_H
#define SLUICE_CORE_KNOWN_HEADERS_H

#include "core/properties.h"
#include "core/table.h"

enum known_header {
    KNOWN_DEDUPLICATION_HEADER, /* x-deduplication-header */
    KNOWN_DUPL_ID,              /* _AMQ_DUPL_ID */
    KNOWN_DEDUP_ID,             /* dedup-id */
    KNOWN_CACHE_TTL,            /* x-cache-ttl */
    KNOWN_JMS_GROUP,            /* JMSXGroupID */
    KNOWN_GROUP,                /* x-group-id */
    KNOWN_PREPARE,              /* x-prepare */
    KNOWN_PREPARE_TIMEOUT,      /* x-prepare-timeout */
    KNOWN_PREPARE_CHECK,        /* x-prepare-check */
    KNOWN_OUTCOME,              /* outcome */
    KNOWN_PREPARED_USER,        /* prepared-user */
    KNOWN_CC,                   /* CC */
    KNOWN_BCC,                  /* BCC */
    KNOWN_DELAY,                /* x-delay */
    KNOWN_HEADERS_COUNT
};

enum header_mark {
    MARK_DEDUP = 1, /* one of the first three */
    MARK_GROUP = 2, /* JMSXGroupID or x-group-id */
    MARK_PREPARE = 4,
    MARK_COPIES = 8, /* CC or BCC */
    MARK_DELAY = 16,
};

struct known_headers {                             /* the first of each name counts */
    uint32_t present;                              /* one bit for each enum known_header */
    struct table_value value[KNOWN_HEADERS_COUNT]; /* borrowed from the properties */
};

static inline bool known_header_is(const struct known_headers *k, enum known_header which)
{
    return (k->present & 1u << which) != 0;
}

/* properties: flat, checked.  Of enum header_mark. */
static inline uint8_t known_headers_marks(struct sl_bytes properties);
uint8_t known_headers_look(struct sl_bytes properties); /* the same, where there are headers */
void known_headers_read(struct sl_bytes properties, struct known_headers *out);

static inline uint8_t known_headers_marks(struct sl_bytes properties)
{
    return (sl_load_u16(properties.at) & PROPERTY_HEADERS) == 0 ? 0
                                                                : known_headers_look(properties);
}

#endif
