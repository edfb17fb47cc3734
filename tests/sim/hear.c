/* hear.c - what an actor is told: answers, deliveries, confirms. */
#include "tests/sim/actor.h"

#include "core/base/assert.h"

#include <stdlib.h>
#include <string.h>

struct leftovers { /* of a purge */
    struct model *model;
    bool is_unknown; /* something is there, but what? */
};

static bool has_refused(struct actor *a, uint64_t tag);
static void hear_done(struct actor *a, const struct actor_deed *deed);
static void hear_declared(struct actor *a, const struct question *q, bool is_done);
static void hear_deleted(struct actor *a, const struct question *q, bool is_done);
static void hear_exchange(struct actor *a, const struct question *q, bool is_done);
static void hear_binding(struct actor *a, const struct question *q, bool is_done);
static void hear_purged(struct actor *a, const struct question *q, bool is_done);
static void note_left(void *context, const struct world_entry *entry);
static void hear_subscribed(struct actor *a, const struct question *q, const struct answer *answer);
static void hear_cancel_done(struct actor *a, const struct question *q);
static void hear_got(struct actor *a, const struct question *q, const struct answer *answer);
static void forget_bindings(struct model *m, uint32_t destination);
static void add_loan(struct actor *a, struct subscription *s, uint64_t tag, uint32_t message,
                     uint32_t queue);

void hear_answer(struct actor *a, const struct answer *answer)
{
    uint32_t i = 0;
    bool is_done = answer->err == SL_OK;

    while (i < a->questions_count && a->questions[i].ticket != answer->ticket)
        i++;
    if (i == a->questions_count)
        sim_fail(a->cast->model, "session %u hears an answer to nothing", a->session);
    struct question q = a->questions[i];
    for (uint32_t n = i + 1; n < a->questions_count; n++)
        a->questions[n - 1] = a->questions[n];
    a->questions_count--;
    a->cast->model->totals->answers++;

    sim_tell(a->cast->model, "session %u hears %llu: %s %s", a->session,
             (unsigned long long)q.ticket, is_done ? "done" : "refused",
             answer->reason == NULL ? "" : answer->reason);
    switch (q.kind) {
    case ASK_DECLARE_QUEUE: hear_declared(a, &q, is_done); break;
    case ASK_DELETE_QUEUE: hear_deleted(a, &q, is_done); break;
    case ASK_PURGE: hear_purged(a, &q, is_done); break;
    case ASK_DECLARE_EXCHANGE:
    case ASK_DELETE_EXCHANGE: hear_exchange(a, &q, is_done); break;
    case ASK_BIND:
    case ASK_UNBIND: hear_binding(a, &q, is_done); break;
    case ASK_SUBSCRIBE: hear_subscribed(a, &q, answer); break;
    case ASK_CANCEL: hear_cancel_done(a, &q); break;
    case ASK_GET: hear_got(a, &q, answer); break;
    case ASK_SET:
    case ASK_CLEAR:
        name_answer(&a->cast->model->operated[q.queue], is_done,
                    q.kind == ASK_SET ? PRESENT : ABSENT);
        break;
    case ASK_DECLARE_PAID:
    case ASK_PREPARE:
    case ASK_OUTCOME:
    case ASK_PURGE_CHECKS: hear_of_prepared(a, &q, answer); break;
    case ASK_DECLARE_LATER:
    case ASK_DECLARE_CAME:
    case ASK_BIND_LATER:
    case ASK_DELETE_LATER: hear_of_delayed(a, &q, answer); break;
    }
}

void hear_deliveries(struct actor *a, const struct delivery_mail *mail)
{
    for (uint32_t i = 0; i < mail->count; i++) {
        const struct delivery *d = &mail->items[i];
        struct subscription *s = client_subscription(&a->client, d->cookie);
        a->cost += message_cost(d->msg);
        if (s == NULL)
            continue; /* dropped meanwhile */
        struct part *part = s->context;
        struct sim_delivery delivery = {a->session,        part->queue, s->queue_number,
                                        s->consumer.shard, d->returns,  d->is_redelivered,
                                        s->is_no_ack,      s->cookie,   part->newest};
        uint32_t message = model_deliver(a->cast->model, &delivery, message_body(d->msg));
        if (s->is_no_ack)
            settlement_skip(&a->settlement);
        else {
            sl_tag tag = settlement_add(&a->settlement, s, s->next_loan++, d->seq);
            add_loan(a, s, tag.v, message, part->queue);
        }
    }
}

