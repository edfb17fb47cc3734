#include "protocols/amqp/publish.h"

#include "core/base/assert.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/publish_parts.h"
#include "protocols/amqp/tx.h"

#include <stdlib.h>

static bool find_copies(struct amqp_channel *ch, const struct route **route, struct message *msg);
static void ask(struct amqp_channel *ch, struct message *msg);

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
    if (!amqp_publisher_remember(ch, r)) {
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

void amqp_publish_message(struct amqp_channel *ch, struct message *msg)
{
    const struct route *route;
    enum sl_err err = amqp_publisher_route(ch, message_properties(msg), &route);

    if (err == SL_OK) {
        amqp_publisher_send(ch, route, msg);
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

bool amqp_publisher_remember(struct amqp_channel *ch, struct sl_reader *arguments)
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

enum sl_err amqp_publisher_route(struct amqp_channel *ch, struct sl_bytes properties,
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

void amqp_publisher_send(struct amqp_channel *ch, const struct route *route, struct message *msg)
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
        (void)amqp_channel_wait(ch, false);
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

/* It is prepared, or the outcome of what was. */
static void ask(struct amqp_channel *ch, struct message *msg)
{
    if (ch->tx != NULL) {
        message_unref(msg);
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED,
                          "a transaction cannot hold a prepared message or an outcome");
        return;
    }
    broker_prepared_step(amqp_client(ch->connection), amqp_channel_wait(ch, false), msg);
}
