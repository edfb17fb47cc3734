/*
 * message.h - the sealed, counted message.
 *
 * Built by one session, sealed, then never changed: any thread may read a sealed message, and
 * a queue that holds it holds exactly one reference.
 *
 * One block of memory holds everything:
 *
 *   struct message | route                                   | properties      | body
 *                  | u8 n, exchange, u8 n, routing key        | properties.h    |
 *
 * The route is kept in the form in which AMQP says it, because that is what most deliveries
 * write.  So are the properties: see properties.h.
 */
#ifndef SLUICE_CORE_MESSAGE_H
#define SLUICE_CORE_MESSAGE_H

#include "core/base/bytes.h"
#include "core/base/err.h"

#include <stdatomic.h>

struct message { /* fields are message.c's; use the functions */
    _Atomic uint32_t refs;
    uint32_t body_len;
    uint32_t body_room; /* allocated; equal to body_len once sealed, or close to it */
    uint32_t properties_len;
    uint32_t record_len; /* of its record in the log; 0: it has none */
    uint32_t log_at;     /* where that record begins, from the start of its run */
    uint16_t route_len;
    uint16_t copies;   /* durable queues that share the record; at most what fits */
    bool is_logged;    /* it has a record: durable queues that hold it log what becomes of it */
    bool has_deaths;   /* the x-death in its headers is ours, not a publisher's */
    bool expires;      /* it has an expiration of its own */
    bool by_exchange;  /* its exchange asks for its id: x-message-deduplication */
    bool is_moved;     /* the broker itself sends it on: nobody published it here */
    uint8_t marks;     /* of enum header_mark: what its headers ask for */
    bool is_scheduled; /* it goes where its x-delay is waited for, whatever its exchange */
    uint8_t data[];
};

/* Gives an unsealed message with one reference.  exchange and key are at most 255 bytes, which
 * the caller has checked; properties are well formed (properties_check).  body_len is what the
 * peer announced: beyond SL_BODY_FIRST_BYTES memory is taken as bytes arrive.  NULL when there
 * is no memory. */
struct message *message_new(struct sl_bytes exchange, struct sl_bytes key,
                            struct sl_bytes properties, size_t body_len);

/* The same with the route as message_route lends it, for callers that keep it encoded. */
struct message *message_new_routed(struct sl_bytes route, struct sl_bytes properties,
                                   size_t body_len);

/* Unsealed only: copies bytes behind the body so far; never more in all than body_len of
 * message_new.  May move the message: *msg is the new address.  SL_ENOMEM leaves *msg as it
 * was, to be released by the caller. */
SL_MUST_CHECK enum sl_err message_append(struct message **msg, struct sl_bytes bytes);

/* From here on nothing changes but the count. */
static inline struct message *message_ref(struct message *msg)
{
    atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
    return msg;
}

/* n more references at once; only while the caller is the only one who knows the message. */
static inline void message_ref_unshared(struct message *msg, uint32_t n)
{
    uint32_t now = atomic_load_explicit(&msg->refs, memory_order_relaxed);
    atomic_store_explicit(&msg->refs, now + n, memory_order_relaxed);
}

void message_free(struct message *msg); /* message_unref's last step */
void message_release(void *msg);        /* message_unref as a callback */

static inline void message_unref(struct message *msg) /* any thread; the last one frees */
{
    /* The last holder needs no read-modify-write: nobody else can be changing the count. */
    if (atomic_load_explicit(&msg->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) == 1)
        message_free(msg);
}

/* All of these are borrowed while you hold a reference. */
static inline struct sl_bytes message_route(const struct message *msg)
{
    return (struct sl_bytes){msg->data, msg->route_len};
}

static inline struct sl_bytes message_exchange(const struct message *msg)
{
    return (struct sl_bytes){msg->data + 1, msg->data[0]};
}

static inline struct sl_bytes message_key(const struct message *msg)
{
    const uint8_t *key = msg->data + 1 + msg->data[0];
    return (struct sl_bytes){key + 1, key[0]};
}

static inline struct sl_bytes message_properties(const struct message *msg)
{
    return (struct sl_bytes){msg->data + msg->route_len, msg->properties_len};
}

static inline struct sl_bytes message_body(const struct message *msg)
{
    return (struct sl_bytes){msg->data + msg->route_len + msg->properties_len, msg->body_len};
}

/* What the message takes of the memory budget, with what an allocator adds to a block. */
static inline size_t message_cost(const struct message *msg)
{
    return 16 + sizeof *msg + msg->route_len + msg->properties_len + msg->body_room;
}

#endif
