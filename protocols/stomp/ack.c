#include "protocols/stomp/ack.h"

#include "core/base/text.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription.h"
#include "protocols/stomp/transaction.h"

struct ack_id { /* <subscription's tag>@@<session>@@<number> */
    struct sl_bytes subscription;
    struct sl_bytes prefix; /* all but the number */
    sl_tag tag;
};

static void settle(struct stomp_session *s, const struct stomp_frame *f,
                   enum settle_verdict verdict);
static bool read_id(struct stomp_session *s, const struct stomp_frame *f, struct ack_id *id);
static void refuse_id(struct stomp_session *s, const struct stomp_frame *f, const char *message,
                      const char *adjective);
static bool split_id(struct sl_bytes text, struct ack_id *id);
static size_t after_last_at(struct sl_bytes text);
static void refuse_unknown(struct stomp_session *s, const struct stomp_frame *f,
                           const struct ack_id *id);

bool stomp_on_ack(struct stomp_session *s, const struct stomp_frame *f)
{
    settle(s, f, SETTLE_CONSUMED);
    return true;
}

bool stomp_on_nack(struct stomp_session *s, const struct stomp_frame *f)
{
    bool is_requeued =
        stomp_bool(&f->headers, "requeue", s->base.env->settings->stomp_default_requeue);

    settle(s, f, is_requeued ? SETTLE_RETURNED : SETTLE_REJECTED);
    return true;
}

static void settle(struct stomp_session *s, const struct stomp_frame *f,
                   enum settle_verdict verdict)
{
    struct stomp_transaction *t = NULL;
    struct ack_id id;

    if (!read_id(s, f, &id))
        return;
    if (stomp_find(&f->headers, "transaction") != NULL && (t = stomp_transaction_of(s, f)) == NULL)
        return;
    struct subscription *core = settlement_find(&s->settlement, id.tag);
    const struct stomp_subscription *sub = core == NULL ? NULL : core->context;
    if (sub == NULL || !sl_bytes_equal(sub->prefix, id.prefix)) {
        refuse_unknown(s, f, &id);
        return;
    }
    bool is_cumulative = sub->ack == STOMP_ACK_CLIENT;
    if (t != NULL) {
        if (stomp_transaction_add_settle(t, id.tag, is_cumulative, verdict))
            stomp_receipts_owe_next(s, f->receipt);
        else
            stomp_transaction_too_large(s, t, f->receipt);
        return;
    }
    enum sl_err err =
        is_cumulative ? settlement_settle_of(&s->settlement, &s->base.client, core, id.tag, verdict)
                      : settlement_settle(&s->settlement, &s->base.client, id.tag, false, verdict);
    if (err == SL_OK)
        stomp_receipts_owe(s, f->receipt);
    else
        refuse_unknown(s, f, &id);
}

/* 1.2 says id, earlier versions say message-id; the values are the same, so either serves. */
static bool read_id(struct stomp_session *s, const struct stomp_frame *f, struct ack_id *id)
{
    struct sl_bytes text = stomp_value(&f->headers, s->version == STOMP_1_2 ? "id" : "message-id");

    if (text.at == NULL)
        text = stomp_value(&f->headers, s->version == STOMP_1_2 ? "message-id" : "id");
    if (text.at == NULL)
        refuse_id(s, f, "Missing header", "the");
    else if (!split_id(text, id))
        refuse_id(s, f, "Invalid header", "a valid");
    else
        return true;
    return false;
}

static void refuse_id(struct stomp_session *s, const struct stomp_frame *f, const char *message,
                      const char *adjective)
{
    char body[64];
    struct text text = text_on(body, sizeof body);

    text_add(&text, "'%s' must include %s '%s' header", stomp_command_name(f->command), adjective,
             s->version == STOMP_1_2 ? "id" : "message-id");
    stomp_refuse(s, f->receipt, message, body);
}

/* Read from its end: a subscription's tag may have an @ of its own, what follows it has none. */
static bool split_id(struct sl_bytes text, struct ack_id *id)
{
    size_t number = after_last_at(text);
    size_t session = number < 2 ? 0 : after_last_at((struct sl_bytes){text.at, number - 2});

    if (session < 2)
        return false;
    id->subscription = (struct sl_bytes){text.at, session - 2};
    id->prefix = (struct sl_bytes){text.at, number};
    return stomp_number(sl_bytes_skip(text, number), UINT64_MAX, &id->tag.v);
}

/* 0: there is none. */
static size_t after_last_at(struct sl_bytes text)
{
    const uint8_t *at = text.len == 0 ? NULL : memrchr(text.at, '@', text.len);

    return at == NULL ? 0 : (size_t)(at - text.at) + 1;
}

static void refuse_unknown(struct stomp_session *s, const struct stomp_frame *f,
                           const struct ack_id *id)
{
    char body[64];
    struct text text = text_on(body, sizeof body);

    if (hash_map_get(&s->subscriptions, id->subscription) == NULL) {
        stomp_refuse_about(s, f->receipt, "Subscription not found",
                           "There is no current subscription with tag '", id->subscription, "'");
        return;
    }
    text_add(&text, "unknown delivery tag %llu", (unsigned long long)id->tag.v);
    stomp_refuse(s, f->receipt, "Message not found", body);
}
