/* act.c - what an actor does (actor.h). */
#include "core/base/assert.h"
#include "core/properties.h"
#include "core/table.h"
#include "tests/sim/actor.h"

#include <stdio.h>
#include <stdlib.h>

#define ARGUMENTS_BYTES 512u
#define PROPERTIES_BYTES 128u

static struct sl_bytes arguments_of(const struct sim_rules *r, uint8_t room[ARGUMENTS_BYTES]);
static struct sl_bytes properties_of(const struct sim_message *m, uint8_t room[PROPERTIES_BYTES]);
static uint32_t make_message(struct actor *a, bool is_persistent, uint32_t len, uint32_t group);
static void publish(struct actor *a, const struct sending *s, const struct route *route);
static void note_targets(struct actor *a, uint32_t message, const struct route *route);
static void note_refused(struct actor *a, uint32_t message);
static bool ask_own(struct model *m, uint32_t queue, const struct sim_own *own);
static void end_loan(struct actor *a, uint32_t loan, enum settle_verdict verdict, uint32_t group);
static void squeeze_loans(struct actor *a);
static struct binding_request binding_of(uint32_t exchange, uint32_t destination, uint32_t key);

void act_publish(struct actor *a, uint32_t exchange, uint32_t key, bool is_persistent, uint32_t len,
                 uint32_t group)
{
    struct sending s = {exchange, key, 0};
    const struct route *route = act_route(a, &s);

    if (route == NULL)
        return;
    s.message = make_message(a, is_persistent, len, group);
    publish(a, &s, route);
}

void act_publish_to_queue(struct actor *a, uint32_t queue, bool is_persistent, uint32_t len,
                          uint32_t group)
{
    if (!model_has_grave(a->cast->model) || queue != SIM_GRAVE)
        act_publish(a, SIM_EXCHANGES, queue, is_persistent, len, group);
}

void act_publish_as(struct actor *a, const struct sending *s, uint32_t id, uint32_t group)
{
    struct model *m = a->cast->model;
    struct sending sending = *s;
    const struct route *route = act_route(a, s);

    if (route == NULL)
        return;
    sending.message = make_message(a, true, 8 + dice_roll(&a->cast->dice, 2000), group);
    struct sim_message *msg = model_message(m, sending.message);
    msg->session = a->publisher->name;
    msg->id = id != 0 ? id : sending.message;
    model_message(m, msg->id)->id_from = a->cast->world->flushed_at;
    model_message(m, msg->id)->id_to = UINT64_MAX;
    publish(a, &sending, route);
}

void act_publish_again(struct actor *a, const struct sending *s)
{
    struct sim_message *msg = model_message(a->cast->model, s->message);
    const struct route *route = act_route(a, s);

    if (route == NULL)
        return;
    msg->group = 0;
    msg->worker = a->client.worker->index;
    msg->life = a->cast->model->life;
    msg->again = a->cast->model->messages_count;
    struct sim_message *first = model_message(a->cast->model, msg->id);
    if (first->id_from > a->cast->world->flushed_at)
        first->id_from = a->cast->world->flushed_at; /* a crash took the time back */
    first->id_to = UINT64_MAX;
    publish(a, s, route);
}

void act_confirm(struct actor *a)
{
    a->asked = ++a->next_tag;
    sim_tell(a->cast->model, "session %u wants to hear of %llu", a->session,
             (unsigned long long)a->asked);
    if (a->was_refused) {
        a->refused = sim_grow(a->refused, a->refused_count, &a->refused_room, sizeof *a->refused);
        a->refused[a->refused_count++] = a->asked;
        broker_confirm_refused(&a->client, 1, (sl_tag){a->asked});
    } else
        broker_confirm(&a->client, 1, (sl_tag){a->asked});
    a->was_refused = false;
    for (uint32_t i = 0; i < a->deeds_count; i++)
        if (a->deeds[i].tag == 0)
            a->deeds[i].tag = a->asked;
}

void act_add_deed(struct actor *a, uint32_t message, uint32_t queue, enum deed_kind kind)
{
    a->deeds = sim_grow(a->deeds, a->deeds_count, &a->deeds_room, sizeof *a->deeds);
    a->deeds[a->deeds_count++] = (struct actor_deed){0, message, queue, kind};
}

