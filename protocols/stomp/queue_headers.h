/*
 * queue_headers.h - the headers by which SEND and SUBSCRIBE say what their queue should be.
 *
 * On SUBSCRIBE every x- header that is not about the consumer is an argument of the queue, and so
 * are a few words of JMS and ActiveMQ, under our names.  On SEND only the known names are: there an
 * x- header is far more often the message's own.
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

/* The name of a header that asks for what only a stream has; NULL: there is none. */
const char *stomp_stream_header(const struct stomp_headers *h);

#endif
