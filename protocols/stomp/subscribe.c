/* subscribe.c - the part of subscription.h that is SUBSCRIBE: what it asks for, and may it. */
#include "core/base/limits.h"
#include "core/selector.h"
#include "protocols/stomp/browser.h"
#include "protocols/stomp/cluster.h"
#include "protocols/stomp/direct_reply.h"
#include "protocols/stomp/durable.h"
#include "protocols/stomp/operation.h"
#include "protocols/stomp/queue_headers.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription_parts.h"

#define SELECTOR_REASON_BYTES 256u

static bool read_tag(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *tag,
                     struct sl_bytes *id);
static bool read_source(struct stomp_session *s, const struct stomp_frame *f,
                        struct stomp_destination *d);
static bool name_queue(struct stomp_session *s, const struct stomp_frame *f,
                       const struct stomp_destination *d, struct sl_bytes *name);
static bool check_browser(struct stomp_session *s, const struct stomp_frame *f,
                          const struct stomp_destination *d, bool is_cluster);
static bool check_selector(struct stomp_session *s, const struct stomp_frame *f,
                           const struct stomp_destination *d);
static void start(struct stomp_session *s, const struct stomp_frame *f,
                  const struct stomp_destination *d, struct stomp_subscription *sub);
static enum stomp_ack_mode ack_mode(const struct stomp_headers *h);
static uint32_t prefetch(const struct stomp_headers *h);
static bool read_consumer(struct stomp_session *s, const struct stomp_frame *f,
                          struct stomp_subscribing *what);
static bool read_priority(const struct stomp_headers *h, int64_t *priority);

bool stomp_on_subscribe(struct stomp_session *s, const struct stomp_frame *f)
{
    struct sl_bytes destination = stomp_value(&f->headers, "destination");
    struct stomp_destination d;
    struct cluster_name cluster;
    struct sl_bytes tag;
    struct sl_bytes id;
    struct sl_bytes queue;

    if (f->receipt.at != NULL && !stomp_receipts_are_empty(&s->receipts)) {
        s->receipts.is_asked_for = true; /* its RECEIPT has to be before its first MESSAGE, and */
        s->base.is_parked = true;        /* behind the RECEIPTs that are owed */
        return false;
    }
    if (!read_source(s, f, &d) || !read_tag(s, f, &tag, &id))
        return true;
    if (hash_map_get(&s->subscriptions, tag) != NULL) {
        stomp_fail_about(s, f->receipt, "Duplicated subscription identifier",
                         "A subscription identified by '", tag, "' already exists.");
        return true;
    }
    enum stomp_cluster of_cluster = stomp_cluster_of_subscribe(s, f, &d, &cluster);
    if (of_cluster == STOMP_CLUSTER_REFUSED || !stomp_durable_check(s, f, &d) ||
        !check_browser(s, f, &d, of_cluster == STOMP_CLUSTER) || !check_selector(s, f, &d) ||
        (of_cluster == STOMP_NO_CLUSTER && !name_queue(s, f, &d, &queue)))
        return true;
    if (of_cluster == STOMP_CLUSTER)
        queue = cluster.own;
    if (direct_reply_is(queue) && !stomp_direct_reply_check(s, f))
        return true;

    struct stomp_subscription *sub = stomp_subscription_new(s, tag, id, destination, queue);
    if (sub == NULL) {
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory");
        return true;
    }
    sub->is_browser = stomp_bool(&f->headers, "browser", false);
    sub->ack = sub->is_browser ? STOMP_ACK_AUTO : ack_mode(&f->headers);
    sub->is_topic = d.kind == STOMP_TO_TOPIC && of_cluster == STOMP_NO_CLUSTER;
    d.is_cluster = of_cluster == STOMP_CLUSTER;
    start(s, f, &d, sub);
    return true;
}

static bool read_tag(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *tag,
                     struct sl_bytes *id)
{
    *id = stomp_value(&f->headers, "id");
    if (id->at == NULL) {
        *tag = stomp_subscription_tag(s, 'Q', stomp_value(&f->headers, "destination"));
    } else if (sl_bytes_begin(*id, STOMP_REPLY_ADDRESS)) {
        stomp_refuse(s, f->receipt, "Invalid id", "SUBSCRIBE 'id' may not start with /temp-queue/");
        return false;
    } else {
        *tag = stomp_subscription_tag(s, 'T', *id);
    }
    if (tag->len <= SL_NAME_BYTES_MAX && tag->at != NULL)
        return true;
    stomp_refuse(s, f->receipt, "Invalid id", "SUBSCRIBE 'id' may have 253 bytes at most");
    return false;
}

static bool read_source(struct stomp_session *s, const struct stomp_frame *f,
                        struct stomp_destination *d)
{
    if (!stomp_destination_of(s, f, d))
        return false;
    if (d->kind == STOMP_TO_TEMP_QUEUE || d->kind == STOMP_TO_REPLY_QUEUE ||
        d->kind == STOMP_TO_PREPARED) {
        stomp_refuse_about(s, f->receipt, "Invalid destination", "'",
                           stomp_value(&f->headers, "destination"),
                           "' is not a valid destination for 'SUBSCRIBE'");
        return false;
    }
    return true;
}

