#include "protocols/amqp/publish.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/properties.h"
#include "protocols/amqp/direct_reply.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/tx.h"

#include <stdlib.h>

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

struct content { /* borrowed from the input */
    struct sl_bytes properties;
    struct sl_bytes body;
};

static struct amqp_channel *publishing_channel(const struct amqp_connection *c, struct sl_bytes in);
static bool read_method(struct amqp_channel *ch, struct sl_reader *r);
static bool read_content(const struct amqp_channel *ch, struct sl_reader *r, struct content *out);
static bool remember(struct amqp_channel *ch, struct sl_reader *arguments);
static bool properties_passed(const struct amqp_publisher *p, struct sl_bytes properties);
static enum sl_err check_properties(struct amqp_channel *ch, struct sl_bytes properties,
                                    struct text *why);
static enum sl_err check_values(struct amqp_connection *c, struct sl_bytes properties,
                                struct text *why);
static bool names_another(const struct amqp_connection *c, struct sl_bytes properties);
static enum sl_err find_route(struct amqp_channel *ch, struct sl_bytes properties,
                              const struct route **route);
static void publish(struct amqp_channel *ch, const struct route *route, struct message *msg);
static bool find_copies(struct amqp_channel *ch, const struct route **route, struct message *msg);
static uint64_t await_answer(struct amqp_channel *ch);
static void ask(struct amqp_channel *ch, struct message *msg);

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
    if (!properties_passed(ch->publisher, content.properties) &&
        check_properties(ch, content.properties, &text) != SL_OK)
        return 0;
    if (amqp_direct_reply_address(ch, &content.properties, &text) != SL_OK)
        return 0;
    if (find_route(ch, content.properties, &route) != SL_OK)
        return 0;
    struct message *msg = message_new_routed(route->encoded, content.properties, content.body.len);
    if (msg == NULL)
        return 0;
    if (message_append(&msg, content.body) != SL_OK) {
        message_unref(msg);
        return 0;
    }
    publish(ch, route, msg);
    return (size_t)(r.pos - in.at);
}

bool amqp_publish_is_held(struct amqp_channel *ch, const struct amqp_frame *frame)
{
    struct amqp_connection *c = ch->connection;

    if (!broker_is_held(amqp_client(c)) || ch->state != AMQP_CHANNEL_IS_OPEN ||
        frame->type != AMQP_FRAME_METHOD || frame->payload.len < 4 ||
        sl_load_u32(frame->payload.at) != AMQP_BASIC_PUBLISH)
        return false;
    amqp_publish_tell_blocked(c);
    return true;
}

void amqp_publish_tell_blocked(struct amqp_connection *c)
{
    const char *reason = broker_held_reason(&c->session.client);

    if (!c->can_blocked || c->is_told_blocked || *reason == '\0')
        return;
    amqp_send_name(c, 0, AMQP_CONNECTION_BLOCKED, sl_bytes_of(reason));
    c->is_told_blocked = true;
}

void amqp_publish_method(struct amqp_channel *ch, struct sl_reader *r)
{
    if (ch->publisher == NULL) {
        ch->publisher = calloc(1, sizeof *ch->publisher);
        SL_ASSERT(ch->publisher != NULL);
    }
    if (!remember(ch, r)) {
        (void)amqp_arguments_end(ch->connection, r); /* says so */
        return;
    }
    if ((ch->publisher->bits & PUBLISH_IMMEDIATE) != 0) {
        amqp_connection_fail(ch->connection, AMQP_NOT_IMPLEMENTED, "immediate=true");
        return;
    }
    ch->content_step = AMQP_WANT_HEADER;
}

struct sl_bytes amqp_publish_route(const struct amqp_channel *ch)
{
    const struct amqp_publisher *p = ch->publisher;

    return (struct sl_bytes){p->frame + ROUTE_OFFSET, p->frame_len - ROUTE_OFFSET - 2};
}

bool amqp_publish_check(struct amqp_channel *ch, struct sl_bytes *properties)
{
    char why[256];
    struct text text = text_on(why, sizeof why);
    enum sl_err err = SL_OK;

    if (!properties_passed(ch->publisher, *properties))
        err = check_properties(ch, *properties, &text);
    if (err == SL_OK)
        err = amqp_direct_reply_address(ch, properties, &text);
    if (err != SL_OK)
        amqp_channel_refuse(ch, err, why);
    return err == SL_OK;
}

void amqp_publish_message(struct amqp_channel *ch, struct message *msg)
{
    const struct route *route;
    enum sl_err err = find_route(ch, message_properties(msg), &route);

    if (err == SL_OK) {
        publish(ch, route, msg);
        return;
    }
    amqp_publish_refuse_route(ch, err, msg);
    message_unref(msg);
}

