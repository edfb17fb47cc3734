#include "protocols/amqp/encode.h"

#include "core/base/assert.h"
#include "core/copies.h"
#include "core/delivery_count.h"

#include <stdlib.h>

static uint8_t *put_bytes(uint8_t *at, struct sl_bytes bytes);
static uint8_t *put_frame_head(uint8_t *at, uint8_t type, uint16_t channel, size_t size);
static inline uint8_t *put_content_header(const struct amqp_connection *c, uint8_t *at,
                                          uint16_t channel, const struct message *msg,
                                          uint32_t returns);
static struct sl_bytes hide_copies(struct sl_bytes properties, uint8_t **room);
static uint8_t *put_counted(const struct amqp_connection *c, uint8_t *at,
                            struct sl_bytes properties, uint32_t returns);
static size_t content_header_bytes(const struct message *msg);
static void send_content(struct amqp_connection *c, uint16_t channel, struct message *msg,
                         uint32_t returns);
static void send_body_in_parts(struct amqp_connection *c, uint16_t channel, struct message *msg);

struct amqp_writing amqp_method_begin(struct amqp_connection *c, uint16_t channel, uint32_t method,
                                      size_t room)
{
    size_t n = AMQP_ENVELOPE_BYTES + 4 + room;
    uint8_t *start = outbox_reserve(&c->session.out, n);
    struct amqp_writing writing = {{start, start + n, false}, start};

    sl_write_u8(&writing.w, AMQP_FRAME_METHOD);
    sl_write_u16(&writing.w, channel);
    sl_write_u32(&writing.w, 0); /* the size, at the end */
    sl_write_u32(&writing.w, method);
    return writing;
}

void amqp_method_end(struct amqp_connection *c, struct amqp_writing *writing)
{
    size_t payload = (size_t)(writing->w.pos - writing->start) - AMQP_FRAME_HEAD_BYTES;

    sl_write_u8(&writing->w, AMQP_FRAME_END);
    SL_ASSERT(!writing->w.overflowed);
    sl_store_u32(writing->start + 3, (uint32_t)payload);
    outbox_commit(&c->session.out, payload + AMQP_ENVELOPE_BYTES);
    session_touch(&c->session);
}

void amqp_send_method(struct amqp_connection *c, uint16_t channel, uint32_t method)
{
    struct amqp_writing writing = amqp_method_begin(c, channel, method, 0);

    amqp_method_end(c, &writing);
}

void amqp_send_name(struct amqp_connection *c, uint16_t channel, uint32_t method,
                    struct sl_bytes name)
{
    struct amqp_writing writing = amqp_method_begin(c, channel, method, 1 + name.len);

    sl_write_short_string(&writing.w, name);
    amqp_method_end(c, &writing);
}

void amqp_send_close(struct amqp_connection *c, uint16_t channel, uint32_t method, uint16_t code,
                     struct sl_bytes text, uint32_t cause)
{
    struct amqp_writing writing = amqp_method_begin(c, channel, method, 2 + 1 + text.len + 4);

    sl_write_u16(&writing.w, code);
    sl_write_short_string(&writing.w, text);
    sl_write_u32(&writing.w, cause);
    amqp_method_end(c, &writing);
}

void amqp_send_ack(struct amqp_connection *c, uint16_t channel, sl_tag tag, bool multiple)
{
    struct amqp_writing writing = amqp_method_begin(c, channel, AMQP_BASIC_ACK, 9);

    sl_write_u64(&writing.w, tag.v);
    sl_write_u8(&writing.w, multiple ? 1 : 0);
    amqp_method_end(c, &writing);
}

void amqp_send_nack(struct amqp_connection *c, uint16_t channel, sl_tag tag)
{
    struct amqp_writing writing = amqp_method_begin(c, channel, AMQP_BASIC_NACK, 9);

    sl_write_u64(&writing.w, tag.v);
    sl_write_u8(&writing.w, 0); /* neither multiple nor requeue */
    amqp_method_end(c, &writing);
}

void amqp_send_return(struct amqp_connection *c, uint16_t channel, uint16_t code,
                      struct message *msg)
{
    struct sl_bytes text = SL_BYTES_LITERAL("NO_ROUTE");
    struct amqp_writing writing =
        amqp_method_begin(c, channel, AMQP_BASIC_RETURN, 2 + 1 + text.len + msg->route_len);

    sl_write_u16(&writing.w, code);
    sl_write_short_string(&writing.w, text);
    sl_write_bytes(&writing.w, message_route(msg)); /* exchange and key are short strings there */
    amqp_method_end(c, &writing);
    send_content(c, channel, msg, 0);
}

void amqp_send_get_ok(struct amqp_connection *c, uint16_t channel, sl_tag tag, bool redelivered,
                      uint32_t left, struct message *msg, uint32_t returns)
{
    struct amqp_writing writing =
        amqp_method_begin(c, channel, AMQP_BASIC_GET_OK, 8 + 1 + msg->route_len + 4);

    sl_write_u64(&writing.w, tag.v);
    sl_write_u8(&writing.w, redelivered ? 1 : 0);
    sl_write_bytes(&writing.w, message_route(msg));
    sl_write_u32(&writing.w, left);
    amqp_method_end(c, &writing);
    send_content(c, channel, msg, returns);
}

size_t amqp_encode_deliver_head(uint8_t *at, uint16_t channel, struct sl_bytes consumer_tag)
{
    uint8_t *start = at;

    at = put_frame_head(at, AMQP_FRAME_METHOD, channel, 0); /* the size differs with the route */
    sl_store_u32(at, AMQP_BASIC_DELIVER);
    at[4] = (uint8_t)consumer_tag.len;
    at = put_bytes(at + 5, consumer_tag);
    return (size_t)(at - start);
}