void act_settle(struct actor *a, uint32_t loan, bool is_multiple, enum settle_verdict verdict,
                uint32_t group)
{
    struct actor_loan of = a->loans[loan];
    bool is_of_one = is_multiple && dice_chance(&a->cast->dice, 50); /* STOMP's client mode */
    enum sl_err err;

    for (uint32_t i = is_multiple ? 0 : loan; i <= loan; i++)
        if (!is_of_one || a->loans[i].subscription == of.subscription)
            end_loan(a, i, verdict, group);
    if (is_of_one)
        err = settlement_settle_of(&a->settlement, &a->client, of.subscription, (sl_tag){of.tag},
                                   verdict);
    else
        err = settlement_settle(&a->settlement, &a->client, (sl_tag){of.tag}, is_multiple, verdict);
    SL_ASSERT(err == SL_OK);
    squeeze_loans(a);
    actor_sweep(a);
}

void act_subscribe(struct actor *a, uint32_t queue, bool is_no_ack, uint32_t prefetch)
{
    struct sim_queue *q = &a->cast->model->queues[queue];
    struct part *part = calloc(1, sizeof *part);
    struct subscribe_options options = {.queue = sl_bytes_of(SIM_QUEUE_NAMES[queue]),
                                        .is_no_ack = is_no_ack,
                                        .prefetch = prefetch,
                                        .context = part};

    SL_ASSERT(part != NULL);
    part->queue = queue;
    q->was_consumed = q->was_ever_read = true;
    if (is_no_ack) {
        q->is_lossy = true;
        model_doubt(a->cast->model, queue, GONE_HANDED_OVER);
    }
    uint64_t ticket = act_ask(a, (struct question){.kind = ASK_SUBSCRIBE, .queue = queue});
    struct subscription *s = broker_subscribe(&a->client, ticket, &options);
    SL_ASSERT(s != NULL);
    a->questions[a->questions_count - 1].cookie = s->cookie;
}

void act_get(struct actor *a, uint32_t queue, bool is_no_ack)
{
    struct sim_queue *q = &a->cast->model->queues[queue];

    q->was_ever_read = true;
    if (is_no_ack) {
        q->is_lossy = true;
        model_doubt(a->cast->model, queue, GONE_HANDED_OVER);
    }
    uint64_t ticket = act_ask(a, (struct question){.kind = ASK_GET, .queue = queue});
    broker_get(&a->client, ticket, sl_bytes_of(SIM_QUEUE_NAMES[queue]), is_no_ack);
}

void act_declare_queue(struct actor *a, uint32_t queue, bool is_durable, bool is_auto_delete,
                       bool is_exclusive)
{
    struct sim_queue *q = &a->cast->model->queues[queue];
    struct queue_declaration d = {.name = sl_bytes_of(SIM_QUEUE_NAMES[queue])};
    const struct sim_own *own = model_own(a->cast->model, queue);
    uint8_t room[ARGUMENTS_BYTES];

    if (model_has_grave(a->cast->model) && queue == SIM_GRAVE) {
        is_durable = true; /* and stays */
        is_auto_delete = is_exclusive = false;
    }
    if (own != NULL) {
        is_durable = true;
        is_auto_delete = is_exclusive = false;
        if (dice_chance(&a->cast->dice, 50))
            d.name = sl_bytes_of(own->spelling);
    }
    if (!name_may_ask(&q->name, ASK_DECLARE_QUEUE) || q->purging > 0 || q->binding > 0 ||
        (own != NULL && !ask_own(a->cast->model, queue, own)))
        return;
    name_declare(&q->name, q->is_durable);
    if (q->name.pending == 0 && q->name.state != PRESENT) {
        q->is_durable = is_durable && !is_exclusive;
        q->is_auto_delete = is_auto_delete;
        q->is_exclusive = is_exclusive;
    } /* else the same again */
    d.is_durable = is_durable;
    if (q->name.state == PRESENT || q->name.pending != 0)
        d.is_durable = q->is_durable;
    d.arguments = arguments_of(&q->rules, room);
    d.is_auto_delete = q->is_auto_delete;
    d.is_exclusive = q->is_exclusive;
    name_ask(&q->name, ASK_DECLARE_QUEUE);
    broker_declare_queue(&a->client,
                         act_ask(a, (struct question){.kind = ASK_DECLARE_QUEUE, .queue = queue}),
                         &d, "");
}

