#include "protocols/stomp/publication.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/known_headers.h"
#include "core/properties.h"
#include "protocols/stomp/operation.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/transaction.h"

#include <stdlib.h>

static enum sl_err gather(struct stomp_session *s, struct sl_bytes part);
static struct message *finish_gathered(struct stomp_publication *p);
static void publish(struct stomp_session *s, struct message *msg, struct sl_bytes receipt);
static void out_of_memory(struct stomp_session *s);

bool stomp_publication_take_room(struct stomp_session *s, const struct stomp_frame *f)
{
    struct stomp_publication *p = &s->send->publication;
    const struct stomp_header *length = stomp_find(&f->headers, "content-length");
    uint64_t n;

    if (length == NULL || !stomp_number(length->value, UINT64_MAX, &n) ||
        n <= SL_ARRIVAL_SMALL_BYTES || n > s->base.env->settings->message_bytes_max)
        return true;
    if (!broker_take_room(&s->base.client, n))
        return false;
    p->arrival.room = n;
    return true;
}

bool stomp_publication_has_room(struct stomp_session *s, size_t n, bool is_end)
{
    struct stomp_publication *p = &s->send->publication;
    uint64_t most = is_end ? p->gathered.len + n : s->base.env->settings->message_bytes_max;

    if (s->body.is_counted || p->arrival.room != 0 || p->gathered.len + n <= SL_ARRIVAL_SMALL_BYTES)
        return true;
    if (!broker_take_room(&s->base.client, most))
        return false;
    p->arrival.room = most;
    return true;
}

void stomp_publication_start(struct stomp_session *s, struct message *msg, struct sl_bytes receipt,
                             struct stomp_transaction *transaction)
{
    struct stomp_publication *p = &s->send->publication;

    arrival_begin(&p->arrival, msg);
    p->transaction = transaction;
    s->body.due_ms = s->base.env->now_ms + SL_ARRIVAL_PERIOD_MS;
    if (s->body.due_ms < s->base.deadline_ms)
        s->base.deadline_ms = s->body.due_ms;
    if (receipt.at == NULL)
        return;
    uint8_t *copy = malloc(receipt.len + 1);
    SL_ASSERT(copy != NULL); /* the decoder bounds it */
    memcpy(copy, receipt.at, receipt.len);
    p->receipt = (struct sl_bytes){copy, receipt.len};
}

void stomp_publication_add(struct stomp_session *s, struct sl_bytes part)
{
    struct stomp_publication *p = &s->send->publication;
    enum sl_err err = s->body.is_counted ? arrival_add(&p->arrival, part) : gather(s, part);

    if (err != SL_OK)
        out_of_memory(s);
}

void stomp_publication_end(struct stomp_session *s)
{
    struct stomp_publication *p = &s->send->publication;

    struct message *msg = s->body.is_counted ? arrival_end(&p->arrival) : finish_gathered(p);
    if (msg == NULL) {
        out_of_memory(s);
        return;
    }
    if (p->transaction == NULL) {
        publish(s, msg, p->receipt);
    } else if (stomp_transaction_add_message(p->transaction, msg)) {
        stomp_receipts_owe_next(s, p->receipt);
    } else {
        message_unref(msg);
        stomp_transaction_too_large(s, p->transaction, p->receipt);
    }
    stomp_publication_drop(p);
}

void stomp_publication_drop(struct stomp_publication *p)
{
    arrival_drop(&p->arrival);
    sl_buffer_deinit(&p->gathered);
    free((void *)p->receipt.at);
    *p = (struct stomp_publication){0};
}

/* Without a receipt nobody asked what became of it. */
void stomp_publish(struct stomp_session *s, const struct route *route, struct message *msg,
                   struct sl_bytes receipt)
{
    struct client *c = &s->base.client;
    bool asks = receipt.at != NULL && broker_may_know(route, msg);
    uint64_t ticket = asks ? stomp_receipts_verdict_ticket(s) : 0;

    if (broker_may_be_prepared_step(route, msg) && broker_is_prepared_step(msg)) {
        stomp_operation_prepared(s, receipt, msg);
        return;
    }

    broker_ask_verdict(c, ticket);
    const struct admission *full = broker_publish(c, route, msg);
    asks &= broker_has_asked(c);
    if (full == NULL && asks)
        stomp_receipts_owe_verdict(s, receipt, ticket);
    else if (full == NULL)
        stomp_receipts_owe(s, receipt);
    else if (receipt.at != NULL)
        stomp_refuse_about(s, receipt, "Message refused", "queue '", full->queue, "' is full");
}

bool stomp_publication_keeps_pace(struct stomp_session *s)
{
    struct stomp_publication *p = &s->send->publication;

    if (s->body.is_excused)
        arrival_excuse(&p->arrival);
    s->body.is_excused = false;
    s->body.due_ms = s->base.env->now_ms + SL_ARRIVAL_PERIOD_MS;
    return arrival_keeps_pace(&p->arrival, s->body.is_counted ? message_body(p->arrival.msg).len
                                                              : p->gathered.len);
}

static enum sl_err gather(struct stomp_session *s, struct sl_bytes part)
{
    struct stomp_publication *p = &s->send->publication;

    p->gathered.bytes_max = s->base.env->settings->message_bytes_max;
    return sl_buffer_append(&p->gathered, part);
}

/* NULL: no memory. */
static struct message *finish_gathered(struct stomp_publication *p)
{
    const struct message *head = p->arrival.msg;
    struct message *msg =
        message_new_routed(message_route(head), message_properties(head), p->gathered.len);

    if (msg == NULL)
        return NULL;
    msg->is_scheduled = head->is_scheduled;
    if (message_append(&msg, sl_buffer_bytes(&p->gathered)) == SL_OK)
        return msg;
    message_unref(msg);
    return NULL;
}

/* The exchange was there when the frame began; a body that took its time may have lost it. */
static void publish(struct stomp_session *s, struct message *msg, struct sl_bytes receipt)
{
    const struct route *route;
    const struct routed what = routed_of(msg);
    enum sl_err err = broker_route(&s->base.client, &what, &route);

    if (err != SL_OK) {
        stomp_fail_no_route(s, receipt, err, message_exchange(msg));
        message_unref(msg);
        return;
    }
    stomp_publish(s, route, msg, receipt);
}

static void out_of_memory(struct stomp_session *s)
{
    struct stomp_publication *p = &s->send->publication;

    stomp_fail_with(s, p->receipt, SL_ENOMEM, "out of memory for the message");
    stomp_publication_drop(p);
    s->body.is_open = false;
}
