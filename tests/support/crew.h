/*
 * crew.h - real threads, one to each worker, which spin instead of being woken.
 *
 * A member is a client of its worker that publishes numbers from 0 on, and hears those of another.
 *
 * Thread: a member is its own thread's, but for crew_board, crew_sail and crew_leave.
 */
#ifndef SLUICE_TESTS_SUPPORT_CREW_H
#define SLUICE_TESTS_SUPPORT_CREW_H

#include "core/base/assert.h"
#include "core/broker.h"

#include <pthread.h>
#include <sched.h>

#define CREW_BODY_BYTES_MAX 4096u

struct crew_member;
typedef void (*crew_delivery_fn)(struct crew_member *m, sl_tag tag);

struct crew_member {
    pthread_t thread;
    struct broker_worker *worker;
    struct client client;
    struct settlement settlement;
    struct subscription *sub; /* NULL: not yet */
    crew_delivery_fn on_delivery;
    uint32_t index;
    uint64_t published;
    uint64_t confirmed;
    uint64_t got;
    uint64_t cost;
    uint64_t answers;
    bool in_order; /* what came so far */
};

static inline void crew_wake_nobody(void *context, uint32_t worker)
{
    (void)context, (void)worker; /* they spin */
}

static inline void crew_board(struct crew_member *m, struct broker *broker, uint32_t index,
                              crew_delivery_fn on_delivery)
{
    *m = (struct crew_member){.index = index, .in_order = true, .on_delivery = on_delivery};
    m->worker = broker_worker_at(broker, index);
    broker_client_init(&m->client, m->worker, (struct sl_handle){0, 1, index});
    SL_ASSERT(broker_open_vhost(&m->client, sl_bytes_of("/")) == SL_OK);
    settlement_init(&m->settlement);
}

/* Each does its work, which is given its member, to the end. */
static inline void crew_sail(struct crew_member *crew, uint32_t n, void *(*work)(void *member))
{
    for (uint32_t i = 0; i < n; i++)
        SL_ASSERT(pthread_create(&crew[i].thread, NULL, work, &crew[i]) == 0);
    for (uint32_t i = 0; i < n; i++)
        pthread_join(crew[i].thread, NULL);
}

static inline void crew_leave(struct crew_member *m)
{
    settlement_deinit(&m->settlement);
}

static inline void crew_take_delivery(struct crew_member *m, const struct delivery *d)
{
    uint64_t body;

    memcpy(&body, message_body(d->msg).at, sizeof body);
    m->in_order &= body == m->got++;
    m->cost += message_cost(d->msg);
    m->on_delivery(m, settlement_add(&m->settlement, m->sub, m->sub->next_loan++, d->seq));
}

static inline void crew_take_mail(struct crew_member *m)
{
    struct mail_chain chain = broker_worker_take_mail(m->worker);

    while (chain.first != NULL) {
        struct mail *mail = (struct mail *)chain.first;
        chain.first = mail->node.next;
        if (mail->kind == MAIL_ANSWER) {
            const struct answer *a = (struct answer *)mail;
            SL_ASSERT(a->err == SL_OK);
            if (m->sub != NULL)
                subscription_begin(m->sub, a);
            m->answers++;
        } else if (mail->kind == MAIL_DELIVERIES) {
            const struct delivery_mail *d = (struct delivery_mail *)mail;
            for (uint32_t i = 0; i < d->count; i++)
                crew_take_delivery(m, &d->items[i]);
        }
        mail_free(mail);
    }
}

/* Of its worker. */
static inline void crew_turn(struct crew_member *m)
{
    struct waiting_publisher w;

    broker_worker_refresh(m->worker);
    broker_worker_hand_over(m->worker);
    broker_worker_run_shard(m->worker);
    crew_take_mail(m);
    while (broker_worker_next_confirm(m->worker, &w))
        m->confirmed = w.tag.v;
    broker_client_written(&m->client, m->cost);
    broker_worker_balance(m->worker);
    sched_yield();
}

/* The next number, with zeros behind it up to len. */
static inline void crew_publish(struct crew_member *m, const char *queue,
                                struct sl_bytes properties, size_t len)
{
    uint8_t body[CREW_BODY_BYTES_MAX] = {0};
    const struct routed what = {.key = sl_bytes_of(queue)};
    const struct route *route;

    memcpy(body, &m->published, sizeof m->published);
    broker_worker_refresh(m->worker);
    SL_ASSERT(broker_route(&m->client, &what, &route) == SL_OK);
    SL_ASSERT(route->count == 1);
    struct message *msg = message_new_routed(route->encoded, properties, len);
    SL_ASSERT(message_append(&msg, (struct sl_bytes){body, len}) == SL_OK);
    broker_publish(&m->client, route, msg);
    broker_confirm(&m->client, 1, (sl_tag){++m->published});
}

#endif
