#include "tests/support/table_top.h"

#include "core/base/assert.h"
#include "core/fetch.h"
#include "core/properties.h"
#include "core/shard.h"

#include <stdlib.h>

#define SEGMENT_BYTES (1024u * 1024)

static bool step(struct table *t, uint32_t worker);
static uint64_t tell_time(void *table);
static void free_sitters(struct table *t);
static void take_mail(struct table *t, uint32_t worker);
static void take_one(struct sitter *s, struct mail *mail);
static void take_deliveries(struct sitter *s, const struct delivery_mail *mail);
static struct sitter *find(struct table *t, struct sl_handle handle);

static void wake_nobody(void *context, uint32_t worker)
{
    (void)context, (void)worker; /* everybody is stepped by hand */
}

static void announce(void *table)
{
    struct table *t = table;

    if (t->broker != NULL)
        broker_on_durable(t->broker);
}

void table_init(struct table *t, uint32_t workers, uint64_t memory_budget)
{
    struct broker_options options = {.workers = workers,
                                     .memory_budget_bytes = memory_budget,
                                     .clock = &t->clock,
                                     .wake = wake_nobody};
    *t = (struct table){.workers = workers, .clock = {tell_time, tell_time, t}, .now_ms = 1000000};
    t->broker = broker_new(&options);
    SL_ASSERT(t->broker != NULL);
}

void table_init_on(struct table *t, uint32_t workers, uint64_t memory_budget,
                   struct faulty_disk *disk)
{
    struct log_findings findings;

    table_init(t, workers, memory_budget);
    t->disk = disk;
    struct log_options options = {.files = faulty_disk_ops(disk),
                                  .segment_bytes = SEGMENT_BYTES,
                                  .announce = announce,
                                  .announce_context = t};
    struct log_visitor visitor = broker_recovery_begin(t->broker);
    SL_ASSERT(commit_log_open(&options, &visitor, &findings, &t->log) == SL_OK);
    SL_ASSERT(broker_recovery_end(t->broker, t->log, findings.time) == SL_OK);
    table_flush(t);
}

void table_deinit(struct table *t)
{
    for (uint32_t i = 0; i < t->sitters_count; i++)
        table_leave(t, t->sitters[i]);
    table_settle(t);
    if (t->log != NULL) {
        broker_on_stopped(t->broker);
        commit_log_close(t->log);
    }
    free_sitters(t);
    broker_free(t->broker);
    broker_thread_end();
}

void table_drop(struct table *t)
{
    for (uint32_t i = 0; i < t->sitters_count; i++)
        table_leave(t, t->sitters[i]);
    free_sitters(t);
    if (t->log != NULL)
        faulty_disk_fail_always(t->disk, FAULTY_ANY, SL_EIO);
    broker_free(t->broker);
    t->broker = NULL;
    if (t->log != NULL) {
        commit_log_close(t->log);
        faulty_disk_fail_always(t->disk, FAULTY_ANY, SL_OK);
    }
    broker_thread_end();
}

struct sitter *table_sit(struct table *t, uint32_t worker)
{
    struct sitter *s = calloc(1, sizeof *s);
    struct sl_handle handle = {t->sitters_count, 1, worker};

    SL_ASSERT(s != NULL && t->sitters_count < TABLE_SITTERS_MAX);
    t->sitters[t->sitters_count++] = s;
    broker_client_init(&s->client, broker_worker_at(t->broker, worker), handle);
    SL_ASSERT(broker_open_vhost(&s->client, sl_bytes_of("/")) == SL_OK);
    settlement_init(&s->settlement);
    return s;
}

void table_leave(struct table *t, struct sitter *s)
{
    (void)t;
    broker_client_close(&s->client);
    settlement_deinit(&s->settlement);
}

void table_step(struct table *t, uint32_t worker)
{
    (void)step(t, worker);
}

static bool step(struct table *t, uint32_t worker)
{
    struct broker_worker *w = broker_worker_at(t->broker, worker);
    struct waiting_publisher confirmed;

    broker_worker_refresh(w);
    broker_worker_hand_over(w);
    bool more = broker_worker_run_shard(w);
    take_mail(t, worker);
    while (broker_worker_next_confirm(w, &confirmed)) {
        struct sitter *s = find(t, confirmed.session);
        if (s != NULL)
            s->confirmed = confirmed.tag;
    }
    broker_worker_balance(w);
    return more;
}

void table_settle(struct table *t)
{
    bool moved = true;

    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < t->workers; i++)
            moved |= step(t, i);
        if (broker_fetch(t->broker) != NULL && !t->is_fetch_held)
            moved |= fetch_run(broker_fetch(t->broker));
        for (uint32_t i = 0; i < t->workers; i++) /* one may have written to one before it */
            moved |= broker_worker_has_work(broker_worker_at(t->broker, i));
    }
}

void table_flush(struct table *t)
{
    SL_ASSERT(commit_log_flush(t->log) == SL_OK);
    table_settle(t);
}

void table_wait(struct table *t, uint64_t ms)
{
    t->now_ms += ms;
    table_settle(t);
}

enum sl_err table_declare(struct table *t, struct sitter *s, const char *queue)
{
    return table_declare_with(t, s, queue, (struct sl_bytes){NULL, 0});
}

enum sl_err table_declare_with(struct table *t, struct sitter *s, const char *queue,
                               struct sl_bytes arguments)
{
    struct queue_declaration d = {.name = sl_bytes_of(queue), .arguments = arguments};

    broker_declare_queue(&s->client, 1, &d, "amq.gen-");
    table_settle(t);
    return s->last->err;
}

