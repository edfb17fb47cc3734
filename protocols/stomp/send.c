#include "protocols/stomp/send.h"

#include "core/base/limits.h"
#include "core/base/text.h"
#include "core/prepared_form.h"
#include "core/properties.h"
#include "protocols/stomp/cluster.h"
#include "protocols/stomp/direct_reply.h"
#include "protocols/stomp/input.h"
#include "protocols/stomp/operation.h"
#include "protocols/stomp/properties.h"
#include "protocols/stomp/queue_headers.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/schedule.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription.h"
#include "protocols/stomp/transaction.h"

#include <stdlib.h>

struct sending { /* what a SEND comes to, step by step */
    struct stomp_destination to;
    struct stomp_transaction *transaction;
    struct stomp_sending properties;
    struct sl_bytes flat;
};

enum progress { GO_ON, REFUSED, POSTPONED };

static void read_routing_type(const struct stomp_session *s, const struct stomp_headers *h,
                              struct sl_bytes text, struct stomp_destination *d);
static enum progress check(struct stomp_session *s, const struct stomp_frame *f,
                           struct sending *out);
static enum progress declare(struct stomp_session *s, const struct stomp_frame *f,
                             const struct sending *sending);
static enum progress find_reply_queue(struct stomp_session *s, const struct stomp_frame *f,
                                      struct sending *out);
static enum progress read_properties(struct stomp_session *s, const struct stomp_frame *f,
                                     struct sending *out);
static void start_body(struct stomp_session *s, const struct stomp_frame *f,
                       const struct sending *sending);
static bool read_body(const struct stomp_again *again, struct sl_reader *in, struct sl_bytes *body);
static const struct route *route_again(struct stomp_session *s, struct stomp_repeat *r);

bool stomp_on_send(struct stomp_session *s, const struct stomp_frame *f)
{
    struct sending sending = {0};
    enum progress progress;

    if (broker_is_held(&s->base.client)) {
        s->base.is_held = true;
        return false;
    }
    if (s->send == NULL && (s->send = calloc(1, sizeof *s->send)) == NULL) {
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory");
        return true;
    }
    if (!stomp_publication_take_room(s, f)) {
        s->base.is_held = true;
        return false;
    }
    progress = check(s, f, &sending);
    if (progress == GO_ON)
        progress = declare(s, f, &sending);
    if (progress == GO_ON)
        progress = find_reply_queue(s, f, &sending);
    if (progress == GO_ON)
        progress = read_properties(s, f, &sending);
    if (progress == GO_ON)
        start_body(s, f, &sending);
    else
        stomp_publication_drop(&s->send->publication); /* its room */
    if (progress == REFUSED)
        stomp_body_start(s, f, false);
    return progress != POSTPONED;
}

bool stomp_send_again(struct stomp_session *s, struct sl_reader *in)
{
    struct sl_reader at = *in;
    struct stomp_again again;
    struct sl_bytes body;

    if (s->send == NULL || broker_is_held(&s->base.client) ||
        !stomp_repeat_match(&s->send->repeat, &at, &again) || !read_body(&again, &at, &body) ||
        body.len > session_message_bytes_max(&s->base) ||
        (again.receipt.at != NULL && stomp_receipts_are_full(&s->receipts)))
        return false;

    struct stomp_repeat *r = &s->send->repeat;
    const struct route *route = route_again(s, r);
    if (route == NULL)
        return false;
    struct message *msg = message_new_routed(route->encoded, r->properties, body.len);
    if (msg == NULL || message_append(&msg, body) != SL_OK) {
        if (msg != NULL)
            message_unref(msg);
        return false;
    }
    stomp_publish(s, route, msg, again.receipt);
    *in = at;
    return true;
}

bool stomp_destination_of(struct stomp_session *s, const struct stomp_frame *f,
                          struct stomp_destination *d)
{
    struct sl_bytes text = stomp_value(&f->headers, "destination");
    const char *why;

    if (text.at == NULL) {
        char room[64];
        struct text body = text_on(room, sizeof room);
        text_add(&body, "'%s' must include a 'destination' header", stomp_command_name(f->command));
        stomp_refuse(s, f->receipt, "Missing destination", room);
        return false;
    }
    switch (stomp_destination_parse(text, s->base.env->settings->stomp_topic_exchange,
                                    &s->base.env->arena, d, &why)) {
    case SL_OK: read_routing_type(s, &f->headers, text, d); return true;
    case SL_ENOENT:
        stomp_refuse_about(s, f->receipt, "Unknown destination", "'", text,
                           "' is not a valid destination.\nValid destination types are: "
                           "/temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue/.");
        return false;
    case SL_ESYNTAX:
        if (text.len == 0)
            stomp_refuse(s, f->receipt, "Invalid destination", why);
        else
            stomp_refuse_about(s, f->receipt, "Invalid destination", "'", text,
                               "' is not a valid destination");
        return false;
    default: stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory"); return false;
    }
}

