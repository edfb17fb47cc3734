#include "protocols/stomp/operation.h"

#include "core/base/assert.h"
#include "protocols/stomp/browser.h"
#include "protocols/stomp/direct_reply.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription.h"

#include <stdlib.h>

static struct stomp_operation *operation_start(struct stomp_session *s,
                                               const struct stomp_subscribing *what,
                                               enum stomp_step step);
static struct sl_bytes keep(uint8_t **at, struct sl_bytes bytes);
static uint64_t next_ticket(struct stomp_session *s);
static void bind(struct stomp_session *s);
static void consume(struct stomp_session *s);
static void browse(struct stomp_session *s);
static void owe_prepared(struct stomp_session *s, sl_lsn safe_at);
static void refuse(struct stomp_session *s, const struct answer *a);
static void complete(struct stomp_session *s);

void stomp_operation_declare(struct stomp_session *s, struct sl_bytes receipt,
                             const struct queue_declaration *d)
{
    const struct stomp_subscribing what = {.receipt = receipt, .queue = d->name};
    struct stomp_operation *o = operation_start(s, &what, STOMP_STEP_DECLARE_TO_SEND);

    broker_declare_queue(&s->base.client, o->ticket, d, "");
}

void stomp_operation_subscribe(struct stomp_session *s, const struct stomp_subscribing *what)
{
    struct stomp_operation *o = operation_start(s, what, STOMP_STEP_DECLARE_TO_SUBSCRIBE);

    if (what->declaration != NULL)
        broker_declare_queue(&s->base.client, o->ticket, what->declaration, "");
    else
        bind(s);
}

void stomp_operation_delete(struct stomp_session *s, struct sl_bytes receipt, struct sl_bytes queue)
{
    const struct stomp_subscribing what = {.receipt = receipt, .queue = queue};
    struct stomp_operation *o = operation_start(s, &what, STOMP_STEP_DELETE);

    broker_delete_queue(&s->base.client, o->ticket, o->queue, false, false);
}

void stomp_operation_prepared(struct stomp_session *s, struct sl_bytes receipt, struct message *msg)
{
    const struct stomp_subscribing what = {.receipt = receipt};
    struct stomp_operation *o = operation_start(s, &what, STOMP_STEP_PREPARED);

    broker_prepared_step(&s->base.client, o->ticket, msg);
}

void stomp_operation_on_answer(struct stomp_session *s, struct answer *a)
{
    struct stomp_operation *o = s->operation;

    if (o == NULL || o->ticket != a->ticket)
        return;
    if (a->err != SL_OK) {
        refuse(s, a);
        return;
    }
    switch (o->step) {
    case STOMP_STEP_DECLARE_TO_SEND: stomp_send_remember(s, o->queue); break;
    case STOMP_STEP_DECLARE_TO_SUBSCRIBE: bind(s); return;
    case STOMP_STEP_BIND: consume(s); return;
    case STOMP_STEP_CONSUME:
        subscription_begin(o->subscription->core, a);
        stomp_subscription_live(s, o->subscription);
        o->subscription = NULL;
        break;
    case STOMP_STEP_BROWSE:
        stomp_subscription_live(s, o->subscription);
        if (!s->base.is_aborted)
            stomp_browser_begin(s, o->subscription, a);
        o->subscription = NULL;
        break;
    case STOMP_STEP_DELETE: break;
    case STOMP_STEP_PREPARED: owe_prepared(s, a->safe_at); return;
    }
    complete(s);
}

void stomp_operation_drop(struct stomp_session *s)
{
    struct stomp_operation *o = s->operation;

    s->operation = NULL;
    if (o == NULL)
        return;
    if (o->subscription != NULL)
        stomp_subscription_free(o->subscription);
    free(o);
}

/* Small and of our own size but for the receipt, which the decoder bounds: aborts without
 * memory. */
