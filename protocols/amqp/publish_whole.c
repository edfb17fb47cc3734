/* publish_whole.c - the part of publish.h that takes a publish off the input in one piece. */
#include "protocols/amqp/publish_parts.h"

struct content { /* borrowed from the input */
    struct sl_bytes properties;
    struct sl_bytes body;
};

static struct amqp_channel *publishing_channel(const struct amqp_connection *c, struct sl_bytes in);
static bool read_method(struct amqp_channel *ch, struct sl_reader *r);
static bool read_content(const struct amqp_channel *ch, struct sl_reader *r, struct content *out);

size_t amqp_publish_whole(struct amqp_connection *c, struct sl_bytes in)
{
    struct sl_reader r = sl_reader_of(in);
    struct amqp_channel *ch = publishing_channel(c, in);
    const struct route *route;
    struct content content;
    char why[64];
    struct text text = text_on(why, sizeof why); /* the ordinary way says it again, in full */

    if (ch == NULL || !read_method(ch, &r) || !read_content(ch, &r, &content))
        return 0;
    if (amqp_publisher_check(ch, &content.properties, &text) != SL_OK)
        return 0;
    if (amqp_publisher_route(ch, content.properties, &route) != SL_OK)
        return 0;
    struct message *msg = message_new_routed(route->encoded, content.properties, content.body.len);
    if (msg == NULL)
        return 0;
    if (message_append(&msg, content.body) != SL_OK) {
        message_unref(msg);
        return 0;
    }
    c->method = AMQP_BASIC_PUBLISH;
    amqp_publisher_send(ch, route, msg);
    return (size_t)(r.pos - in.at);
}

/* The channel of a publish method at the front of the input, if it may go the short way. */
static struct amqp_channel *publishing_channel(const struct amqp_connection *c, struct sl_bytes in)
{
    struct sl_reader r = sl_reader_of(in);
    struct sl_bytes head = sl_read_bytes(&r, ROUTE_OFFSET);

    if (head.len == 0 || head.at[0] != AMQP_FRAME_METHOD ||
        sl_load_u32(head.at + AMQP_FRAME_HEAD_BYTES) != AMQP_BASIC_PUBLISH)
        return NULL;
    struct amqp_channel *ch = amqp_channel_find(c, sl_load_u16(head.at + 1));
    if (ch == NULL || ch->state != AMQP_CHANNEL_IS_OPEN || ch->publisher == NULL ||
        ch->content_step != AMQP_NO_CONTENT || amqp_channel_is_parked(ch))
        return NULL;
    return broker_is_held(&c->session.client) ? NULL : ch;
}

static bool read_method(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_publisher *p = ch->publisher;
    struct sl_bytes in = {r->pos, sl_reader_left(r)};
    struct amqp_frame frame;
    const char *why;
    size_t used;

    if (in.len >= p->frame_len && memcmp(in.at, p->frame, p->frame_len) == 0) {
        sl_read_bytes(r, p->frame_len);
        return (p->bits & PUBLISH_IMMEDIATE) == 0;
    }
    if (amqp_frame_decode(in, ch->connection->frame_max, &frame, &used, &why) != SL_OK)
        return false;
    struct sl_reader arguments = sl_reader_of(frame.payload);
    sl_read_u32(&arguments);
    sl_read_bytes(r, used);
    return amqp_publisher_remember(ch, &arguments) && (p->bits & PUBLISH_IMMEDIATE) == 0;
}

static bool read_content(const struct amqp_channel *ch, struct sl_reader *r, struct content *out)
{
    uint32_t frame_max = ch->connection->frame_max;
    struct sl_bytes head = sl_read_bytes(r, AMQP_FRAME_HEAD_BYTES + AMQP_CONTENT_HEAD_BYTES);

    if (head.len == 0 || head.at[0] != AMQP_FRAME_HEADER ||
        sl_load_u16(head.at + 1) != ch->number || sl_load_u16(head.at + 7) != AMQP_CLASS_BASIC)
        return false;
    uint32_t size = sl_load_u32(head.at + 3);
    uint64_t body_len = sl_load_u64(head.at + 11);
    if (size < AMQP_CONTENT_HEAD_BYTES || size > frame_max || body_len > frame_max ||
        body_len > session_message_bytes_max(&ch->connection->session))
        return false;
    out->properties = sl_read_bytes(r, size - AMQP_CONTENT_HEAD_BYTES);
    out->body = (struct sl_bytes){NULL, 0};
    if (sl_read_u8(r) != AMQP_FRAME_END)
        return false;
    if (body_len == 0)
        return true;

    head = sl_read_bytes(r, AMQP_FRAME_HEAD_BYTES);
    if (head.len == 0 || head.at[0] != AMQP_FRAME_BODY || sl_load_u16(head.at + 1) != ch->number ||
        sl_load_u32(head.at + 3) != body_len)
        return false;
    out->body = sl_read_bytes(r, (size_t)body_len);
    return sl_read_u8(r) == AMQP_FRAME_END;
}
