/* The real threads: what a worker hands over reaches every other worker once and in order.  Its
 * worth is under ThreadSanitizer. */
#include "core/broker.h"

#include "core/base/assert.h"
#include "core/properties.h"
#include "tests/support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define WORKERS 3u
#define MESSAGES 20000u

struct crew_member {
    pthread_t thread;
    struct broker_worker *worker;
    struct client client;
    struct settlement settlement;
    uint32_t index;
    uint64_t published;
    uint64_t expected; /* next body */
    uint64_t got;
    uint64_t confirmed;
    uint64_t cost;
    bool is_subscribed;
    bool is_declared;
    bool in_order;
};

static atomic_uint ready;
static atomic_uint finished;

static void wake_nobody(void *context, uint32_t worker)
{
    (void)context, (void)worker; /* they spin */
}

static void name_queue(char name[8], uint32_t index)
{
    snprintf(name, 8, "q%u", index);
}

static void take_mail(struct crew_member *m, struct subscription *sub)
{
    struct mail_chain chain = broker_worker_take_mail(m->worker);

    while (chain.first != NULL) {
        struct mail *mail = (struct mail *)chain.first;
        chain.first = mail->node.next;
        if (mail->kind == MAIL_ANSWER) {
            struct answer *a = (struct answer *)mail;
            SL_ASSERT(a->err == SL_OK);
            if (a->ticket == 1)
                m->is_declared = true;
            else {
                sub->consumer = a->consumer;
                m->is_subscribed = true;
            }
        } else if (mail->kind == MAIL_DELIVERIES) {
            struct delivery_mail *d = (struct delivery_mail *)mail;
            for (uint32_t i = 0; i < d->count; i++) {
                uint64_t body;
                memcpy(&body, message_body(d->items[i].msg).at, sizeof body);
                m->in_order &= body == m->expected++;
                m->cost += message_cost(d->items[i].msg);
                m->got++;
                settlement_add(&m->settlement, sub, sub->next_loan++, d->items[i].seq);
            }
        }
        mail_free(mail);
    }
}

static void publish_some(struct crew_member *m, const char *queue)
{
    const struct route *route;

    broker_worker_refresh(m->worker);
    for (int i = 0; i < 100 && m->published < MESSAGES; i++) {
        uint64_t body = m->published++;
        SL_ASSERT(broker_route(&m->client, sl_bytes_of(""), sl_bytes_of(queue),
                               (struct sl_bytes){NULL, 0}, &route) == SL_OK);
        SL_ASSERT(route->count == 1);
        struct message *msg = message_new_routed(route->encoded, properties_none, sizeof body);
        SL_ASSERT(message_append(&msg, (struct sl_bytes){(uint8_t *)&body, sizeof body}) == SL_OK);
        broker_publish(&m->client, route, msg);
        broker_confirm(&m->client, 1, (sl_tag){m->published});
    }
}

static void turn(struct crew_member *m, struct subscription *sub)
{
    struct waiting_publisher w;

    broker_worker_hand_over(m->worker);
    broker_worker_run_shard(m->worker);
    take_mail(m, sub);
    while (broker_worker_next_confirm(m->worker, &w))
        m->confirmed = w.tag.v;
    if (m->settlement.open > 50)
        SL_ASSERT(settlement_settle(&m->settlement, &m->client, (sl_tag){0}, true,
                                    SETTLE_CONSUMED) == SL_OK);
    broker_client_written(&m->client, m->cost);
    broker_worker_balance(m->worker);
    sched_yield();
}

static void *work(void *context)
{
    struct crew_member *m = context;
    char mine[8];
    char theirs[8];

    name_queue(mine, m->index);
    name_queue(theirs, (m->index + 1) % WORKERS);
    struct queue_declaration d = {.name = sl_bytes_of(mine)};
    broker_declare_queue(&m->client, 1, &d, "");
    while (!m->is_declared)
        turn(m, NULL);
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < WORKERS)
        turn(m, NULL);

    struct subscribe_options o = {.queue = sl_bytes_of(theirs), .prefetch = 200};
    struct subscription *sub = broker_subscribe(&m->client, 2, &o);
    while (m->got < MESSAGES || m->confirmed < MESSAGES) {
        publish_some(m, mine);
        turn(m, sub);
    }
    atomic_fetch_add(&finished, 1);
    while (atomic_load(&finished) < WORKERS)
        turn(m, sub);
    broker_client_close(&m->client);
    broker_worker_hand_over(m->worker);
    broker_thread_end();
    return NULL;
}

static void every_worker_hears_everything_once_and_in_order(void)
{
    static struct crew_member crew[WORKERS];
    struct broker_options options = {.workers = WORKERS,
                                     .memory_budget_bytes = 1u << 30,
                                     .clock = &sl_clock_system,
                                     .wake = wake_nobody};
    struct broker *broker = broker_new(&options);

    CU_ASSERT_PTR_NOT_NULL_FATAL(broker);
    for (uint32_t i = 0; i < WORKERS; i++) {
        crew[i] = (struct crew_member){.index = i, .in_order = true};
        crew[i].worker = broker_worker_at(broker, i);
        broker_client_init(&crew[i].client, crew[i].worker, (struct sl_handle){0, 1, i});
        CU_ASSERT_EQUAL(broker_open_vhost(&crew[i].client, sl_bytes_of("/")), SL_OK);
        settlement_init(&crew[i].settlement);
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_create(&crew[i].thread, NULL, work, &crew[i]);
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_join(crew[i].thread, NULL);
    for (uint32_t i = 0; i < WORKERS; i++) {
        CU_ASSERT_EQUAL(crew[i].got, MESSAGES);
        CU_ASSERT_TRUE(crew[i].in_order);
        settlement_deinit(&crew[i].settlement);
    }
    broker_free(broker);
    broker_thread_end();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(every_worker_hears_everything_once_and_in_order),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/threads", tests);
}
