/* act.c - what an actor does (actor.h). */
#include "core/base/assert.h"
#include "core/properties.h"
#include "core/table.h"
#include "tests/sim/actor.h"

#include <stdlib.h>

#define ARGUMENTS_BYTES 256u
#define PROPERTIES_BYTES 64u

static struct sl_bytes arguments_of(const struct sim_rules *r, uint8_t room[ARGUMENTS_BYTES]);
static struct sl_bytes properties_of(bool is_persistent, uint8_t priority, uint8_t key,
                                     bool expires, uint8_t room[PROPERTIES_BYTES]);
static void publish(struct actor *a, const char *exchange, const char *key, bool is_persistent,
                    uint32_t len, uint32_t group);
static void note_targets(struct actor *a, uint32_t message, const struct route *route);
static void note_refused(struct actor *a, uint32_t message);
static void add_deed(struct actor *a, uint32_t message, uint32_t queue, bool is_settle);
static void end_loan(struct actor *a, uint32_t loan, enum settle_verdict verdict, uint32_t group);
static void squeeze_loans(struct actor *a);
static uint64_t ask(struct actor *a, struct question q);
static struct binding_request binding_of(uint32_t exchange, uint32_t destination, uint32_t key);

void act_publish(struct actor *a, uint32_t exchange, uint32_t key, bool is_persistent, uint32_t len,
                 uint32_t group)
{
    publish(a, SIM_EXCHANGE_NAMES[exchange], SIM_KEY_NAMES[key], is_persistent, len, group);
}

void act_publish_to_queue(struct actor *a, uint32_t queue, bool is_persistent, uint32_t len,
                          uint32_t group)
{
    if (!model_has_grave(a->cast->model) || queue != SIM_GRAVE)
        publish(a, "", SIM_QUEUE_NAMES[queue], is_persistent, len, group);
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
    uint64_t ticket = ask(a, (struct question){.kind = ASK_SUBSCRIBE, .queue = queue});
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
    uint64_t ticket = ask(a, (struct question){.kind = ASK_GET, .queue = queue});
    broker_get(&a->client, ticket, sl_bytes_of(SIM_QUEUE_NAMES[queue]), is_no_ack);
}

