/*
 * publish_parts.h - what the files of publish.h share: publish.c (from the method to the broker),
 * publish_whole.c (the short way of the usual small one), publish_check.c (properties).
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_PUBLISH_PARTS_H
#define SLUICE_PROTOCOLS_AMQP_PUBLISH_PARTS_H

#include "core/base/text.h"
#include "protocols/amqp/publish.h"

#define PROPERTIES_KEPT_MAX 64u
#define ROUTE_OFFSET (AMQP_FRAME_HEAD_BYTES + 4u + 2u) /* head, method, ticket */
#define FRAME_KEPT_MAX (ROUTE_OFFSET + 2u * 256u + 2u) /* two short strings, bits, end */

enum publish_bits { PUBLISH_MANDATORY = 1 << 0, PUBLISH_IMMEDIATE = 1 << 1 };

struct amqp_publisher {
    const struct route *route; /* of frame, while epoch stands */
    uint64_t epoch;
    uint16_t frame_len;
    uint8_t properties_len;
    uint8_t bits;
    uint8_t properties[PROPERTIES_KEPT_MAX]; /* the last ones that passed the check */
    uint8_t frame[FRAME_KEPT_MAX];           /* the last publish method */
};

/* Keeps the method as a whole frame.  False: the arguments are malformed; the reader shows it. */
bool amqp_publisher_remember(struct amqp_channel *ch, struct sl_reader *arguments);
/* As amqp_publish_check does, but nobody is told. */
enum sl_err amqp_publisher_check(struct amqp_channel *ch, struct sl_bytes *properties,
                                 struct text *why);
/* The route of the method, or the one that is remembered for it. */
enum sl_err amqp_publisher_route(struct amqp_channel *ch, struct sl_bytes properties,
                                 const struct route **route);
/* Takes the message, wherever it goes from here. */
void amqp_publisher_send(struct amqp_channel *ch, const struct route *route, struct message *msg);

#endif
