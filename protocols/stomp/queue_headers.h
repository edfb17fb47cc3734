/*
 * queue_headers.h - the headers by which SEND and SUBSCRIBE say what their queue should be.
 *
 * On SUBSCRIBE every x- header that is not about the consumer is an argument of the queue.  On
 * SEND only the known names are: there an x- header is far more often the message's own.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_QUEUE_HEADERS_H
#define SLUICE_PROTOCOLS_STOMP_QUEUE_HEADERS_H

#include "core/topology.h"
#include "protocols/stomp/destination.h"
#include "protocols/stomp/headers.h"

#define STOMP_SUBSCRIPTION_PREFIX "stomp-subscription-"

/* Fills in properties and arguments (in the arena) of the queue that stands behind d; the name
 * is the caller's.  SL_ETOOBIG: a name longer than 255 bytes; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err stomp_queue_headers_read(const struct stomp_headers *h,
                                                   const struct stomp_destination *d,
                                                   bool is_subscribe, struct arena *arena,
                                                   struct queue_declaration *out);

/* Does the subscription outlive its connection?  durable:true, or the older persistent:true. */
bool stomp_is_durable(const struct stomp_headers *h);

#define STOMP_STABLE_NAME_BYTES (sizeof STOMP_SUBSCRIPTION_PREFIX - 1 + 22)

/* The queue's name of a durable subscription: the same for the same destination and id, at
 * every connection and after every restart. */
void stomp_stable_name(struct sl_bytes destination, struct sl_bytes id,
                       uint8_t name[STOMP_STABLE_NAME_BYTES]);

#endif
