#include "protocols/amqp/consumer.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "core/cluster_queue.h"
#include "protocols/amqp/consume_arguments.h"
#include "protocols/amqp/declare.h"
#include "protocols/amqp/direct_reply.h"
#include "protocols/amqp/encode.h"

#include <stdlib.h>

#define RETIRED_SWEEP_MIN 16u
#define REFUSAL_BYTES_MAX 512u
#define DELIVERIES_AHEAD 4u /* messages fetched into the cache before their turn */

enum consume_bits {
    CONSUME_NO_LOCAL = 1 << 0, /* ignored, as RabbitMQ does */
    CONSUME_NO_ACK = 1 << 1,
    CONSUME_EXCLUSIVE = 1 << 2,
    CONSUME_NO_WAIT = 1 << 3,
};

struct amqp_consuming { /* one block with its texts behind it */
    struct sl_bytes queue;
    struct sl_bytes tag;
    struct amqp_consume_arguments arguments;
    uint8_t bits;
};

static void deliver(struct amqp_connection *c, struct subscription *sub, const struct delivery *d);
static struct sl_bytes make_tag(struct sl_bytes given, char room[]);
static void declare_first(struct amqp_channel *ch, struct sl_bytes queue, struct sl_bytes tag,
                          uint8_t bits, const struct amqp_consume_arguments *arguments);
static void subscribe(struct amqp_channel *ch, struct sl_bytes queue, struct sl_bytes tag,
                      uint8_t bits, const struct amqp_consume_arguments *arguments);
static void share_loans(struct amqp_channel *ch);
static struct amqp_consumer *consumer_new(struct amqp_channel *ch, struct sl_bytes tag);
static void retire(struct amqp_consumer *consumer);
static void sweep(struct amqp_channel *ch);
static void end_all(struct amqp_channel *ch, bool is_core_to_know);
static void end(struct amqp_consumer *consumer, bool is_core_to_know);

void amqp_consumer_on_deliveries(struct amqp_connection *c, const struct delivery *items,
                                 uint32_t count)
{
    struct subscription *sub = NULL;

    for (uint32_t i = 0; i < count; i++) {
        if (i + DELIVERIES_AHEAD < count)
            __builtin_prefetch(items[i + DELIVERIES_AHEAD].msg);
        if (sub == NULL || sub->cookie != items[i].cookie) /* mostly they are for one consumer */
            sub = client_subscription(amqp_client(c), items[i].cookie);
        if (sub != NULL) /* else its channel closed meanwhile; the loan went back then */
            deliver(c, sub, &items[i]);
    }
    counter_add(&amqp_client(c)->worker->counters.delivered, count);
    session_touch(&c->session);
}

/* Open loans stay the channel's, so that its late acknowledgements are no error. */
void amqp_consumer_on_cancelled(struct amqp_connection *c, uint32_t cookie)
{
    struct subscription *sub = client_subscription(amqp_client(c), cookie);
    struct amqp_consumer *consumer = sub == NULL ? NULL : sub->context;

    if (consumer == NULL || consumer->is_retired)
        return;
    struct amqp_channel *ch = consumer->channel;
    if (c->can_cancel_notify && consumer != ch->pending) {
        struct sl_bytes tag = amqp_consumer_tag(consumer);
        struct amqp_writing writing =
            amqp_method_begin(c, ch->number, AMQP_BASIC_CANCEL, 1 + tag.len + 1);
        sl_write_short_string(&writing.w, tag);
        sl_write_u8(&writing.w, 1); /* no-wait */
        amqp_method_end(c, &writing);
    }
    retire(consumer);
}

