/*
 * properties.h - what a message says about itself, protocol-neutral, stored flat.
 *
 * Stored as AMQP 0-9-1 writes a property list (4.2.6.1): a u16 of flags from bit 15 down, then
 * the values that are present, in this order:
 *
 *   15 content-type     s   11 priority        u8   7 message-id  s   3 app-id      s
 *   14 content-encoding s   10 correlation-id  s    6 timestamp   u64 2 cluster-id  s
 *   13 headers      table    9 reply-to        s    5 type        s
 *   12 delivery-mode   u8    8 expiration      s    4 user-id     s    (s: short string)
 *
 * AMQP to AMQP the bytes pass through unchanged; other front ends read and write them with
 * this module.  docs/decisions/0001 says why.
 */
#ifndef SLUICE_CORE_PROPERTIES_H
#define SLUICE_CORE_PROPERTIES_H

#include "core/base/bytes.h"
#include "core/base/err.h"

enum properties_flag {
    PROPERTY_CONTENT_TYPE = 1 << 15,
    PROPERTY_CONTENT_ENCODING = 1 << 14,
    PROPERTY_HEADERS = 1 << 13,
    PROPERTY_DELIVERY_MODE = 1 << 12,
    PROPERTY_PRIORITY = 1 << 11,
    PROPERTY_CORRELATION_ID = 1 << 10,
    PROPERTY_REPLY_TO = 1 << 9,
    PROPERTY_EXPIRATION = 1 << 8,
    PROPERTY_MESSAGE_ID = 1 << 7,
    PROPERTY_TIMESTAMP = 1 << 6,
    PROPERTY_TYPE = 1 << 5,
    PROPERTY_USER_ID = 1 << 4,
    PROPERTY_APP_ID = 1 << 3,
    PROPERTY_CLUSTER_ID = 1 << 2,
};

struct properties {   /* decoded; every slice borrows from the flat bytes */
    uint16_t present; /* of enum properties_flag */
    uint8_t delivery_mode;
    uint8_t priority;
    uint64_t timestamp;
    struct sl_bytes content_type;
    struct sl_bytes content_encoding;
    struct sl_bytes headers; /* a whole table, see table.h */
    struct sl_bytes correlation_id;
    struct sl_bytes reply_to;
    struct sl_bytes expiration;
    struct sl_bytes message_id;
    struct sl_bytes type;
    struct sl_bytes user_id;
    struct sl_bytes app_id;
    struct sl_bytes cluster_id;
};

/* No properties at all: two zero bytes. */
extern const struct sl_bytes properties_none;

/* Is all of flat a well-formed property list, headers included?  SL_ESYNTAX: no, *why is a
 * literal.  Everything else in this file asks for bytes that passed. */
SL_MUST_CHECK enum sl_err properties_check(struct sl_bytes flat, const char **why);

void properties_decode(struct sl_bytes flat, struct properties *p);

/* Writes p as flat bytes; slices longer than 255 bytes (other than headers) overflow w. */
void properties_encode(const struct properties *p, struct sl_writer *w);

/* The cheap questions of the publish path. */
bool properties_are_persistent(struct sl_bytes flat); /* delivery-mode 2 */
uint8_t properties_priority(struct sl_bytes flat);    /* 0 when absent */
bool properties_headers(struct sl_bytes flat, struct sl_bytes *table);
static inline bool properties_expire(struct sl_bytes flat) /* there is an expiration */
{
    return (sl_load_u16(flat.at) & PROPERTY_EXPIRATION) != 0;
}

/* The milliseconds of an expiration; false: it is no decimal number, or above 2^32 - 1. */
bool expiration_read(struct sl_bytes expiration, uint64_t *ms);

#endif