void act_declare_queue(struct actor *a, uint32_t queue, bool is_durable, bool is_auto_delete,
                       bool is_exclusive)
{
    struct sim_queue *q = &a->cast->model->queues[queue];
    struct queue_declaration d = {.name = sl_bytes_of(SIM_QUEUE_NAMES[queue])};
    uint8_t room[ARGUMENTS_BYTES];

    if (model_has_grave(a->cast->model) && queue == SIM_GRAVE) {
        is_durable = true; /* and stays */
        is_auto_delete = is_exclusive = false;
    }
    if (!name_may_ask(&q->name, ASK_DECLARE_QUEUE) || q->purging > 0 || q->binding > 0)
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
    broker_declare_queue(
        &a->client, ask(a, (struct question){.kind = ASK_DECLARE_QUEUE, .queue = queue}), &d, "");
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
    name_ask(&q->name, ASK_DELETE_QUEUE);
    uint64_t ticket = ask(a, (struct question){.kind = ASK_DELETE_QUEUE, .queue = queue});
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
    uint64_t ticket = ask(
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
        &a->client, ask(a, (struct question){.kind = ASK_DECLARE_EXCHANGE, .queue = exchange}), &d);
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
        &a->client, ask(a, (struct question){.kind = ASK_DELETE_EXCHANGE, .queue = exchange}),
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
    uint64_t ticket = ask(
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
    uint64_t ticket = ask(a, (struct question){.kind = ASK_CANCEL, .cookie = s->cookie});
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
static struct sl_bytes properties_of(bool is_persistent, uint8_t priority, uint8_t key,
                                     bool expires, uint8_t room[PROPERTIES_BYTES])
{
    struct sl_writer w = {room, room + PROPERTIES_BYTES, false};

    sl_write_u16(&w, (uint16_t)((key != 0 ? PROPERTY_HEADERS : 0) |
                                (is_persistent ? PROPERTY_DELIVERY_MODE : 0) |
                                (priority != 0 ? PROPERTY_PRIORITY : 0) |
                                (expires ? PROPERTY_EXPIRATION : 0)));
    if (key != 0) {
        uint8_t *start = table_write_start(&w);
        table_write_string(&w, SL_BYTES_LITERAL("JMSXGroupID"), (struct sl_bytes){&key, 1});
        table_write_finish(&w, start);
    }
    if (is_persistent)
        sl_write_u8(&w, 2);
    if (priority != 0)
        sl_write_u8(&w, priority);
    if (expires)
        sl_write_short_string(&w, SL_BYTES_LITERAL("700"));
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static void publish(struct actor *a, const char *exchange, const char *key, bool is_persistent,
                    uint32_t len, uint32_t group)
{
    uint8_t room[PROPERTIES_BYTES];
    uint8_t priority = a->cast->model->is_ruled ? (uint8_t)dice_roll(&a->cast->dice, 4) : 0;
    uint8_t order_key = a->cast->model->is_ruled && dice_chance(&a->cast->dice, 60)
                            ? (uint8_t)dice_roll(&a->cast->dice, SIM_KEYS_OF_ORDER)
                            : 0;
    bool expires = a->cast->model->is_ruled && dice_chance(&a->cast->dice, 8);
    struct sl_bytes properties = properties_of(is_persistent, priority, order_key, expires, room);
    const struct route *route;
    uint8_t *body = malloc(len);

    SL_ASSERT(body != NULL && len >= 8);
    enum sl_err err = broker_route(&a->client, sl_bytes_of(exchange), sl_bytes_of(key),
                                   (struct sl_bytes){NULL, 0}, &route);
    SL_ASSERT(err == SL_OK || err == SL_ENOENT || err == SL_ENOMEM);
    struct message *msg = NULL;
    if (err == SL_OK)
        msg = message_new_routed(route->encoded, properties, len);
    if (msg != NULL) {
        uint32_t number = model_publish(a->cast->model, a->session, a->client.worker->index, group,
                                        is_persistent, len);
        model_describe(a->cast->model, number, priority, order_key, expires);
        model_write_body(number, body, len);
        err = message_append(&msg, (struct sl_bytes){body, len});
        if (err != SL_OK)
            message_unref(msg);
        else {
            note_targets(a, number, route);
            add_deed(a, number, 0, false);
            if (broker_publish(&a->client, route, msg) != NULL)
                note_refused(a, number);
        }
    }
    free(body);
}

static void note_targets(struct actor *a, uint32_t message, const struct route *route)
{
    struct topology *t = broker_topology(a->cast->world->broker);

    topology_lock(t);
    for (uint32_t i = 0; i < route->count; i++) {
        const struct topology_queue *q = topology_queue_at(t, route->targets[i]);
        if (q != NULL) /* else deleted meanwhile */
            model_add_copy(a->cast->model, message, q->name.at[1] - '0', q->ref.number);
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
            model_refuse_copy(a->cast->model, message, q->name.at[1] - '0');
    }
    topology_unlock(t);
}

static void add_deed(struct actor *a, uint32_t message, uint32_t queue, bool is_settle)
{
    a->deeds = sim_grow(a->deeds, a->deeds_count, &a->deeds_room, sizeof *a->deeds);
    a->deeds[a->deeds_count++] = (struct actor_deed){0, message, queue, is_settle};
}

/* In the model; the loan's place stays until squeeze_loans. */
static void end_loan(struct actor *a, uint32_t loan, enum settle_verdict verdict, uint32_t group)
{
    struct actor_loan *l = &a->loans[loan];

    if (verdict == SETTLE_RETURNED)
        model_return(a->cast->model, l->message, l->queue);
    else {
        model_settle(a->cast->model, l->message, l->queue, group, verdict == SETTLE_REJECTED);
        add_deed(a, l->message, l->queue, true);
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

static uint64_t ask(struct actor *a, struct question q)
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