/* A cluster queue brings its own binding along.  False: of that something else is asked just now. */
static bool ask_own(struct model *m, uint32_t queue, const struct sim_own *own)
{
    struct sim_name *name = &m->bindings[own->exchange][queue][own->key].name;
    struct sim_exchange *x = &m->exchanges[own->exchange];

    if (!name_may_ask(name, ASK_BIND) || x->name.pending > 0)
        return false;
    x->was_bound = true;
    x->binding++;
    m->queues[queue].binding++;
    name_ask(name, ASK_BIND);
    return true;
}

void act_delete_queue(struct actor *a, uint32_t queue)
{
    struct model *m = a->cast->model;
    struct sim_queue *q = &m->queues[queue];

    if (!name_may_ask(&q->name, ASK_DELETE_QUEUE) || q->purging > 0 || q->binding > 0 ||
        (model_has_grave(m) && queue == SIM_GRAVE))
        return;
    for (uint32_t x = 0; x < SIM_EXCHANGES; x++)
        for (uint32_t k = 0; k < SIM_KEYS; k++)
            m->bindings[x][queue][k].name.state = UNKNOWN;
    q->was_deleted = true;
    name_ask(&q->name, ASK_DELETE_QUEUE);
    uint64_t ticket = act_ask(a, (struct question){.kind = ASK_DELETE_QUEUE, .queue = queue});
    broker_delete_queue(&a->client, ticket, sl_bytes_of(SIM_QUEUE_NAMES[queue]),
                        dice_chance(&a->cast->dice, 20), dice_chance(&a->cast->dice, 20));
}

void act_purge(struct actor *a, uint32_t queue)
{
    struct model *m = a->cast->model;
    struct sim_queue *q = &m->queues[queue];

    if (q->name.pending > 0 || (model_has_grave(m) && queue == SIM_GRAVE))
        return;
    q->purging++;
    model_doubt(m, queue, GONE_PURGED);
    uint64_t ticket = act_ask(
        a, (struct question){.kind = ASK_PURGE, .queue = queue, .newest = m->messages_count - 1});
    broker_purge_queue(&a->client, ticket, sl_bytes_of(SIM_QUEUE_NAMES[queue]));
}

void act_declare_exchange(struct actor *a, uint32_t exchange, uint8_t type, bool is_durable,
                          bool is_auto_delete)
{
    struct sim_exchange *x = &a->cast->model->exchanges[exchange];

    if (!name_may_ask(&x->name, ASK_DECLARE_EXCHANGE) || exchange < SIM_EXCHANGES_OWN ||
        x->binding > 0)
        return;
    name_declare(&x->name, x->is_durable);
    if (x->name.pending == 0 && x->name.state != PRESENT) {
        x->type = type;
        x->is_durable = is_durable;
        x->is_auto_delete = is_auto_delete;
    }
    struct exchange_declaration d = {.name = sl_bytes_of(SIM_EXCHANGE_NAMES[exchange]),
                                     .type = sl_bytes_of(exchange_type_name(x->type)),
                                     .is_durable = x->is_durable,
                                     .is_auto_delete = x->is_auto_delete};
    name_ask(&x->name, ASK_DECLARE_EXCHANGE);
    broker_declare_exchange(
        &a->client, act_ask(a, (struct question){.kind = ASK_DECLARE_EXCHANGE, .queue = exchange}),
        &d);
}