static struct stomp_operation *
operation_start(struct stomp_session *s, const struct stomp_subscribing *what, enum stomp_step step)
{
    size_t texts = what->receipt.len + what->queue.len + what->exchange.len + what->key.len;
    struct stomp_operation *o = malloc(sizeof *o + texts);
    uint8_t *at = (uint8_t *)(o + 1);

    SL_ASSERT(o != NULL && s->operation == NULL);
    *o = (struct stomp_operation){.step = step,
                                  .ticket = next_ticket(s),
                                  .subscription = what->subscription,
                                  .prefetch = what->prefetch,
                                  .priority = what->priority,
                                  .resumes_send = what->resumes_send};
    o->queue = keep(&at, what->queue);
    o->exchange = keep(&at, what->exchange);
    o->key = keep(&at, what->key);
    if (what->receipt.at != NULL)
        o->receipt = keep(&at, what->receipt);
    s->operation = o;
    s->base.is_parked = true;
    return o;
}

static struct sl_bytes keep(uint8_t **at, struct sl_bytes bytes)
{
    struct sl_bytes kept = {*at, bytes.len};

    if (bytes.len != 0)
        memcpy(*at, bytes.at, bytes.len);
    *at += bytes.len;
    return kept;
}

static uint64_t next_ticket(struct stomp_session *s)
{
    return ++s->next_ticket;
}

/* Bound before consumed: when the answer to the SUBSCRIBE goes out, nothing published after it
 * can miss the queue. */
static void bind(struct stomp_session *s)
{
    struct stomp_operation *o = s->operation;
    const struct binding_request request = {
        .source = o->exchange, .destination = o->queue, .key = o->key};

    if (o->exchange.len == 0) {
        consume(s);
        return;
    }
    o->step = STOMP_STEP_BIND;
    o->ticket = next_ticket(s);
    broker_bind(&s->base.client, o->ticket, &request);
}

static void consume(struct stomp_session *s)
{
    struct stomp_operation *o = s->operation;
    const struct subscribe_options options = {
        .queue = o->queue,
        .is_no_ack = o->subscription->ack == STOMP_ACK_AUTO,
        .prefetch = o->prefetch,
        .priority = o->priority,
        .context = o->subscription,
    };

    if (o->subscription->is_browser) {
        browse(s);
        return;
    }
    o->step = STOMP_STEP_CONSUME;
    o->ticket = next_ticket(s);
    o->subscription->core = direct_reply_is(o->queue)
                                ? stomp_direct_reply_consume(s, o->ticket, o->subscription)
                                : broker_subscribe(&s->base.client, o->ticket, &options);
    if (o->subscription->core == NULL) {
        stomp_fail_with(s, o->receipt, SL_EFULL, "too many subscriptions");
        stomp_operation_drop(s);
    }
}

/* What it will see is fixed before the RECEIPT. */
static void browse(struct stomp_session *s)
{
    const struct browse_cursor start = {.has_begun = false};
    struct stomp_operation *o = s->operation;

    o->step = STOMP_STEP_BROWSE;
    o->ticket = next_ticket(s);
    broker_browse(&s->base.client, o->ticket, o->queue, &start);
}

/* It is done; its receipt waits for the disk, and what comes next does not. */
static void owe_prepared(struct stomp_session *s, sl_lsn safe_at)
{
    broker_confirm_after(&s->base.client, safe_at);
    stomp_receipts_owe(s, s->operation->receipt);
    stomp_receipts_ask(s);
    stomp_operation_drop(s);
    session_resume(&s->base);
}

static void refuse(struct stomp_session *s, const struct answer *a)
{
    struct stomp_operation *o = s->operation;

    if (o->step == STOMP_STEP_PREPARED) {
        stomp_refuse_with(s, o->receipt, a->err, a->reason);
        stomp_operation_drop(s);
        session_resume(&s->base);
        return;
    }
    if (o->step == STOMP_STEP_CONSUME && a->err == SL_EDENIED && !a->is_forbidden)
        stomp_fail(s, o->receipt, "Failed to consume", a->reason);
    else
        stomp_fail_with(s, o->receipt, a->err, a->reason);
    if (o->step == STOMP_STEP_CONSUME)
        subscription_free(o->subscription->core);
    stomp_operation_drop(s);
}

/* The frame is answered before anything that follows from it: deliveries come by later mail.
 * A SEND that waited is answered when it has been sent. */
static void complete(struct stomp_session *s)
{
    struct stomp_operation *o = s->operation;

    if (o->step != STOMP_STEP_DECLARE_TO_SEND && !o->resumes_send)
        stomp_receipts_owe_next(s, o->receipt);
    stomp_operation_drop(s);
    session_resume(&s->base);
}