/* Artemis' clients say beside a bare name whether it is a topic. */
static void read_routing_type(const struct stomp_session *s, const struct stomp_headers *h,
                              struct sl_bytes text, struct stomp_destination *d)
{
    if (text.at[0] == '/' || (!sl_bytes_are(stomp_value(h, "destination-type"), "MULTICAST") &&
                              !sl_bytes_are(stomp_value(h, "subscription-type"), "MULTICAST")))
        return;
    d->kind = STOMP_TO_TOPIC;
    d->exchange = sl_bytes_of(s->base.env->settings->stomp_topic_exchange);
}

void stomp_fail_no_route(struct stomp_session *s, struct sl_bytes receipt, enum sl_err err,
                         struct sl_bytes exchange)
{
    char room[BROKER_REFUSAL_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    stomp_route_reason(s, err, exchange, &reason);
    stomp_fail_with(s, receipt, err, room);
}

void stomp_route_reason(const struct stomp_session *s, enum sl_err err, struct sl_bytes exchange,
                        struct text *to)
{
    if (err == SL_EDENIED || err == SL_EPRECOND) {
        text_add(to, "%s", broker_route_refusal(&s->base.client));
        return;
    }
    text_add(to, err == SL_ENOENT ? "no exchange '" : "cannot route by exchange '");
    text_add_bytes(to, exchange);
    text_add(to, "' in vhost '");
    text_add_bytes(to, s->base.client.vhost->name);
    text_add(to, "'");
}

void stomp_send_remember(struct stomp_session *s, struct sl_bytes queue)
{
    if (s->send != NULL)
        stomp_declared_add(&s->send->declared, queue);
}

void stomp_send_forget(struct stomp_session *s, struct sl_bytes queue)
{
    if (s->send == NULL)
        return;
    stomp_declared_remove(&s->send->declared, queue);
    stomp_repeat_forget(&s->send->repeat);
}

void stomp_send_free(struct stomp_session *s)
{
    if (s->send == NULL)
        return;
    stomp_declared_deinit(&s->send->declared);
    stomp_repeat_deinit(&s->send->repeat);
    stomp_publication_drop(&s->send->publication);
    free(s->send);
    s->send = NULL;
}

static enum progress check(struct stomp_session *s, const struct stomp_frame *f,
                           struct sending *out)
{
    const struct stomp_header *user = stomp_find(&f->headers, "user-id");
    const struct stomp_header *transaction = stomp_find(&f->headers, "transaction");

    if (stomp_find(&f->headers, "message-id") != NULL) {
        stomp_refuse(s, f->receipt, "Invalid header", "'message-id' is not allowed on 'SEND'.");
        return REFUSED;
    }
    if (!stomp_destination_of(s, f, &out->to))
        return REFUSED;
    if (out->to.kind == STOMP_TO_TEMP_QUEUE) {
        stomp_refuse_about(s, f->receipt, "Invalid destination", "'",
                           stomp_value(&f->headers, "destination"),
                           "' is not a valid destination for 'SEND'");
        return REFUSED;
    }
    if (!stomp_cluster_resolve_queue(s, f, &out->to))
        return REFUSED;
    if (user != NULL && !sl_bytes_are(user->value, s->user)) {
        stomp_fail_about(s, f->receipt, "precondition_failed",
                         "PRECONDITION_FAILED - user_id property set to '", user->value,
                         "' but another user is logged in");
        return REFUSED;
    }
    if (!stomp_schedule_read(s, f, &out->to, &out->properties.delay_ms))
        return REFUSED;
    if (transaction == NULL)
        return GO_ON;
    if (sl_bytes_are(out->to.exchange, PREPARED_EXCHANGE) ||
        stomp_find(&f->headers, "x-prepare") != NULL) {
        stomp_refuse(s, f->receipt, "Bad transaction",
                     "a transaction cannot hold a prepared message or an outcome");
        return REFUSED;
    }
    out->transaction = stomp_transaction_of(s, f);
    return out->transaction == NULL ? REFUSED : GO_ON;
}

/* The first SEND to a queue declares it, and waits for that.  One that the session consumes is
 * declared: with what its SUBSCRIBE asked for, which a SEND need not say again. */
static enum progress declare(struct stomp_session *s, const struct stomp_frame *f,
                             const struct sending *sending)
{
    struct queue_declaration d;

    if (sending->to.kind != STOMP_TO_QUEUE ||
        stomp_declared_has(&s->send->declared, sending->to.key))
        return GO_ON;
    if (stomp_subscription_has_queue(s, sending->to.key)) {
        stomp_send_remember(s, sending->to.key);
        return GO_ON;
    }
    if (stomp_queue_headers_read(&f->headers, &sending->to, false, &s->base.env->arena, &d) !=
        SL_OK) {
        stomp_refuse(s, f->receipt, "Invalid header", "The queue's arguments are too large");
        return REFUSED;
    }
    d.name = sending->to.key;
    d.is_cluster = sending->to.is_cluster;
    stomp_operation_declare(s, f->receipt, &d);
    return POSTPONED;
}

/* A reply address of the form /temp-queue/ID stands for a queue of this session's own, and
 * amq.rabbitmq.reply-to for its direct replies. */
static enum progress find_reply_queue(struct stomp_session *s, const struct stomp_frame *f,
                                      struct sending *out)
{
    struct sl_bytes address = stomp_value(&f->headers, "reply-to");

