/*
 * deaths.h - what a dead-lettered message says about how it came there, in RabbitMQ's words.
 *
 *   x-death                  array of tables, newest first, one per queue and reason:
 *                            count l, reason S, queue S, time T (of the first of them), exchange S,
 *                            routing-keys A of S (with CC, without BCC), and original-expiration S
 *                            where an expiration was taken off
 *   x-first-death-reason, -queue, -exchange    S, written once
 *   x-last-death-reason, -queue, -exchange     S, written each time
 *
 * The expiration is taken off, so that the message does not die again where it goes.  What a
 * publisher wrote under these names does not count and is taken off too.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_DEATHS_H
#define SLUICE_CORE_DEATHS_H

#include "core/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct death { /* of one message in one queue; borrowed */
    struct sl_bytes queue;
    struct sl_bytes reason;
    struct sl_bytes exchange; /* as it was published, or dead-lettered before */
    struct sl_bytes key;
    uint64_t time;   /* seconds since 1970 */
    bool is_new_key; /* it goes on with the queue's own key: CC is taken off */
    bool has_deaths; /* the x-death that is there is the broker's */
};

/* How many bytes of room deaths_write needs for these properties. */
size_t deaths_room(struct sl_bytes properties);
/* Writes the properties (checked ones) as they are after that death; what it gives lies in room.
 * Never more than SL_PROPERTIES_BYTES_MAX: first a publisher's headers give room, then the oldest
 * deaths. */
struct sl_bytes deaths_write(struct sl_bytes properties, const struct death *death, uint8_t *room);

/* A walk over the queues that the message was in, unless somebody has rejected it since: it must not
 * come there again.  properties: as deaths_write gave them.  False: there are no more. */
struct sl_reader deaths_since_rejection(struct sl_bytes properties);
bool deaths_next_queue(struct sl_reader *deaths, struct sl_bytes *queue);

#endif
