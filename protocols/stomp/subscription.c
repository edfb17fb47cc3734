#include "protocols/stomp/subscription.h"

#include "core/base/limits.h"
#include "protocols/stomp/browser.h"
#include "protocols/stomp/direct_reply.h"
#include "protocols/stomp/durable.h"
#include "protocols/stomp/operation.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription_parts.h"

#include <stdlib.h>

static void forget(struct stomp_session *s, struct stomp_subscription *sub);

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
    if (id.at != NULL && sl_bytes_begin(id, STOMP_REPLY_ADDRESS)) {
        stomp_refuse(s, f->receipt, "Invalid id",
                     "UNSUBSCRIBE 'id' may not start with /temp-queue/");
        return true;
    }
    tag = id.at != NULL ? stomp_subscription_tag(s, 'T', id)
                        : stomp_subscription_tag(s, 'Q', destination);
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

    struct sl_bytes tag = stomp_subscription_tag(s, 'T', address);
    struct stomp_subscription *sub = stomp_subscription_new(s, tag, address, address, d.name);
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

struct sl_bytes stomp_subscription_tag(struct stomp_session *s, char kind, struct sl_bytes of)
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

struct stomp_subscription *stomp_subscription_new(struct stomp_session *s, struct sl_bytes tag,
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

static void forget(struct stomp_session *s, struct stomp_subscription *sub)
{
    stomp_send_forget(s, sub->queue);
    stomp_browser_end(s, sub);
    stomp_direct_reply_end(s, sub);
    hash_map_remove(&s->subscriptions, sub->tag);
    stomp_subscription_free(sub);
}