void amqp_publish_refuse_route(struct amqp_channel *ch, enum sl_err err, const struct message *msg)
{
    struct amqp_connection *c = ch->connection;
    const char *exchange = amqp_printable(c, message_exchange(msg));

    if (err == SL_ENOENT)
        amqp_channel_fail(ch, AMQP_NOT_FOUND, "no exchange '%s' in vhost '%s'", exchange,
                          amqp_printable(c, amqp_client(c)->vhost->name));
    else if (err == SL_EDENIED)
        amqp_channel_fail(ch, AMQP_ACCESS_REFUSED, "%s", broker_route_refusal(amqp_client(c)));
    else if (err == SL_EPRECOND)
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "%s", broker_route_refusal(amqp_client(c)));
    else
        amqp_channel_refuse(ch, err, NULL);
}

void amqp_publish_answered(struct amqp_channel *ch, struct answer *a)
{
    if (!ch->is_confirming)
        return;
    ch->published++;
    broker_confirm_after(amqp_client(ch->connection), a->safe_at);
    if (a->is_refused)
        broker_confirm_refused(amqp_client(ch->connection), amqp_channel_ticket(ch),
                               (sl_tag){ch->published});
    else if (list_is_empty(&ch->of_unannounced))
        list_push(&ch->connection->unannounced, &ch->of_unannounced);
}

