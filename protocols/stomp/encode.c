#include "protocols/stomp/encode.h"

#include "core/delivery_count.h"
#include "protocols/stomp/print.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription.h"

/* Both spellings of redelivered, x-delivery-count, ack, line ends, numbers, NUL and LF. */
#define OWN_BYTES_MAX 160u

static bool shape_for(struct stomp_session *s, struct stomp_subscription *sub,
                      const struct message *msg);
static sl_tag number_delivery(struct stomp_session *s, struct subscription *core, sl_seq seq);
static void say_message(struct stomp_session *s, const struct stomp_subscription *sub,
                        struct message *msg, sl_tag tag, bool is_redelivered, uint32_t returns);
static size_t write_body(struct stomp_session *s, uint8_t *at, struct sl_bytes body);

void stomp_on_deliveries(struct stomp_session *s, const struct delivery *items, uint32_t count)
{
    uint64_t said = 0;

    if (s->base.is_ending || s->phase == STOMP_LEAVING)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct delivery *d = &items[i];
        struct subscription *core = client_subscription(&s->base.client, d->cookie);
        struct stomp_subscription *sub = core == NULL ? NULL : core->context;

        if (sub == NULL)
            continue;
        if (!shape_for(s, sub, d->msg))
            return;
        sl_tag tag = number_delivery(s, core, d->seq);
        say_message(s, sub, d->msg, tag, d->is_redelivered, d->returns);
        said++;
    }
    counter_add(&s->base.env->worker->counters.delivered, said);
    session_touch(&s->base);
}

bool stomp_say_browsed(struct stomp_session *s, struct stomp_subscription *sub,
                       const struct browsed *b)
{
    if (!shape_for(s, sub, b->msg))
        return false;
    say_message(s, sub, b->msg, settlement_skip(&s->settlement), b->is_redelivered, b->returns);
    return true;
}

/* False: there is no memory, and the session closes. */
static bool shape_for(struct stomp_session *s, struct stomp_subscription *sub,
                      const struct message *msg)
{
    if (stomp_shape_fits(&sub->shape, msg) ||
        stomp_shape_make(&sub->shape, sub, msg, s->base.env->settings->stomp_topic_exchange) ==
            SL_OK)
        return true;
    session_abort(&s->base);
    return false;
}

static sl_tag number_delivery(struct stomp_session *s, struct subscription *core, sl_seq seq)
{
    if (core->is_no_ack)
        return settlement_skip(&s->settlement);
    return settlement_add(&s->settlement, core, core->next_loan++, seq);
}

static void say_message(struct stomp_session *s, const struct stomp_subscription *sub,
                        struct message *msg, sl_tag tag, bool is_redelivered, uint32_t returns)
{
    struct sl_bytes head = stomp_shape_head(&sub->shape);
    struct sl_bytes tail = stomp_shape_tail(&sub->shape);
    struct sl_bytes body = message_body(msg);
    bool is_copied = body.len <= OUTBOX_COPY_MAX;
    size_t room = head.len + sub->shape.prefix_len + tail.len + OWN_BYTES_MAX;
    uint8_t *start = outbox_reserve(&s->base.out, room + (is_copied ? body.len : 0));
    uint8_t *at = stomp_print(start, head);
    uint8_t *number = at;

    at = stomp_print_number(at, tag.v);
    size_t digits = (size_t)(at - number);
    at = is_redelivered ? stomp_print_literal(at, "\nredelivered:true\n")
                        : stomp_print_literal(at, "\nredelivered:false\n");
    if (s->version == STOMP_1_2 && sub->ack != STOMP_ACK_AUTO) {
        at = stomp_print_literal(at, "ack:");
        at = stomp_print(
            at, (struct sl_bytes){number - sub->shape.prefix_len, sub->shape.prefix_len + digits});
        *at++ = '\n';
    }
    if (returns != 0) { /* before one that a publisher wrote: the first of a name counts */
        at = stomp_print_literal(at, DELIVERY_COUNT_HEADER ":");
        at = stomp_print_number(at, returns);
        *at++ = '\n';
    }
    at = stomp_print(at, tail);
    at = stomp_print_number(at, body.len);
    at = stomp_print_literal(at, "\n\n");
    if (is_copied) {
        at += write_body(s, at, body);
        outbox_commit(&s->base.out, (size_t)(at - start));
        return;
    }
    outbox_commit(&s->base.out, (size_t)(at - start));
    outbox_add_body(&s->base.out, msg, body);
    at = outbox_reserve(&s->base.out, 2);
    outbox_commit(&s->base.out, write_body(s, at, (struct sl_bytes){NULL, 0}));
}

static size_t write_body(struct stomp_session *s, uint8_t *at, struct sl_bytes body)
{
    uint8_t *end = stomp_print(at, body);

    *end++ = 0;
    if (s->base.env->settings->stomp_trailing_lf)
        *end++ = '\n';
    return (size_t)(end - at);
}