enum sl_err table_bind(struct table *t, struct sitter *s, const char *queue, const char *exchange,
                       const char *key)
{
    struct binding_request r = {.source = sl_bytes_of(exchange),
                                .destination = sl_bytes_of(queue),
                                .key = sl_bytes_of(key)};

    broker_bind(&s->client, 2, &r);
    table_settle(t);
    return s->last->err;
}

struct subscription *table_consume(struct table *t, struct sitter *s, const char *queue,
                                   uint32_t prefetch, bool no_ack)
{
    struct subscribe_options o = {
        .queue = sl_bytes_of(queue), .prefetch = prefetch, .is_no_ack = no_ack};
    struct subscription *sub = broker_subscribe(&s->client, 3, &o);

    SL_ASSERT(sub != NULL);
    table_settle(t);
    return sub;
}

int64_t table_ready(struct table *t, struct sitter *s, const char *queue)
{
    struct queue_declaration d = {.name = sl_bytes_of(queue), .is_passive = true};

    broker_declare_queue(&s->client, 1, &d, "amq.gen-");
    table_settle(t);
    return s->last->err == SL_OK ? (int64_t)s->last->messages : -1;
}

void table_publish(struct sitter *s, const char *exchange, const char *key, uint64_t body)
{
    table_publish_with(s, exchange, key, properties_none, body);
}

void table_publish_persistent(struct sitter *s, const char *exchange, const char *key,
                              uint64_t body)
{
    static const uint8_t PERSISTENT[] = {PROPERTY_DELIVERY_MODE >> 8, 0, 2};

    table_publish_with(s, exchange, key, (struct sl_bytes){PERSISTENT, sizeof PERSISTENT}, body);
}

void table_publish_with(struct sitter *s, const char *exchange, const char *key,
                        struct sl_bytes properties, uint64_t body)
{
    struct routed what = {
        .exchange = sl_bytes_of(exchange), .key = sl_bytes_of(key), .properties = properties};
    const struct route *route;

    broker_worker_refresh(s->client.worker);
    if ((known_headers_marks(properties) & MARK_COPIES) != 0)
        what.copies = properties;
    SL_ASSERT(broker_route(&s->client, &what, &route) == SL_OK);
    struct message *msg = message_new_routed(route->encoded, properties, sizeof body);
    struct sl_bytes bytes = {(const uint8_t *)&body, sizeof body};
    SL_ASSERT(msg != NULL && message_append(&msg, bytes) == SL_OK);
    broker_publish(&s->client, route, msg);
}

static void free_sitters(struct table *t)
{
    for (uint32_t i = 0; i < t->sitters_count; i++) {
        if (t->sitters[i]->last != NULL)
            mail_free(&t->sitters[i]->last->mail);
        free(t->sitters[i]);
    }
}

static uint64_t tell_time(void *table)
{
    return ((struct table *)table)->now_ms;
}

static void take_mail(struct table *t, uint32_t worker)
{
    struct mail_chain chain = broker_worker_take_mail(broker_worker_at(t->broker, worker));

    while (chain.first != NULL) {
        struct mail *mail = (struct mail *)chain.first;
        chain.first = mail->node.next;
        struct sitter *s = find(t, mail->to);
        if (s == NULL)
            mail_free(mail);
        else
            take_one(s, mail);
    }
}

static void take_one(struct sitter *s, struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_EVICTION:
    case MAIL_INSPECT: break; /* no test asks a session */
    case MAIL_DELIVERIES: take_deliveries(s, (struct delivery_mail *)mail); break;
    case MAIL_CANCELLED: s->cancelled++; break;
    case MAIL_OVERDUE: s->overdue++; break;
    case MAIL_ANSWER: {
        struct answer *a = (struct answer *)mail;
        struct subscription *pending = NULL;
        uint32_t cursor = 0;
        while (a->consumer.at.generation != 0 && a->msg == NULL &&
               (pending = slot_table_next(&s->client.subscriptions, &cursor)) != NULL)
            if (pending->consumer.at.generation == 0)
                subscription_begin(pending, a);
        if (s->last != NULL)
            mail_free(&s->last->mail);
        s->last = a;
        s->answers++;
        return; /* kept */
    }
    }
    mail_free(mail);
}

static void take_deliveries(struct sitter *s, const struct delivery_mail *mail)
{
    for (uint32_t i = 0; i < mail->count; i++) {
        const struct delivery *d = &mail->items[i];
        struct subscription *sub = client_subscription(&s->client, d->cookie);
        s->cost += message_cost(d->msg);
        if (sub == NULL)
            continue;
        struct told *told = &s->told[s->told_count++];
        SL_ASSERT(s->told_count < TABLE_DELIVERIES_MAX);
        memcpy(&told->body, message_body(d->msg).at, sizeof told->body);
        told->cookie = d->cookie;
        told->returns = d->returns;
        s->redelivered += d->is_redelivered;
        told->is_redelivered = d->is_redelivered;
        told->tag = sub->is_no_ack ? settlement_skip(&s->settlement)
                                   : settlement_add(&s->settlement, sub, sub->next_loan++, d->seq);
    }
}

static struct sitter *find(struct table *t, struct sl_handle handle)
{
    if (handle.slot >= t->sitters_count || t->sitters[handle.slot]->client.is_closed)
        return NULL;
    return t->sitters[handle.slot];
}

struct queue *table_queue(struct table *t)
{
    const struct shard *s = broker_worker_at(t->broker, 0)->shard;

    for (uint32_t i = 0; i < s->queues_room; i++)
        if (s->queues[i] != NULL)
            return s->queues[i];
    return NULL;
}