void hear_cancelled(struct actor *a, const struct cancelled_mail *mail)
{
    struct subscription *s = client_subscription(&a->client, mail->cookie);

    if (s == NULL)
        return;
    ((struct part *)s->context)->is_over = true;
    actor_sweep(a);
}

void hear_confirm(struct actor *a, uint64_t tag, bool is_refused)
{
    struct model *m = a->cast->model;
    uint32_t to = 0;

    if (tag <= a->confirmed || tag > a->asked)
        sim_fail(m, "session %u is told of its %llu out of turn", a->session,
                 (unsigned long long)tag);
    if (is_refused != has_refused(a, tag))
        sim_fail(m, "session %u is told that its %llu was %s", a->session, (unsigned long long)tag,
                 is_refused ? "refused" : "taken, or something before it");
    sim_tell(m, "session %u is told of %llu", a->session, (unsigned long long)tag);
    a->confirmed = tag;
    m->totals->confirmed++;
    for (uint32_t i = 0; i < a->deeds_count; i++) {
        const struct actor_deed *deed = &a->deeds[i];
        if (deed->tag == 0 || deed->tag > tag)
            a->deeds[to++] = *deed;
        else
            hear_done(a, deed);
    }
    a->deeds_count = to;
}

/* Up to the tag; and forgets it. */
static bool has_refused(struct actor *a, uint64_t tag)
{
    if (a->refused_count == 0 || a->refused[0] > tag)
        return false;
    a->refused_count--;
    memmove(a->refused, a->refused + 1, a->refused_count * sizeof *a->refused);
    return true;
}

static void hear_done(struct actor *a, const struct actor_deed *deed)
{
    struct model *m = a->cast->model;

    switch (deed->kind) {
    case DEED_PUBLISH:
        model_confirm(m, deed->message);
        again_confirmed(a, deed->message);
        break;
    case DEED_SETTLE: model_copy(m, deed->message, deed->queue)->must_be_gone = true; break;
    case DEED_PREPARE:
    case DEED_OUTCOME: prepared_confirmed(m, deed); break;
    case DEED_DELAY: m->delayed[deed->message].is_confirmed = true; break;
    }
}

static void hear_declared(struct actor *a, const struct question *q, bool is_done)
{
    struct sim_queue *queue = &a->cast->model->queues[q->queue];
    const struct sim_own *own = model_own(a->cast->model, q->queue);
    const struct topology_queue *def = world_queue(a->cast->world, SIM_QUEUE_NAMES[q->queue]);

    name_answer(&queue->name, is_done, PRESENT);
    if (is_done && def != NULL)
        queue->number = def->ref.number;
    else if (is_done) { /* auto-delete, and quick */
        queue->name.state = UNKNOWN;
        queue->number = 0;
    }
    if (own != NULL)
        hear_binding(
            a,
            &(struct question){
                .kind = ASK_BIND, .queue = own->exchange, .destination = q->queue, .key = own->key},
            is_done);
}

static void hear_deleted(struct actor *a, const struct question *q, bool is_done)
{
    struct model *m = a->cast->model;

    name_answer(&m->queues[q->queue].name, is_done, ABSENT);
    if (is_done)
        forget_bindings(m, q->queue);
}

static void hear_exchange(struct actor *a, const struct question *q, bool is_done)
{
    struct model *m = a->cast->model;
    bool is_delete = q->kind == ASK_DELETE_EXCHANGE;

    name_answer(&m->exchanges[q->queue].name, is_done, is_delete ? ABSENT : PRESENT);
    if (!is_delete || !is_done)
        return;
    forget_bindings(m, SIM_QUEUES + q->queue);
    for (uint32_t d = 0; d < SIM_DESTINATIONS; d++)
        for (uint32_t k = 0; k < SIM_KEYS; k++)
            m->bindings[q->queue][d][k].name.state = ABSENT;
}

static void hear_binding(struct actor *a, const struct question *q, bool is_done)
{
    struct model *m = a->cast->model;
    struct sim_binding *b = &m->bindings[q->queue][q->destination][q->key];

    name_answer(&b->name, is_done, q->kind == ASK_BIND ? PRESENT : ABSENT);
    m->exchanges[q->queue].binding--;
    if (q->destination >= SIM_QUEUES) {
        m->exchanges[q->destination - SIM_QUEUES].binding--;
        return;
    }
    const struct topology_queue *def = world_queue(a->cast->world, SIM_QUEUE_NAMES[q->destination]);
    m->queues[q->destination].binding--;
    b->number = 0;
    if (def != NULL && !def->is_auto_delete) /* else perhaps not the one that it was about */
        b->number = def->ref.number;
}