/* A getter's context is its channel.  One that waits for an answer is told of again. */
void amqp_consumer_on_overdue(struct amqp_connection *c, const struct overdue_mail *mail)
{
    const struct subscription *sub = client_overdue(amqp_client(c), mail);

    if (sub == NULL || c->phase != AMQP_PHASE_OPEN)
        return;
    struct amqp_channel *ch = sub->is_getter ? sub->context
                                             : ((struct amqp_consumer *)sub->context)->channel;
    if (ch->state != AMQP_CHANNEL_IS_OPEN || ch->waiting != NULL)
        return;
    c->method = 0;
    amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED,
                      "delivery acknowledgement on channel %u timed out. Timeout value used: %llu "
                      "ms. This timeout value can be configured, see consumers doc guide to learn "
                      "more",
                      ch->number, (unsigned long long)mail->timeout_ms);
}

void amqp_basic_consume(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;
    struct cluster_name cluster;
    struct amqp_consume_arguments wanted;
    char room[32];
    char words[REFUSAL_BYTES_MAX];
    struct text reason = text_on(words, sizeof words);

    sl_read_u16(r);
    struct sl_bytes queue = sl_read_short_string(r);
    struct sl_bytes given = sl_read_short_string(r);
    uint8_t bits = sl_read_u8(r);
    struct sl_bytes arguments = amqp_read_table(r);
    if (!amqp_arguments_end(c, r) || !amqp_queue_name(ch, &queue))
        return;
    if (hash_map_get(&ch->consumers, given) != NULL) {
        amqp_connection_fail(c, AMQP_NOT_ALLOWED, "attempt to reuse consumer tag '%s'",
                             amqp_printable(c, given));
        return;
    }
    if (direct_reply_is(queue) && !amqp_direct_reply_check(ch, (bits & CONSUME_NO_ACK) != 0))
        return;
    if (!amqp_consume_arguments(ch, queue, arguments, &wanted))
        return;
    switch (cluster_queue_of_subscription(amqp_client(c), queue, &cluster, &reason)) {
    case SL_OK: declare_first(ch, cluster.own, make_tag(given, room), bits, &wanted); return;
    case SL_ENOENT: subscribe(ch, queue, make_tag(given, room), bits, &wanted); return;
    default: amqp_channel_refuse(ch, SL_EPRECOND, words);
    }
}

void amqp_basic_consume_done(struct amqp_channel *ch, struct answer *a)
{
    struct amqp_consumer *consumer = ch->pending;
    struct amqp_consuming *consuming = ch->consuming;

    ch->consuming = NULL;
    if (consuming != NULL) { /* its cluster queue is there */
        subscribe(ch, consuming->queue, consuming->tag, consuming->bits, &consuming->arguments);
        free(consuming);
        return;
    }
    ch->pending = NULL;
    subscription_begin(consumer->subscription, a);
    if (!ch->is_no_wait)
        amqp_send_name(ch->connection, ch->number, AMQP_BASIC_CONSUME_OK,
                       amqp_consumer_tag(consumer));
}

void amqp_basic_cancel(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;
    struct sl_bytes tag = sl_read_short_string(r);
    bool is_no_wait = (sl_read_u8(r) & 1) != 0;

    if (!amqp_arguments_end(c, r))
        return;
    struct amqp_consumer *consumer = hash_map_get(&ch->consumers, tag);
    if (consumer != NULL) {
        ch->pending = consumer;
        broker_cancel(amqp_client(c), amqp_channel_wait(ch, is_no_wait), consumer->subscription);
    } else if (!is_no_wait) {
        amqp_send_name(c, ch->number, AMQP_BASIC_CANCEL_OK, tag);
    }
}

void amqp_basic_cancel_done(struct amqp_channel *ch, struct answer *a)
{
    struct amqp_consumer *consumer = ch->pending;

    (void)a;
    if (!ch->is_no_wait)
        amqp_send_name(ch->connection, ch->number, AMQP_BASIC_CANCEL_OK,
                       amqp_consumer_tag(consumer));
    if (!consumer->is_retired)
        retire(consumer);
    ch->pending = NULL;
    sweep(ch);
}

void amqp_consumer_on_refused(struct amqp_channel *ch)
{
    struct amqp_consumer *consumer = ch->pending;

    ch->pending = NULL;
    free(ch->consuming);
    ch->consuming = NULL;
    if (consumer == NULL || ch->connection->method != AMQP_BASIC_CONSUME)
        return;
    hash_map_remove(&ch->consumers, amqp_consumer_tag(consumer));
    subscription_free(consumer->subscription);
    free(consumer);
}

