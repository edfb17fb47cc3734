/*
 * durable.h - subscriptions that outlive their connection, and what the queue of a subscription to
 * a topic is called.
 *
 * RabbitMQ's clients say durable:true (or the older persistent:true) and an id: the queue is named
 * by destination and id.  ActiveMQ's and Artemis' say client-id on CONNECT and a subscription name:
 * the queue is named by these two, stays until an UNSUBSCRIBE with that name, and remembers what
 * it is subscribed to, so that the name cannot mean two topics.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_DURABLE_H
#define SLUICE_PROTOCOLS_STOMP_DURABLE_H

#include "protocols/stomp/destination.h"
#include "protocols/stomp/headers.h"

struct stomp_frame;
struct stomp_session;

/* Does the subscription outlive its connection, in one way or the other? */
bool stomp_is_durable(const struct stomp_headers *h);
/* Under a name of its own: which header says so, a literal, and which name.  NULL: none. */
const char *stomp_durable_name(const struct stomp_headers *h, struct sl_bytes *name);

/* Keeps what CONNECT says of it.  False: it is bad, which was answered. */
bool stomp_durable_of_connection(struct stomp_session *s, const struct stomp_headers *h);

/* Does the frame have what its kind of durable subscription needs?  False: that was answered. */
bool stomp_durable_check(struct stomp_session *s, const struct stomp_frame *f,
                         const struct stomp_destination *d);

/* The queue of a subscription to a topic or an exchange; in the arena.  False: it cannot be named
 * so, which was answered. */
bool stomp_durable_queue(struct stomp_session *s, const struct stomp_frame *f,
                         struct sl_bytes *name);

#define STOMP_STABLE_NAME_CHARS 22u

/* The same 22 characters for the same two, at every connection and after every restart. */
void stomp_stable_name(struct sl_bytes first, struct sl_bytes second,
                       uint8_t chars[STOMP_STABLE_NAME_CHARS]);

/* The queue of the name that an UNSUBSCRIBE says.  False: there is none, or it was answered. */
bool stomp_durable_find(struct stomp_session *s, const struct stomp_frame *f,
                        struct sl_bytes *queue);

#endif