void act_delete_exchange(struct actor *a, uint32_t exchange)
{
    struct model *m = a->cast->model;
    struct sim_exchange *x = &m->exchanges[exchange];

    if (!name_may_ask(&x->name, ASK_DELETE_EXCHANGE) || exchange < SIM_EXCHANGES_OWN ||
        x->binding > 0)
        return;
    for (uint32_t i = 0; i < SIM_EXCHANGES; i++)
        for (uint32_t k = 0; k < SIM_KEYS; k++)
            m->bindings[i][SIM_QUEUES + exchange][k].name.state = UNKNOWN;
    for (uint32_t d = 0; d < SIM_DESTINATIONS; d++)
        for (uint32_t k = 0; k < SIM_KEYS; k++)
            m->bindings[exchange][d][k].name.state = UNKNOWN;
    name_ask(&x->name, ASK_DELETE_EXCHANGE);
    broker_delete_exchange(
        &a->client, act_ask(a, (struct question){.kind = ASK_DELETE_EXCHANGE, .queue = exchange}),
        sl_bytes_of(SIM_EXCHANGE_NAMES[exchange]), false);
}

void act_bind(struct actor *a, uint32_t exchange, uint32_t destination, uint32_t key, bool is_bind)
{
    struct model *m = a->cast->model;
    struct sim_binding *b = &m->bindings[exchange][destination][key];
    bool to_queue = destination < SIM_QUEUES;
    struct sim_name *end = to_queue ? &m->queues[destination].name
                                    : &m->exchanges[destination - SIM_QUEUES].name;
    uint32_t *binding = to_queue ? &m->queues[destination].binding
                                 : &m->exchanges[destination - SIM_QUEUES].binding;
    enum question_kind kind = is_bind ? ASK_BIND : ASK_UNBIND;
    struct binding_request r = binding_of(exchange, destination, key);

    if (!name_may_ask(&b->name, kind) || end->pending > 0 ||
        m->exchanges[exchange].name.pending > 0 || (model_has_grave(m) && destination == SIM_GRAVE))
        return;
    m->exchanges[exchange].was_bound = true;
    m->exchanges[exchange].binding++;
    ++*binding;
    name_ask(&b->name, kind);
    uint64_t ticket = act_ask(
        a,
        (struct question){.kind = kind, .queue = exchange, .destination = destination, .key = key});
    if (is_bind)
        broker_bind(&a->client, ticket, &r);
    else
        broker_unbind(&a->client, ticket, &r);
}

void act_cancel(struct actor *a, struct subscription *s)
{
    ((struct part *)s->context)->is_cancelling = true;
    uint64_t ticket = act_ask(a, (struct question){.kind = ASK_CANCEL, .cookie = s->cookie});
    broker_cancel(&a->client, ticket, s);
}

void act_drop(struct actor *a, struct subscription *s)
{
    for (uint32_t i = 0; i < a->loans_count; i++)
        if (a->loans[i].subscription == s)
            end_loan(a, i, SETTLE_RETURNED, 0);
    squeeze_loans(a);
    settlement_forget(&a->settlement, s);
    free(s->context);
    broker_drop(&a->client, s);
}

static struct sl_bytes arguments_of(const struct sim_rules *r, uint8_t room[ARGUMENTS_BYTES])
{
    struct sl_writer w = {room, room + ARGUMENTS_BYTES, false};
    uint8_t *start = table_write_start(&w);

