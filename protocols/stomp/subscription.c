#include "protocols/stomp/subscription.h"

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

#include <stdlib.h>

#define REPLY_ADDRESS "/temp-queue/"
#define SELECTOR_REASON_BYTES 256u

static bool read_tag(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *tag,
                     struct sl_bytes *id);
static struct sl_bytes make_tag(struct stomp_session *s, char kind, struct sl_bytes of);
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
static struct stomp_subscription *subscription_new(struct stomp_session *s, struct sl_bytes tag,
                                                   struct sl_bytes id, struct sl_bytes destination,
                                                   struct sl_bytes queue);
static enum stomp_ack_mode ack_mode(const struct stomp_headers *h);
static uint32_t prefetch(const struct stomp_headers *h);
static bool read_priority(const struct stomp_headers *h, int64_t *priority);
static void forget(struct stomp_session *s, struct stomp_subscription *sub);

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

    struct stomp_subscription *sub = subscription_new(s, tag, id, destination, queue);
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

bool stomp_on_unsubscribe(struct stomp_session *s, const struct stomp_frame *f)
{
    struct sl_bytes id = stomp_value(&f->headers, "id");
    struct sl_bytes destination = stomp_value(&f->headers, "destination");
    struct sl_bytes queue;
    struct sl_bytes tag;

    if (id.at == NULL && destination.at == NULL && !stomp_durable_find(s, f, &queue)) {
        stomp_refuse(s, f->receipt, "Missing destination or id",
                     "UNSUBSCRIBE must include a 'destination' or 'id' header");
        return true;
    }
    if (id.at != NULL && sl_bytes_begin(id, REPLY_ADDRESS)) {
        stomp_refuse(s, f->receipt, "Invalid id",
                     "UNSUBSCRIBE 'id' may not start with /temp-queue/");
        return true;
    }
    tag = id.at != NULL ? make_tag(s, 'T', id) : make_tag(s, 'Q', destination);
    struct stomp_subscription *sub = hash_map_get(&s->subscriptions, tag);
    if (sub == NULL && stomp_durable_find(s, f, &queue)) { /* of an earlier connection */
        stomp_operation_delete(s, f->receipt, queue);
        return true;
    }
    if (sub == NULL) {
        stomp_refuse_about(s, f->receipt, "No subscription found",
                           "UNSUBSCRIBE must refer to an existing subscription.\n"
                           "Subscription to \"",
                           id.at != NULL ? id : destination, "\" not found.");
        return true;
    }
    if (sub->core != NULL) {
        settlement_forget(&s->settlement, sub->core);
        broker_drop(&s->base.client, sub->core);
    }
    bool ends = stomp_durable_find(s, f, &queue);
    if (!ends && sub->is_topic && stomp_is_durable(&f->headers)) {
        ends = true;
        queue = sub->queue;
    }
    if (ends)
        stomp_operation_delete(s, f->receipt, queue);
    else
        stomp_receipts_owe(s, f->receipt);
    forget(s, sub);
    return true;
}

bool stomp_subscription_has_queue(const struct stomp_session *s, struct sl_bytes queue)
{
    const struct stomp_subscription *sub;
    size_t cursor = 0;

    while ((sub = hash_map_next(&s->subscriptions, &cursor)) != NULL)
        if (sl_bytes_equal(sub->queue, queue))
            return true;
    return false;
}

const struct stomp_subscription *stomp_reply_queue(const struct stomp_session *s,
                                                   struct sl_bytes address)
{
    uint8_t tag[2 + SL_NAME_BYTES_MAX] = "T_";

    if (address.len > SL_NAME_BYTES_MAX)
        return NULL;
    memcpy(tag + 2, address.at, address.len);
    return hash_map_get(&s->subscriptions, (struct sl_bytes){tag, address.len + 2});
}

void stomp_reply_queue_open(struct stomp_session *s, struct sl_bytes address,
                            struct sl_bytes receipt)
{
    static const char PREFIX[] = "amq.gen-";
    char name[sizeof PREFIX + SL_RANDOM_NAME_CHARS];
    struct queue_declaration d = {
        .is_exclusive = true, .is_auto_delete = true, .may_be_reserved = true};

    memcpy(name, PREFIX, sizeof PREFIX - 1);
    sl_random_name(name + sizeof PREFIX - 1);
    d.name = sl_bytes_of(name);

    struct sl_bytes tag = make_tag(s, 'T', address);
    struct stomp_subscription *sub = subscription_new(s, tag, address, address, d.name);
    if (sub == NULL) {
        stomp_fail_with(s, receipt, SL_ENOMEM, "out of memory");
        return;
    }
    const struct stomp_subscribing what = {.subscription = sub,
                                           .receipt = receipt,
                                           .declaration = &d,
                                           .queue = d.name,
                                           .resumes_send = true};
    stomp_operation_subscribe(s, &what);
}