    if (direct_reply_is(address))
        return stomp_direct_reply_address(s, f, &out->properties.reply_to) ? GO_ON : REFUSED;
    if (!sl_bytes_begin(address, "/temp-queue/"))
        return GO_ON;
    if (address.len > SL_NAME_BYTES_MAX - 2) {
        stomp_refuse(s, f->receipt, "Invalid header", "'reply-to' may have 253 bytes at most");
        return REFUSED;
    }
    const struct stomp_subscription *found = stomp_reply_queue(s, address);
    if (found == NULL) {
        stomp_reply_queue_open(s, address, f->receipt);
        return POSTPONED;
    }
    out->properties.reply_to = found->queue;
    return GO_ON;
}

static enum progress read_properties(struct stomp_session *s, const struct stomp_frame *f,
                                     struct sending *out)
{
    const struct routed what = {.exchange = out->to.exchange, .key = out->to.key};
    const struct route *ignored;
    const char *why;
    enum sl_err err = SL_OK;

    /* Properties come late to a headers exchange: here it only matters that it exists. */
    if (out->to.exchange.len != 0)
        err = broker_route(&s->base.client, &what, &ignored);
    if (err != SL_OK) {
        stomp_fail_no_route(s, f->receipt, err, out->to.exchange);
        return REFUSED;
    }
    /* It is then that somebody may have it. */
    out->properties.now_wall_ms = sl_clock_wall_ms(s->base.env->clock) + out->properties.delay_ms;
    err =
        stomp_properties_read(&f->headers, &out->properties, &s->base.env->arena, &out->flat, &why);
    if (err == SL_OK)
        return GO_ON;
    if (err == SL_ENOMEM)
        stomp_fail_with(s, f->receipt, err, "out of memory");
    else
        stomp_refuse_about(s, f->receipt, "Invalid header", "'SEND' must include a valid '",
                           sl_bytes_of(why), "'");
    return REFUSED;
}

static void start_body(struct stomp_session *s, const struct stomp_frame *f,
                       const struct sending *sending)
{
    if (!stomp_body_start(s, f, true))
        return;
    struct message *msg = message_new(sending->to.exchange, sending->to.key, sending->flat,
                                      s->body.is_counted ? s->body.left : 0);
    if (msg == NULL) {
        s->body.is_open = false;
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory for the message");
        return;
    }
    msg->is_scheduled = sending->properties.delay_ms != 0;
    stomp_publication_start(s, msg, f->receipt, sending->transaction);
    if (sending->transaction != NULL || sending->properties.is_timed || msg->is_scheduled)
        stomp_repeat_forget(&s->send->repeat);
    else
        stomp_repeat_learn(&s->send->repeat, f->lines, sending->to.exchange, sending->to.key,
                           sending->flat);
}

static bool read_body(const struct stomp_again *again, struct sl_reader *in, struct sl_bytes *body)
{
    size_t left = sl_reader_left(in);

    if (left == 0)
        return false;
    if (again->length != UINT64_MAX) {
        if (again->length >= left)
            return false;
        *body = sl_read_bytes(in, (size_t)again->length);
        return sl_read_u8(in) == 0;
    }
    const uint8_t *end = memchr(in->pos, 0, left);
    if (end == NULL)
        return false;
    *body = sl_read_bytes(in, (size_t)(end - in->pos));
    sl_read_u8(in);
    return true;
}

/* NULL: the exchange is gone, which the long road says. */
static const struct route *route_again(struct stomp_session *s, struct stomp_repeat *r)
{
    struct routed what = {.exchange = r->exchange, .key = r->key, .properties = r->properties};
    const struct route *route;

    if (r->epoch == broker_route_epoch(&s->base.client))
        return r->route;
    if ((known_headers_marks(r->properties) & MARK_COPIES) != 0)
        what.copies = r->properties;
    if (broker_route(&s->base.client, &what, &route) != SL_OK)
        return NULL;
    r->route = route;
    r->epoch = route->is_fixed ? broker_route_epoch(&s->base.client) : 0;
    return route;
}