    if (r->ttl_ms != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-message-ttl"), r->ttl_ms);
    if (r->max_length != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-max-length"), r->max_length);
    if (r->refuses)
        table_write_string(&w, SL_BYTES_LITERAL("x-overflow"), SL_BYTES_LITERAL("reject-publish"));
    if (r->delivery_limit != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-delivery-limit"), r->delivery_limit);
    if (r->max_priority != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-max-priority"), r->max_priority);
    if (r->is_single)
        table_write_bool(&w, SL_BYTES_LITERAL("x-single-active-consumer"), true);
    if (r->window_ms != 0)
        table_write_s64(&w, SL_BYTES_LITERAL("x-dedup-window-ms"), r->window_ms);
    if (r->until_settled)
        table_write_bool(&w, SL_BYTES_LITERAL("x-message-deduplication"), true);
    if (r->retry_ms != 0) {
        table_write_string(&w, SL_BYTES_LITERAL("x-delayed-retry-type"), SL_BYTES_LITERAL("all"));
        table_write_s64(&w, SL_BYTES_LITERAL("x-delayed-retry-min"), r->retry_ms);
    }
    if (r->is_mortal) {
        table_write_string(&w, SL_BYTES_LITERAL("x-dead-letter-exchange"), SL_BYTES_LITERAL(""));
        table_write_string(&w, SL_BYTES_LITERAL("x-dead-letter-routing-key"),
                           sl_bytes_of(SIM_QUEUE_NAMES[SIM_GRAVE]));
    }
    table_write_finish(&w, start);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

/* Nothing but what is wanted of them. */
static struct sl_bytes properties_of(const struct sim_message *m, uint8_t room[PROPERTIES_BYTES])
{
    struct sl_writer w = {room, room + PROPERTIES_BYTES, false};
    char id[16];

    sl_write_u16(&w, (uint16_t)((m->key != 0 || m->id != 0 ? PROPERTY_HEADERS : 0) |
                                (m->is_persistent ? PROPERTY_DELIVERY_MODE : 0) |
                                (m->priority != 0 ? PROPERTY_PRIORITY : 0) |
                                (m->expires ? PROPERTY_EXPIRATION : 0)));
    if (m->key != 0 || m->id != 0) {
        uint8_t *start = table_write_start(&w);
        if (m->key != 0)
            table_write_string(&w, SL_BYTES_LITERAL("JMSXGroupID"), (struct sl_bytes){&m->key, 1});
        (void)snprintf(id, sizeof id, "%u", m->id);
        if (m->id != 0)
            table_write_string(&w, SL_BYTES_LITERAL("x-deduplication-header"), sl_bytes_of(id));
        table_write_finish(&w, start);
    }
    if (m->is_persistent)
        sl_write_u8(&w, 2);
    if (m->priority != 0)
        sl_write_u8(&w, m->priority);
    if (m->expires)
        sl_write_short_string(&w, SL_BYTES_LITERAL("700"));
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static uint32_t make_message(struct actor *a, bool is_persistent, uint32_t len, uint32_t group)
{
    struct model *m = a->cast->model;
    struct dice *d = &a->cast->dice;
    uint8_t priority = m->is_ruled ? (uint8_t)dice_roll(d, 4) : 0;
    uint8_t key = m->is_ruled && dice_chance(d, 60) ? (uint8_t)dice_roll(d, SIM_KEYS_OF_ORDER) : 0;
    bool expires = m->is_ruled && dice_chance(d, 8);
    uint32_t number =
        model_publish(m, a->session, a->client.worker->index, group, is_persistent, len);

    model_describe(m, number, priority, key, expires);
    return number;
}

const struct route *act_route(struct actor *a, const struct sending *s)
{
    bool is_default = s->exchange == SIM_EXCHANGES;
    const struct routed what = {
        .exchange = sl_bytes_of(is_default ? "" : SIM_EXCHANGE_NAMES[s->exchange]),
        .key = sl_bytes_of(is_default ? SIM_QUEUE_NAMES[s->key] : SIM_KEY_NAMES[s->key])};
    const struct route *route;
    enum sl_err err = broker_route(&a->client, &what, &route);

    SL_ASSERT(err == SL_OK || err == SL_ENOENT || err == SL_ENOMEM);
    return err == SL_OK ? route : NULL;
}

static void publish(struct actor *a, const struct sending *s, const struct route *route)
{
    const struct sim_message *m = model_message(a->cast->model, s->message);
    uint8_t room[PROPERTIES_BYTES];
    uint8_t *body = malloc(m->len);

    SL_ASSERT(body != NULL && m->len >= 8);
    model_write_body(s->message, body, m->len);
    struct message *msg = message_new_routed(route->encoded, properties_of(m, room), m->len);
    if (msg != NULL && message_append(&msg, (struct sl_bytes){body, m->len}) != SL_OK) {
        message_unref(msg);
        msg = NULL;
    }
    if (msg != NULL) {
        note_targets(a, s->message, route);
        act_add_deed(a, s->message, 0, DEED_PUBLISH);
        if (broker_publish(&a->client, route, msg) != NULL)
            note_refused(a, s->message);
    }
    free(body);
}

static void note_targets(struct actor *a, uint32_t message, const struct route *route)
{
    struct topology *t = broker_topology(a->cast->world->broker);

    topology_lock(t);
    for (uint32_t i = 0; i < route->count; i++) {
        const struct topology_queue *q = topology_queue_at(t, route->targets[i]);
        if (q == NULL)
            continue; /* deleted meanwhile */
        uint32_t queue = model_queue_of(q->name);
        struct sim_copy *c = model_copy(a->cast->model, message, queue);
        if (c == NULL)
            model_add_copy(a->cast->model, message, queue, q->ref.number);
        else
            model_come_again(a->cast->model, message, c);
    }
    topology_unlock(t);
}

static void note_refused(struct actor *a, uint32_t message)
{
    const struct admission_split *split = &a->client.worker->split;

    a->was_refused = true;
    struct topology *t = broker_topology(a->cast->world->broker);

    topology_lock(t);
    for (uint32_t i = 0; i < split->refused_count; i++) {
        const struct topology_queue *q = topology_queue_at(t, split->refused[i]);
        if (q != NULL)
            model_refuse_copy(a->cast->model, message, model_queue_of(q->name));
    }
    topology_unlock(t);
}

/* In the model; the loan's place stays until squeeze_loans. */
static void end_loan(struct actor *a, uint32_t loan, enum settle_verdict verdict, uint32_t group)
{
    struct actor_loan *l = &a->loans[loan];

    if (verdict == SETTLE_RETURNED)
        model_return(a->cast->model, l->message, l->queue);
    else {
        model_settle(a->cast->model, l->message, l->queue, group, verdict == SETTLE_REJECTED);
        act_add_deed(a, l->message, l->queue, DEED_SETTLE);
    }
    l->tag = 0;
}

static void squeeze_loans(struct actor *a)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < a->loans_count; i++)
        if (a->loans[i].tag != 0)
            a->loans[to++] = a->loans[i];
    a->loans_count = to;
}

uint64_t act_ask(struct actor *a, struct question q)
{
    static const char *const QUESTIONS[] = {
        [ASK_DECLARE_QUEUE] = "declare queue",
        [ASK_DELETE_QUEUE] = "delete queue",
        [ASK_PURGE] = "purge queue",
        [ASK_DECLARE_EXCHANGE] = "declare exchange",
        [ASK_DELETE_EXCHANGE] = "delete exchange",
        [ASK_BIND] = "bind",
        [ASK_UNBIND] = "unbind",
        [ASK_SUBSCRIBE] = "subscribe",
        [ASK_CANCEL] = "cancel",
        [ASK_GET] = "get",
        [ASK_DECLARE_PAID] = "declare the queue of what is committed",
        [ASK_PREPARE] = "prepare",
        [ASK_OUTCOME] = "decide",
        [ASK_PURGE_CHECKS] = "purge checks",
        [ASK_SET] = "set",
        [ASK_CLEAR] = "clear",
        [ASK_DECLARE_LATER] = "declare the exchange that delays",
        [ASK_DECLARE_CAME] = "declare the queue of what has come",
        [ASK_BIND_LATER] = "bind that",
        [ASK_DELETE_LATER] = "delete the exchange that delays",
    };

    q.ticket = ++a->next_ticket;
    a->questions =
        sim_grow(a->questions, a->questions_count, &a->questions_room, sizeof *a->questions);
    a->questions[a->questions_count++] = q;
    sim_tell(a->cast->model, "session %u asks %llu: %s %u %u %u", a->session,
             (unsigned long long)q.ticket, QUESTIONS[q.kind], q.queue, q.destination, q.key);
    return q.ticket;
}

static struct binding_request binding_of(uint32_t exchange, uint32_t destination, uint32_t key)
{
    bool to_exchange = destination >= SIM_QUEUES;

    return (struct binding_request){
        .source = sl_bytes_of(SIM_EXCHANGE_NAMES[exchange]),
        .destination = sl_bytes_of(to_exchange ? SIM_EXCHANGE_NAMES[destination - SIM_QUEUES]
                                               : SIM_QUEUE_NAMES[destination]),
        .to_exchange = to_exchange,
        .key = sl_bytes_of(SIM_KEY_NAMES[key])};
}