void stomp_subscription_live(struct stomp_session *s, struct stomp_subscription *sub)
{
    if (hash_map_put(&s->subscriptions, sub->tag, sub) == SL_OK)
        return;
    if (sub->core != NULL)
        sub->core->context = NULL;
    stomp_subscription_free(sub);
    session_abort(&s->base);
}

void stomp_subscription_on_cancelled(struct stomp_session *s, uint32_t cookie)
{
    struct subscription *core = client_subscription(&s->base.client, cookie);
    struct stomp_subscription *sub = core == NULL ? NULL : core->context;

    if (sub == NULL)
        return;
    stomp_say_cancelled(s, sub->id, sub->destination);
    settlement_forget(&s->settlement, core);
    subscription_free(core);
    forget(s, sub);
}

void stomp_subscription_free(struct stomp_subscription *sub)
{
    stomp_shape_deinit(&sub->shape);
    free(sub);
}

void stomp_subscriptions_deinit(struct stomp_session *s)
{
    struct stomp_subscription *sub;
    size_t cursor = 0;

    while ((sub = hash_map_next(&s->subscriptions, &cursor)) != NULL) {
        stomp_browser_end(s, sub);
        stomp_subscription_free(sub);
    }
    hash_map_deinit(&s->subscriptions);
}

static bool read_tag(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *tag,
                     struct sl_bytes *id)
{
    *id = stomp_value(&f->headers, "id");
    if (id->at == NULL) {
        *tag = make_tag(s, 'Q', stomp_value(&f->headers, "destination"));
    } else if (sl_bytes_begin(*id, REPLY_ADDRESS)) {
        stomp_refuse(s, f->receipt, "Invalid id", "SUBSCRIBE 'id' may not start with /temp-queue/");
        return false;
    } else {
        *tag = make_tag(s, 'T', *id);
    }
    if (tag->len <= SL_NAME_BYTES_MAX && tag->at != NULL)
        return true;
    stomp_refuse(s, f->receipt, "Invalid id", "SUBSCRIBE 'id' may have 253 bytes at most");
    return false;
}

/* {NULL, 0} without memory: no subscription has that tag. */
static struct sl_bytes make_tag(struct stomp_session *s, char kind, struct sl_bytes of)
{
    uint8_t *at = arena_take(&s->base.env->arena, of.len + 2);

    if (at == NULL)
        return (struct sl_bytes){NULL, 0};
    at[0] = (uint8_t)kind;
    at[1] = '_';
    if (of.len != 0)
        memcpy(at + 2, of.at, of.len);
    return (struct sl_bytes){at, of.len + 2};
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
    if (!read_priority(&f->headers, &what.priority)) {
        stomp_refuse(s, f->receipt, "Invalid header", "'x-priority' must be an integer");
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

static struct stomp_subscription *subscription_new(struct stomp_session *s, struct sl_bytes tag,
                                                   struct sl_bytes id, struct sl_bytes destination,
                                                   struct sl_bytes queue)
{
    size_t texts = tag.len + destination.len + queue.len + tag.len + STOMP_NAME_BYTES + 4;
    struct stomp_subscription *sub = calloc(1, sizeof *sub + texts);

    if (sub == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(sub + 1);
    struct sl_writer w = {at, at + texts, false};

    sub->tag = (struct sl_bytes){w.pos, tag.len};
    sl_write_bytes(&w, tag);
    if (id.at != NULL)
        sub->id = sl_bytes_skip(sub->tag, 2);
    if (id.at != NULL && sub->id.at == NULL)
        sub->id.at = sub->tag.at;
    sub->destination = (struct sl_bytes){w.pos, destination.len};
    sl_write_bytes(&w, destination);
    sub->queue = (struct sl_bytes){w.pos, queue.len};
    sl_write_bytes(&w, queue);
    sub->prefix.at = w.pos;
    sl_write_bytes(&w, tag);
    sl_write_bytes(&w, SL_BYTES_LITERAL("@@"));
    sl_write_bytes(&w, sl_bytes_of(s->name));
    sl_write_bytes(&w, SL_BYTES_LITERAL("@@"));
    sub->prefix.len = (size_t)(w.pos - sub->prefix.at);
    return sub;
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

/* False: it says something that is no integer.  ActiveMQ's word for it means the same. */
static bool read_priority(const struct stomp_headers *h, int64_t *priority)
{
    struct sl_bytes given = stomp_value(h, "x-priority");

    if (given.at == NULL)
        given = stomp_value(h, "activemq.priority");
    return given.at == NULL || stomp_signed_number(given, priority);
}

static void forget(struct stomp_session *s, struct stomp_subscription *sub)
{
    stomp_send_forget(s, sub->queue);
    stomp_browser_end(s, sub);
    stomp_direct_reply_end(s, sub);
    hash_map_remove(&s->subscriptions, sub->tag);
    stomp_subscription_free(sub);
}