static bool name_queue(struct stomp_session *s, const struct stomp_frame *f,
                       const struct stomp_destination *d, struct sl_bytes *name)
{
    *name = d->key;
    return stomp_destination_is_queue(d) || stomp_durable_queue(s, f, name);
}

static bool check_browser(struct stomp_session *s, const struct stomp_frame *f,
                          const struct stomp_destination *d, bool is_cluster)
{
    if (!stomp_bool(&f->headers, "browser", false))
        return true;
    if (!is_cluster && !stomp_destination_is_queue(d))
        stomp_refuse(s, f->receipt, "Invalid header", "Only a queue can be browsed");
    else if (s->browsers_count >= STOMP_BROWSERS_MAX)
        stomp_refuse(s, f->receipt, "Invalid header", "Too many browsers at once (limit 16)");
    else
        return true;
    return false;
}

/* Looked at before anything is made. */
static bool check_selector(struct stomp_session *s, const struct stomp_frame *f,
                           const struct stomp_destination *d)
{
    struct sl_bytes text = stomp_value(&f->headers, "selector");
    struct selector *selector = NULL;
    char room[SELECTOR_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (text.len == 0)
        return true;
    if (stomp_destination_is_queue(d)) {
        stomp_refuse(s, f->receipt, "Invalid selector",
                     "A queue is shared: only a subscription to a topic or an exchange selects");
        return false;
    }
    enum sl_err err = selector_parse(text, &selector, &reason);
    selector_free(selector);
    if (err == SL_OK)
        return true;
    if (err == SL_ENOMEM)
        stomp_fail_with(s, f->receipt, err, "out of memory");
    else
        stomp_refuse(s, f->receipt, "Invalid selector", room);
    return false;
}

static void start(struct stomp_session *s, const struct stomp_frame *f,
                  const struct stomp_destination *d, struct stomp_subscription *sub)
{
    struct stomp_subscribing what = {.subscription = sub,
                                     .receipt = f->receipt,
                                     .queue = sub->queue,
                                     .exchange = d->exchange,
                                     .key = d->key,
                                     .prefetch = prefetch(&f->headers)};
    struct queue_declaration declaration;
    enum sl_err err =
        stomp_queue_headers_read(&f->headers, d, true, &s->base.env->arena, &declaration);

    declaration.name = sub->queue;
    if (d->is_cluster) { /* which brings its binding along */
        declaration.is_cluster = true;
        declaration.is_exclusive = declaration.is_auto_delete = false;
        what.exchange = (struct sl_bytes){NULL, 0};
    }
    if (d->kind != STOMP_TO_AMQ_QUEUE)
        what.declaration = &declaration;
    if (err != SL_OK) {
        stomp_refuse(s, f->receipt, "Invalid header", "The queue's arguments are too large");
        stomp_subscription_free(sub);
        return;
    }
    if (!read_consumer(s, f, &what)) {
        stomp_subscription_free(sub);
        return;
    }
    /* Asked before anything is made, so that a missing exchange leaves no queue behind. */
    if (!d->is_cluster && !stomp_destination_is_queue(d) &&
        !broker_has_exchange(&s->base.client, d->exchange)) {
        stomp_fail_no_route(s, f->receipt, SL_ENOENT, d->exchange);
        stomp_subscription_free(sub);
        return;
    }
    stomp_operation_subscribe(s, &what);
}

static enum stomp_ack_mode ack_mode(const struct stomp_headers *h)
{
    struct sl_bytes ack = stomp_value(h, "ack");

    if (sl_bytes_are(ack, "client"))
        return STOMP_ACK_CLIENT;
    if (sl_bytes_are(ack, "client-individual"))
        return STOMP_ACK_INDIVIDUAL;
    return STOMP_ACK_AUTO;
}

/* ActiveMQ's word for it means the same; 0 and what is no number mean no limit. */
static uint32_t prefetch(const struct stomp_headers *h)
{
    uint64_t n = 0;

    if (!stomp_number(stomp_value(h, "prefetch-count"), UINT32_MAX, &n) &&
        !stomp_number(stomp_value(h, "activemq.prefetchSize"), UINT32_MAX, &n))
        return 0;
    return (uint32_t)n;
}

/* False: it was refused. */
static bool read_consumer(struct stomp_session *s, const struct stomp_frame *f,
                          struct stomp_subscribing *what)
{
    char room[BROKER_REFUSAL_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    const char *of_streams = stomp_stream_header(&f->headers);

    if (of_streams != NULL) {
        text_add(&reason, "invalid arg '%s' for queue '", of_streams);
        text_add_bytes(&reason, what->queue);
        text_add(&reason, "' in vhost '");
        text_add_bytes(&reason, s->base.client.vhost->name);
        text_add(&reason, "' of queue type rabbit_classic_queue");
        stomp_fail_with(s, f->receipt, SL_EPRECOND, room);
        return false;
    }
    if (read_priority(&f->headers, &what->priority))
        return true;
    stomp_refuse(s, f->receipt, "Invalid header", "'x-priority' must be an integer");
    return false;
}

/* False: it says something that is no integer.  ActiveMQ's word for it means the same. */
static bool read_priority(const struct stomp_headers *h, int64_t *priority)
{
    struct sl_bytes given = stomp_value(h, "x-priority");

    if (given.at == NULL)
        given = stomp_value(h, "activemq.priority");
    return given.at == NULL || stomp_signed_number(given, priority);
}