/* The most travelled encoder of the product: one reservation, plain stores, one commit.  Only
 * a body that does not fit one frame, or is better lent than copied, takes the longer way. */
void amqp_send_deliver(struct amqp_connection *c, struct sl_bytes head, sl_tag tag,
                       bool redelivered, struct message *msg, uint32_t returns)
{
    struct sl_bytes route = message_route(msg);
    struct sl_bytes body = message_body(msg);
    uint16_t channel = sl_load_u16(head.at + 1);
    size_t method_len = head.len + 8 + 1 + route.len;
    bool is_small = body.len <= OUTBOX_COPY_MAX && body.len <= c->frame_max - AMQP_ENVELOPE_BYTES;
    size_t room = method_len + 1 + content_header_bytes(msg) + AMQP_ENVELOPE_BYTES +
                  (is_small ? body.len : 0);

    uint8_t *start = outbox_reserve(&c->session.out, room);
    uint8_t *at = put_bytes(start, head);
    sl_store_u32(start + 3, (uint32_t)(method_len - AMQP_FRAME_HEAD_BYTES));
    sl_store_u64(at, tag.v);
    at[8] = redelivered ? 1 : 0;
    at = put_bytes(at + 9, route);
    *at++ = AMQP_FRAME_END;
    at = put_content_header(c, at, channel, msg, returns);
    if (is_small && body.len != 0) {
        at = put_frame_head(at, AMQP_FRAME_BODY, channel, body.len);
        at = put_bytes(at, body);
        *at++ = AMQP_FRAME_END;
    }
    outbox_commit(&c->session.out, (size_t)(at - start));
    if (!is_small)
        send_body_in_parts(c, channel, msg);
}

static uint8_t *put_bytes(uint8_t *at, struct sl_bytes bytes)
{
    memcpy(at, bytes.at, bytes.len);
    return at + bytes.len;
}

static uint8_t *put_frame_head(uint8_t *at, uint8_t type, uint16_t channel, size_t size)
{
    at[0] = type;
    sl_store_u16(at + 1, channel);
    sl_store_u32(at + 3, (uint32_t)size);
    return at + AMQP_FRAME_HEAD_BYTES;
}

static inline uint8_t *put_content_header(const struct amqp_connection *c, uint8_t *at,
                                          uint16_t channel, const struct message *msg,
                                          uint32_t returns)
{
    struct sl_bytes properties = message_properties(msg);
    uint8_t *start = at;
    uint8_t *hiding = NULL;

    if ((msg->marks & MARK_COPIES) != 0)
        properties = hide_copies(properties, &hiding);
    at = put_frame_head(at, AMQP_FRAME_HEADER, channel, AMQP_CONTENT_HEAD_BYTES + properties.len);
    sl_store_u32(at, (uint32_t)AMQP_CLASS_BASIC << 16); /* class, and weight: always zero */
    sl_store_u64(at + 4, msg->body_len);
    at += AMQP_CONTENT_HEAD_BYTES;
    if (returns == 0) {
        at = put_bytes(at, properties);
    } else {
        at = put_counted(c, at, properties, returns);
        sl_store_u32(start + 3, (uint32_t)(at - start) - AMQP_FRAME_HEAD_BYTES);
    }
    *at++ = AMQP_FRAME_END;
    free(hiding);
    return at;
}

/* What nobody is shown; the caller frees the room. */
static struct sl_bytes hide_copies(struct sl_bytes properties, uint8_t **room)
{
    *room = malloc(properties.len);
    SL_ASSERT(*room != NULL);
    return copies_hide(properties, *room);
}

/* Headers that fill a frame have no room for the count. */
static uint8_t *put_counted(const struct amqp_connection *c, uint8_t *at,
                            struct sl_bytes properties, uint32_t returns)
{
    size_t room = properties.len + DELIVERY_COUNT_BYTES;
    struct sl_writer w = {at, at + room, false};

    if (AMQP_ENVELOPE_BYTES + AMQP_CONTENT_HEAD_BYTES + room > c->frame_max)
        return put_bytes(at, properties);
    delivery_count_write(properties, returns, &w);
    return w.pos;
}

static size_t content_header_bytes(const struct message *msg)
{
    return AMQP_ENVELOPE_BYTES + AMQP_CONTENT_HEAD_BYTES + msg->properties_len +
           DELIVERY_COUNT_BYTES;
}

static void send_content(struct amqp_connection *c, uint16_t channel, struct message *msg,
                         uint32_t returns)
{
    uint8_t *at = outbox_reserve(&c->session.out, content_header_bytes(msg));

    outbox_commit(&c->session.out, (size_t)(put_content_header(c, at, channel, msg, returns) - at));
    send_body_in_parts(c, channel, msg);
    session_touch(&c->session);
}

static void send_body_in_parts(struct amqp_connection *c, uint16_t channel, struct message *msg)
{
    struct sl_bytes body = message_body(msg);
    size_t part_max = c->frame_max - AMQP_ENVELOPE_BYTES;

    while (body.len != 0) {
        struct sl_bytes part = {body.at, body.len < part_max ? body.len : part_max};
        uint8_t *at = outbox_reserve(&c->session.out, AMQP_FRAME_HEAD_BYTES);
        put_frame_head(at, AMQP_FRAME_BODY, channel, part.len);
        outbox_commit(&c->session.out, AMQP_FRAME_HEAD_BYTES);
        outbox_add_body(&c->session.out, msg, part);
        outbox_add(&c->session.out, (struct sl_bytes){(const uint8_t *)"\xCE", 1});
        body = sl_bytes_skip(body, part.len);
    }
}