bool amqp_publish_hold_refusal(struct amqp_channel *ch, const struct answer *a)
{
    if (ch->refusal != NULL || ch->confirmed == ch->published)
        return false;
    ch->refusal = answer_new(a->mail.to, a->ticket);
    ch->refusal->err = a->err;
    if (a->reason != NULL) {
        ch->refusal->reason = strdup(a->reason);
        SL_ASSERT(ch->refusal->reason != NULL);
    }
    broker_confirm(amqp_client(ch->connection), amqp_channel_ticket(ch) | AMQP_REFUSED_BIT,
                   (sl_tag){ch->published});
    return true;
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
    return remember(ch, &arguments) && (p->bits & PUBLISH_IMMEDIATE) == 0;
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

/* Keeps the method as a whole frame.  False: the arguments are malformed; the reader shows it. */
static bool remember(struct amqp_channel *ch, struct sl_reader *arguments)
{
    struct amqp_publisher *p = ch->publisher;
    struct sl_bytes all = {arguments->pos, sl_reader_left(arguments)};

    sl_read_u16(arguments);
    sl_read_short_string(arguments);
    sl_read_short_string(arguments);
    uint8_t bits = sl_read_u8(arguments);
    if (arguments->is_short || sl_reader_left(arguments) != 0)
        return false;

    struct sl_writer w = {p->frame, p->frame + sizeof p->frame, false};
    sl_write_u8(&w, AMQP_FRAME_METHOD);
    sl_write_u16(&w, ch->number);
    sl_write_u32(&w, (uint32_t)(4 + all.len));
    sl_write_u32(&w, AMQP_BASIC_PUBLISH);
    sl_write_bytes(&w, all);
    sl_write_u8(&w, AMQP_FRAME_END);
    SL_ASSERT(!w.overflowed);
    p->frame_len = (uint16_t)(w.pos - p->frame);
    p->bits = bits;
    p->epoch = 0; /* never a cache's */
    return true;
}

static bool properties_passed(const struct amqp_publisher *p, struct sl_bytes properties)
{
    return properties.len == p->properties_len && properties.len != 0 &&
           memcmp(properties.at, p->properties, properties.len) == 0;
}

static enum sl_err check_properties(struct amqp_channel *ch, struct sl_bytes properties,
                                    struct text *why)
{
    struct amqp_publisher *p = ch->publisher;
    const char *reason = NULL;
    enum sl_err err = properties_check(properties, &reason);

    if (err != SL_OK) {
        text_add(why, "malformed properties: %s", reason);
        return err;
    }
    SL_TRY(check_values(ch->connection, properties, why));
    if (properties.len <= sizeof p->properties && !names_another(ch->connection, properties)) {
        memcpy(p->properties, properties.at, properties.len);
        p->properties_len = (uint8_t)properties.len;
    }
    return SL_OK;
}

static enum sl_err check_values(struct amqp_connection *c, struct sl_bytes flat, struct text *why)
{
    struct properties p;
    uint64_t ms;

    if ((sl_load_u16(flat.at) & (PROPERTY_USER_ID | PROPERTY_EXPIRATION)) == 0)
        return SL_OK;
    properties_decode(flat, &p);
    if ((p.present & PROPERTY_USER_ID) != 0 && !sl_bytes_equal(p.user_id, c->user) &&
        !broker_may_impersonate(amqp_client(c))) {
        text_add(why, "user_id property set to '");
        text_add_bytes(why, p.user_id);
        text_add(why, "' but authenticated user was '");
        text_add_bytes(why, c->user);
        text_add(why, "'");
        return SL_EPRECOND;
    }
    if ((p.present & PROPERTY_EXPIRATION) != 0 && !expiration_read(p.expiration, &ms)) {
        text_add(why, "invalid expiration '");
        text_add_bytes(why, p.expiration);
        text_add(why, "': a number of milliseconds up to 4294967295 is expected");
        return SL_EPRECOND;
    }
    return SL_OK;
}

/* That may be forbidden at any time, so it is looked at each time. */
static bool names_another(const struct amqp_connection *c, struct sl_bytes flat)
{
    struct properties p;

    if ((sl_load_u16(flat.at) & PROPERTY_USER_ID) == 0)
        return false;
    properties_decode(flat, &p);
    return !sl_bytes_equal(p.user_id, c->user);
}

static enum sl_err find_route(struct amqp_channel *ch, struct sl_bytes properties,
                              const struct route **route)
{
    struct amqp_publisher *p = ch->publisher;
    struct client *client = amqp_client(ch->connection);

    if (p->epoch == broker_route_epoch(client)) {
        *route = p->route;
        return SL_OK;
    }
    struct sl_reader r = sl_reader_of(amqp_publish_route(ch));
    struct routed what = {.properties = properties};
    what.exchange = sl_read_short_string(&r);
    what.key = sl_read_short_string(&r);
    SL_TRY(broker_route(client, &what, route));
    if ((*route)->is_fixed) {
        p->route = *route;
        p->epoch = broker_route_epoch(client);
    }
    return SL_OK;
}

static void publish(struct amqp_channel *ch, const struct route *route, struct message *msg)
{
    struct amqp_connection *c = ch->connection;
    bool is_mandatory = (ch->publisher->bits & PUBLISH_MANDATORY) != 0;

    if ((msg->marks & MARK_COPIES) != 0 && !find_copies(ch, &route, msg))
        return;
    if (broker_may_be_prepared_step(route, msg) && broker_is_prepared_step(msg)) {
        ask(ch, msg);
        return;
    }
    if (ch->tx != NULL) { /* it is routed again at the commit */
        amqp_tx_publish(ch, msg, is_mandatory);
        return;
    }
    /* A return comes before the confirm, which waits for its place in the order.  What is to wait
     * has no queue yet. */
    if (route->count == route->held && is_mandatory)
        amqp_send_return(c, ch->number, AMQP_NO_ROUTE, msg);
    bool may_ask = ch->is_confirming && route->limited != 0;
    if (may_ask)
        broker_ask_refusal(amqp_client(c), amqp_channel_ticket(ch));
    bool is_refused = broker_publish(amqp_client(c), route, msg) != NULL;
    if (!ch->is_confirming)
        return;
    if (may_ask && broker_has_asked(amqp_client(c))) {
        (void)await_answer(ch);
        return;
    }
    ch->published++;
    if (is_refused)
        broker_confirm_refused(amqp_client(c), amqp_channel_ticket(ch), (sl_tag){ch->published});
    else if (list_is_empty(&ch->of_unannounced))
        list_push(&c->unannounced, &ch->of_unannounced);
}

/* The route by all keys of the message.  False: there is none, and msg is gone. */
static bool find_copies(struct amqp_channel *ch, const struct route **route, struct message *msg)
{
    const struct routed what = routed_of(msg);
    enum sl_err err = broker_route(amqp_client(ch->connection), &what, route);

    if (err == SL_OK)
        return true;
    amqp_publish_refuse_route(ch, err, msg);
    message_unref(msg);
    return false;
}

/* The broker answers what it came to, and it is confirmed in its place: until then the channel is
 * parked. */
static uint64_t await_answer(struct amqp_channel *ch)
{
    ch->connection->method = AMQP_BASIC_PUBLISH;
    return amqp_channel_wait(ch, false);
}

/* It is prepared, or the outcome of what was. */
static void ask(struct amqp_channel *ch, struct message *msg)
{
    struct amqp_connection *c = ch->connection;

    c->method = AMQP_BASIC_PUBLISH;
    if (ch->tx != NULL) {
        message_unref(msg);
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED,
                          "a transaction cannot hold a prepared message or an outcome");
        return;
    }
    broker_prepared_step(amqp_client(c), await_answer(ch), msg);
}
