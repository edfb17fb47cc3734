/*
 * shape.h - the part of a MESSAGE that stays the same from one message to the next.
 *
 * Messages of one subscription mostly differ in nothing but their body: same route, same
 * properties.  Their text is kept, in two pieces around the message's number, and used again
 * while route and properties are byte by byte the same.
 *
 *   head   MESSAGE, subscription, destination, message-id up to the number
 *   tail   what the properties say, and the name of content-length
 */
#ifndef SLUICE_PROTOCOLS_STOMP_SHAPE_H
#define SLUICE_PROTOCOLS_STOMP_SHAPE_H

#include "core/base/buffer.h"
#include "core/message.h"

struct stomp_subscription;

struct stomp_shape {       /* zeroed: nothing is known */
    struct sl_buffer text; /* key (route and properties), head, tail */
    size_t key_len;
    size_t head_len;
    size_t prefix_len; /* of the message id, the last part of the head */
};

void stomp_shape_deinit(struct stomp_shape *shape);

/* Makes shape that of msg.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err stomp_shape_make(struct stomp_shape *shape,
                                           const struct stomp_subscription *sub,
                                           const struct message *msg, const char *topic_exchange);

static inline struct sl_bytes stomp_shape_key_of(const struct message *msg)
{
    return (struct sl_bytes){msg->data, (size_t)msg->route_len + msg->properties_len};
}

static inline bool stomp_shape_fits(const struct stomp_shape *shape, const struct message *msg)
{
    struct sl_bytes key = stomp_shape_key_of(msg);

    return shape->key_len == key.len && memcmp(shape->text.at, key.at, key.len) == 0;
}

static inline struct sl_bytes stomp_shape_head(const struct stomp_shape *shape)
{
    return (struct sl_bytes){shape->text.at + shape->key_len, shape->head_len};
}

static inline struct sl_bytes stomp_shape_tail(const struct stomp_shape *shape)
{
    return sl_bytes_skip(sl_buffer_bytes(&shape->text), shape->key_len + shape->head_len);
}

#endif