void amqp_consumer_join_all(struct amqp_channel *ch)
{
    struct amqp_consumer *consumer;
    size_t cursor = 0;

    while ((consumer = hash_map_next(&ch->consumers, &cursor)) != NULL)
        broker_join_group(amqp_client(ch->connection), consumer->subscription, ch->group);
    for (struct list *at = ch->retired.next; at != &ch->retired; at = at->next) {
        consumer = LIST_OF(at, struct amqp_consumer, of_retired); /* its loans count too */
        broker_join_group(amqp_client(ch->connection), consumer->subscription, ch->group);
    }
}

void amqp_consumer_drop_all(struct amqp_channel *ch)
{
    end_all(ch, true);
}

void amqp_consumer_free_all(struct amqp_channel *ch)
{
    end_all(ch, false);
}

static void deliver(struct amqp_connection *c, struct subscription *sub, const struct delivery *d)
{
    struct amqp_consumer *consumer = sub->context;
    struct amqp_channel *ch = consumer->channel;
    sl_tag tag = sub->is_no_ack ? settlement_skip(&ch->settlement)
                                : settlement_add(&ch->settlement, sub, sub->next_loan++, d->seq);
    amqp_send_deliver(c, (struct sl_bytes){consumer->head, consumer->head_len}, tag,
                      d->is_redelivered, d->msg, d->returns);
}

/* room: 32 characters, for a tag that we have to think of. */
static struct sl_bytes make_tag(struct sl_bytes given, char room[])
{
    static const char PREFIX[] = "amq.ctag-";

    if (given.len != 0)
        return given;
    memcpy(room, PREFIX, sizeof PREFIX - 1);
    sl_random_name(room + sizeof PREFIX - 1);
    return sl_bytes_of(room);
}

/* A subscription makes its cluster queue, or the binding of it that is missing. */
static void declare_first(struct amqp_channel *ch, struct sl_bytes queue, struct sl_bytes tag,
                          uint8_t bits, const struct amqp_consume_arguments *arguments)
{
    const struct queue_declaration d = {.name = queue, .is_cluster = true};
    struct amqp_consuming *consuming = malloc(sizeof *consuming + queue.len + tag.len);

    SL_ASSERT(consuming != NULL);
    uint8_t *texts = (uint8_t *)(consuming + 1);
    memcpy(texts, queue.at, queue.len);
    memcpy(texts + queue.len, tag.at, tag.len);
    *consuming = (struct amqp_consuming){
        .queue = {texts, queue.len},
        .tag = {texts + queue.len, tag.len},
        .arguments = *arguments,
        .bits = bits,
    };
    ch->consuming = consuming;
    broker_declare_queue(amqp_client(ch->connection),
                         amqp_channel_wait(ch, (bits & CONSUME_NO_WAIT) != 0), &d, "");
}

static void subscribe(struct amqp_channel *ch, struct sl_bytes queue, struct sl_bytes tag,
                      uint8_t bits, const struct amqp_consume_arguments *arguments)
{
    struct amqp_connection *c = ch->connection;
    if (ch->prefetch == 0 && (bits & CONSUME_NO_ACK) == 0)
        share_loans(ch);
    struct amqp_consumer *consumer = consumer_new(ch, tag);
    struct subscribe_options options = {
        .queue = queue,
        .is_no_ack = (bits & CONSUME_NO_ACK) != 0,
        .is_exclusive = (bits & CONSUME_EXCLUSIVE) != 0,
        .prefetch = ch->prefetch,
        .group = ch->group,
        .priority = arguments->priority,
        .timeout_ms = arguments->has_timeout ? &arguments->timeout_ms : NULL,
        .context = consumer,
    };
    uint64_t ticket = amqp_channel_wait(ch, (bits & CONSUME_NO_WAIT) != 0);

    consumer->subscription = direct_reply_is(queue)
                                 ? amqp_direct_reply_consume(ch, ticket, consumer)
                                 : broker_subscribe(amqp_client(c), ticket, &options);
    if (consumer->subscription == NULL ||
        hash_map_put(&ch->consumers, amqp_consumer_tag(consumer), consumer) != SL_OK) {
        free(consumer);
        ch->waiting = NULL;
        amqp_connection_fail(c, AMQP_NOT_ALLOWED, "reached maximum (%u) of consumers per channel",
                             SL_CONSUMERS_PER_SESSION_MAX);
        return;
    }
    ch->pending = consumer;
}