/* Gone for certain is what was in the queue before the question and is not there any more, if
 * nobody else can have taken it. */
static void hear_purged(struct actor *a, const struct question *q, bool is_done)
{
    struct model *m = a->cast->model;
    struct sim_queue *queue = &m->queues[q->queue];

    queue->purging--;
    if (!is_done || queue->purging > 0 || (queue->is_auto_delete && queue->was_consumed))
        return; /* or the queue may be another one by now */
    if (queue->purge_lost_in == m->life)
        return; /* that one may have taken it, and is not answered */
    for (uint32_t i = 1; i < m->messages_count; i++) {
        struct sim_copy *c = model_copy(m, i, q->queue);
        if (c != NULL)
            c->is_found = false;
    }
    struct leftovers left = {m, false};
    world_read_queue(a->cast->world, SIM_QUEUE_NAMES[q->queue], note_left, &left);
    if (left.is_unknown)
        return;
    for (uint32_t i = 1; i < m->messages_count; i++) {
        const struct sim_message *msg = model_message(m, i);
        struct sim_copy *c = model_copy(m, i, q->queue);
        if (c == NULL || c->is_dead || c->is_grave)
            continue;
        if (c->is_found)
            c->gone &= (uint8_t)~GONE_PURGED;
        else if (i <= q->newest && msg->again <= q->newest && (c->gone & ~GONE_PURGED) == 0 &&
                 c->holder == 0 &&
                 model_other_end(m, i, c) == NULL && /* else it may have died first */
                 (msg->life < m->life || msg->worker == a->client.worker->index))
            c->is_settled = c->must_be_gone = true;
    }
}

static void note_left(void *context, const struct world_entry *entry)
{
    struct leftovers *left = context;

    if (entry->entry.msg == NULL) {
        left->is_unknown = true;
        return;
    }
    uint32_t number = model_read_body(left->model, message_body(entry->entry.msg));
    struct sim_message *msg = model_message(left->model, number);
    for (uint32_t i = 0; i < msg->copies_count; i++) /* of other queues, too: no harm */
        msg->copies[i].is_found = true;
}

static void hear_subscribed(struct actor *a, const struct question *q, const struct answer *answer)
{
    struct subscription *s = client_subscription(&a->client, q->cookie);

    SL_ASSERT(s != NULL);
    if (answer->err == SL_OK) {
        subscription_begin(s, answer);
        return;
    }
    free(s->context);
    subscription_free(s);
}

static void hear_cancel_done(struct actor *a, const struct question *q)
{
    struct subscription *s = client_subscription(&a->client, q->cookie);

    SL_ASSERT(s != NULL);
    struct part *part = s->context;
    part->is_cancelling = false;
    part->is_over = true;
    actor_sweep(a);
}

static void hear_got(struct actor *a, const struct question *q, const struct answer *answer)
{
    if (answer->msg == NULL)
        return;
    bool is_no_ack = answer->consumer.at.generation == 0;
    struct sim_delivery d = {a->session,
                             q->queue,
                             answer->queue_number,
                             topology_shard(broker_topology(a->cast->world->broker),
                                            a->client.vhost,
                                            sl_bytes_of(SIM_QUEUE_NAMES[q->queue])),
                             answer->returns,
                             answer->is_redelivered,
                             is_no_ack,
                             SIM_GETTER,
                             NULL};
    uint32_t message = model_deliver(a->cast->model, &d, message_body(answer->msg));
    if (is_no_ack) {
        settlement_skip(&a->settlement);
        return;
    }
    struct subscription *getter = broker_getter(&a->client, answer);
    SL_ASSERT(getter != NULL);
    sl_tag tag = settlement_add(&a->settlement, getter, answer->loan, answer->seq);
    add_loan(a, getter, tag.v, message, q->queue);
}

static void forget_bindings(struct model *m, uint32_t destination)
{
    for (uint32_t x = 0; x < SIM_EXCHANGES; x++)
        for (uint32_t k = 0; k < SIM_KEYS; k++)
            m->bindings[x][destination][k].name.state = ABSENT;
}

static void add_loan(struct actor *a, struct subscription *s, uint64_t tag, uint32_t message,
                     uint32_t queue)
{
    a->loans = sim_grow(a->loans, a->loans_count, &a->loans_room, sizeof *a->loans);
    a->loans[a->loans_count++] = (struct actor_loan){tag, s, message, queue};
}