/* A channel's only consumer is held by its own limit, and pays for no other. */
static void share_loans(struct amqp_channel *ch)
{
    if (ch->group != NULL || (ch->consumers.count == 0 && ch->retired_count == 0))
        return;
    ch->group = credit_group_new(SL_LOANS_PER_CHANNEL_MAX);
    amqp_consumer_join_all(ch);
}

static struct amqp_consumer *consumer_new(struct amqp_channel *ch, struct sl_bytes tag)
{
    uint8_t head[AMQP_DELIVER_HEAD_BYTES_MAX];
    size_t head_len = amqp_encode_deliver_head(head, ch->number, tag);
    struct amqp_consumer *consumer = malloc(sizeof *consumer + head_len);

    SL_ASSERT(consumer != NULL);
    *consumer = (struct amqp_consumer){
        .channel = ch,
        .tag_len = (uint8_t)tag.len,
        .head_len = (uint16_t)head_len,
    };
    list_init(&consumer->of_retired);
    memcpy(consumer->head, head, head_len);
    return consumer;
}

/* Its tag is free again at once; the rest of it when no loan needs it. */
static void retire(struct amqp_consumer *consumer)
{
    struct amqp_channel *ch = consumer->channel;

    hash_map_remove(&ch->consumers, amqp_consumer_tag(consumer));
    amqp_direct_reply_end(ch, consumer);
    consumer->is_retired = true;
    list_push(&ch->retired, &consumer->of_retired);
    ch->retired_count++;
    sweep(ch);
}

/* Frees retired consumers without loans.  Looks through them only when they have doubled since
 * the last time, so a channel that consumes and cancels for ever pays little for each. */
static void sweep(struct amqp_channel *ch)
{
    if (ch->retired_count < ch->retired_sweep)
        return;
    for (struct list *at = ch->retired.next, *next; at != &ch->retired; at = next) {
        struct amqp_consumer *consumer = LIST_OF(at, struct amqp_consumer, of_retired);
        next = at->next;
        if (consumer->subscription->open != 0 || consumer == ch->pending)
            continue;
        list_remove(at);
        ch->retired_count--;
        subscription_free(consumer->subscription);
        free(consumer);
    }
    ch->retired_sweep = ch->retired_count * 2;
    if (ch->retired_sweep < RETIRED_SWEEP_MIN)
        ch->retired_sweep = RETIRED_SWEEP_MIN;
}

static void end_all(struct amqp_channel *ch, bool is_core_to_know)
{
    struct amqp_consumer *consumer;
    struct list *retired;
    size_t cursor = 0;

    while ((consumer = hash_map_next(&ch->consumers, &cursor)) != NULL)
        end(consumer, is_core_to_know); /* the map is not asked for a key again */
    hash_map_deinit(&ch->consumers);
    while ((retired = list_pop(&ch->retired)) != NULL)
        end(LIST_OF(retired, struct amqp_consumer, of_retired), is_core_to_know);
    ch->retired_count = 0;
    ch->pending = NULL;
    free(ch->consuming);
    ch->consuming = NULL;
    amqp_direct_reply_free(ch);
}

static void end(struct amqp_consumer *consumer, bool is_core_to_know)
{
    if (is_core_to_know)
        broker_drop(amqp_client(consumer->channel->connection), consumer->subscription);
    free(consumer);
}
