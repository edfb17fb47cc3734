#include "tests/sim/model.h"

#include "core/base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ORDINARY[SIM_QUEUES] = {"q0", "q1", "q2", "q3", "q4", "q5"};
static const struct {
    uint32_t queue;
    const char *name;
    struct sim_own own;
} CLUSTERS[] = {
    {3, "/topic/a.*@c1", {1, 2, "/exchange/amq.topic/a.*@c1"}},
    {4, "/exchange/x3/a.b@c2", {3, 0, "/exchange/x3/a.b@c2"}},
};

const char *SIM_QUEUE_NAMES[SIM_QUEUES];
const char *const SIM_EXCHANGE_NAMES[SIM_EXCHANGES] = {"amq.fanout", "amq.topic", "x2",
                                                       "x3",         "x4",        "x5"};
const char *const SIM_KEY_NAMES[SIM_KEYS] = {"a.b", "a.c", "a.*", "#"};

static void add_note(struct model *m, uint32_t message, const struct sim_copy *c, uint32_t worker);
static void check_death(struct model *m, uint32_t message, const struct sim_copy *c);
static uint8_t doubts_of(const struct model *m, uint32_t message, uint32_t queue);
static void check_others(const struct model *m, uint32_t number, const struct sim_delivery *d);
static void check_count(struct model *m, uint32_t message, const struct sim_copy *c,
                        uint32_t returns, bool is_redelivered);

void sim_fail(const struct model *m, const char *format, ...)
{
    va_list args;

    printf("FAILED seed=%llu step=%llu life=%u: ", (unsigned long long)m->seed,
           (unsigned long long)m->step, m->life);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _Exit(1); /* what is lost here is not a leak */
}

void sim_tell(const struct model *m, const char *format, ...)
{
    va_list args;

    if (!m->is_told)
        return;
    printf("%5llu ", (unsigned long long)m->step);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

void *sim_grow(void *array, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room == 0 ? 64 : *room * 2;
    array = realloc(array, *room * size);
    SL_ASSERT(array != NULL);
    return array;
}

void model_init(struct model *m, uint64_t seed, struct sim_totals *totals)
{
    *m = (struct model){.seed = seed, .messages_count = 1, .totals = totals};
    memcpy(SIM_QUEUE_NAMES, ORDINARY, sizeof SIM_QUEUE_NAMES);
    m->messages = sim_grow(NULL, 0, &m->messages_room, sizeof *m->messages);
    for (uint32_t i = 0; i < SIM_QUEUES; i++)
        m->queues[i].name.state = ABSENT;
    for (uint32_t i = 0; i < SIM_OPERATED; i++)
        m->operated[i].state = ABSENT;
    for (uint32_t i = 0; i < SIM_EXCHANGES; i++) {
        m->exchanges[i].name.state = i < SIM_EXCHANGES_OWN ? PRESENT : ABSENT;
        m->exchanges[i].is_durable = i < SIM_EXCHANGES_OWN;
        for (uint32_t d = 0; d < SIM_DESTINATIONS; d++)
            for (uint32_t k = 0; k < SIM_KEYS; k++)
                m->bindings[i][d][k].name.state = ABSENT;
    }
}

void model_deinit(struct model *m)
{
    free(m->messages);
    free(m->parts);
    free(m->notes);
    free(m->prepared);
    free(m->delayed);
}

uint32_t model_queue_of(struct sl_bytes name)
{
    uint32_t i = 0;

    while (!sl_bytes_are(name, SIM_QUEUE_NAMES[i]))
        i++;
    return i;
}

void model_make_clusters(struct model *m)
{
    m->has_clusters = true;
    for (size_t i = 0; i < sizeof CLUSTERS / sizeof *CLUSTERS; i++)
        SIM_QUEUE_NAMES[CLUSTERS[i].queue] = CLUSTERS[i].name;
}

const struct sim_own *model_own(const struct model *m, uint32_t queue)
{
    for (size_t i = 0; m->has_clusters && i < sizeof CLUSTERS / sizeof *CLUSTERS; i++)
        if (CLUSTERS[i].queue == queue)
            return &CLUSTERS[i].own;
    return NULL;
}

struct sim_message *model_message(struct model *m, uint32_t number)
{
    SL_ASSERT(number != 0 && number < m->messages_count);
    return &m->messages[number];
}

struct sim_copy *model_copy(struct model *m, uint32_t number, uint32_t queue)
{
    struct sim_message *msg = model_message(m, number);

    for (uint32_t i = 0; i < msg->copies_count; i++)
        if (msg->copies[i].queue == queue)
            return &msg->copies[i];
    return NULL;
}

uint32_t model_publish(struct model *m, uint32_t session, uint32_t worker, uint32_t group,
                       bool is_persistent, uint32_t len)
{
    m->messages = sim_grow(m->messages, m->messages_count, &m->messages_room, sizeof *m->messages);
    m->messages[m->messages_count] = (struct sim_message){.session = session,
                                                          .worker = worker,
                                                          .group = group,
                                                          .life = m->life,
                                                          .len = len,
                                                          .is_persistent = is_persistent};
    m->totals->published++;
    return m->messages_count++;
}

void model_describe(struct model *m, uint32_t message, uint8_t priority, uint8_t key, bool expires)
{
    m->messages[message].priority = priority;
    m->messages[message].key = key;
    m->messages[message].expires = expires;
}

struct sim_copy *model_other_end(struct model *m, uint32_t message, const struct sim_copy *c)
{
    if (!model_has_grave(m) || (c->queue != SIM_MORTAL && c->queue != SIM_GRAVE))
        return NULL;
    return model_copy(m, message, c->queue == SIM_MORTAL ? SIM_GRAVE : SIM_MORTAL);
}

uint32_t model_row(const struct model *m, uint32_t message, uint32_t queue)
{
    const struct sim_message *msg = &m->messages[message];
    uint32_t most = m->queues[queue].rules.max_priority;

    return msg->session * SIM_PRIORITIES + (msg->priority < most ? msg->priority : most);
}

uint8_t model_ruled(const struct model *m, uint32_t message, uint32_t queue)
{
    const struct sim_message *msg = &m->messages[message];
    const struct sim_rules *r = &m->queues[queue].rules;
    bool may_go = msg->expires || r->ttl_ms != 0 || (r->max_length != 0 && !r->refuses) ||
                  r->delivery_limit != 0;

    return may_go && !r->is_mortal ? GONE_RULED : 0;
}

static void add_grave_copy(struct model *m, uint32_t message)
{
    struct sim_message *msg = model_message(m, message);
    const struct sim_queue *q = &m->queues[SIM_GRAVE];
    struct sim_copy *c = &msg->copies[msg->copies_count++];

    *c = (struct sim_copy){.queue = SIM_GRAVE, .is_grave = true, .is_logged = msg->is_persistent};
    if (q->is_lossy)
        c->gone |= GONE_HANDED_OVER;
    if (q->name.state != PRESENT)
        c->gone |= GONE_RULED; /* a dead letter may find nothing there */
}

/* Why what comes there now may be gone at any time. */
static uint8_t doubts_of(const struct model *m, uint32_t message, uint32_t queue)
{
    const struct sim_queue *q = &m->queues[queue];

    return (uint8_t)((q->is_lossy ? GONE_HANDED_OVER : 0) | (q->purging > 0 ? GONE_PURGED : 0) |
                     model_ruled(m, message, queue));
}

void model_add_copy(struct model *m, uint32_t message, uint32_t queue, uint64_t number)
{
    struct sim_message *msg = model_message(m, message);
    struct sim_copy *c = &msg->copies[msg->copies_count++];

    *c = (struct sim_copy){.queue = (uint8_t)queue, .number = number, .group = msg->group};
    c->is_logged = number != 0 && msg->is_persistent;
    c->gone = doubts_of(m, message, queue);
    if (m->queues[queue].rules.is_mortal)
        add_grave_copy(m, message);
    sim_tell(m, "message %u of session %u, group %u, %s to %s (%llu)", message, msg->session,
             msg->group, msg->is_persistent ? "persistent" : "transient", SIM_QUEUE_NAMES[queue],
             (unsigned long long)number);
    if (msg->group != 0 && c->is_logged) {
        m->parts = sim_grow(m->parts, m->parts_count, &m->parts_room, sizeof *m->parts);
        m->parts[m->parts_count++] = (struct sim_part){msg->group, message, (uint8_t)queue, false};
    }
}

void model_come_again(struct model *m, uint32_t message, struct sim_copy *c)
{
    if (!c->is_dead || c->is_confirmed || c->must_be_gone)
        return; /* it is there, or was */
    *c = (struct sim_copy){
        .queue = c->queue,
        .number = c->number,
        .is_logged = c->is_logged,
        .gone = (uint8_t)((c->gone != 0 ? GONE_BEFORE : 0) | doubts_of(m, message, c->queue))};
    m->totals->again++;
    sim_tell(m, "message %u may come to %s again", message, SIM_QUEUE_NAMES[c->queue]);
}

void model_confirm(struct model *m, uint32_t message)
{
    struct sim_message *msg = model_message(m, message);

    for (uint32_t i = 0; i < msg->copies_count; i++)
        msg->copies[i].is_confirmed |= !msg->copies[i].is_dead;
}

void model_refuse_copy(struct model *m, uint32_t message, uint32_t queue)
{
    struct sim_message *msg = model_message(m, message);
    bool is_mortal = m->queues[queue].rules.is_mortal;
    uint8_t left = 0;

    for (uint8_t i = 0; i < msg->copies_count; i++) {
        const struct sim_copy *c = &msg->copies[i];
        if (c->queue != queue && !(is_mortal && c->is_grave))
            msg->copies[left++] = *c;
    }
    msg->copies_count = left;
    for (uint32_t i = 0; i < m->parts_count; i++)
        if (m->parts[i].message == message && m->parts[i].queue == queue)
            m->parts[i--] = m->parts[--m->parts_count];
    m->totals->refused++;
    sim_tell(m, "message %u is refused by %s", message, SIM_QUEUE_NAMES[queue]);
}

void model_write_body(uint32_t message, uint8_t *at, uint32_t len)
{
    sl_store_u64(at, message);
    memset(at + 8, (int)(message * 31 & 0xff), len - 8);
}

uint32_t model_read_body(const struct model *m, struct sl_bytes body)
{
    uint64_t number = body.len < 8 ? 0 : sl_load_u64(body.at);

    if (number == 0 || number >= m->messages_count || body.len != m->messages[number].len)
        return 0;
    for (size_t i = 8; i < body.len; i++)
        if (body.at[i] != (uint8_t)(number * 31))
            return 0;
    return (uint32_t)number;
}

/* What is out of its message group, or of a queue with a single active consumer, is out with the
 * same one. */
static void check_others(const struct model *m, uint32_t number, const struct sim_delivery *d)
{
    const struct sim_queue *q = &m->queues[d->queue];
    bool is_single = q->rules.is_single;
    uint8_t key = m->messages[number].key;

    if (d->number == 0 && (q->was_deleted || (q->is_auto_delete && q->was_consumed)))
        return; /* what is out may be of one before it, which had no other number */
    if (is_single ? d->consumer == SIM_GETTER : key == 0)
        return;
    for (uint32_t i = 1; i < m->messages_count; i++) {
        const struct sim_message *other = &m->messages[i];
        for (uint32_t j = 0; (is_single || other->key == key) && j < other->copies_count; j++) {
            const struct sim_copy *c = &other->copies[j];
            if (c->queue != d->queue || c->number != d->number || c->is_dead || c->holder == 0 ||
                (c->holder == d->session && c->consumer == d->consumer) ||
                (is_single && c->consumer == SIM_GETTER))
                continue;
            sim_fail(m, "message %u of %s goes to %u, and %u, which goes with it, is out with %u",
                     number, SIM_QUEUE_NAMES[d->queue], d->session, i, c->holder);
        }
    }
}

uint32_t model_deliver(struct model *m, const struct sim_delivery *d, struct sl_bytes body)
{
    uint32_t number = model_read_body(m, body);
    const char *queue = SIM_QUEUE_NAMES[d->queue];

    sim_tell(m, "session %u gets message %u of %s, returns %u", d->session, number, queue,
             d->returns);
    if (number == 0)
        sim_fail(m, "queue %s delivers what nobody published", queue);
    struct sim_message *msg = model_message(m, number);
    struct sim_copy *c = model_copy(m, number, d->queue);
    if (c == NULL || (c->number != d->number && !c->is_grave))
        sim_fail(m, "message %u is delivered from %s, which it never went to", number, queue);
    if (c->is_dead)
        sim_fail(m, "message %u is delivered from %s, where it ended before", number, queue);
    if (c->is_settled)
        sim_fail(m, "message %u of %s is settled and delivered again", number, queue);
    if (c->holder != 0)
        sim_fail(m, "message %u of %s is out with %u and with %u", number, queue, c->holder,
                 d->session);
    check_count(m, number, c, d->returns, d->is_redelivered);
    if (!d->is_no_ack) /* else it may have been over before */
        check_others(m, number, d);
    if (c->is_grave)
        check_death(m, number, c);
    else if (!d->is_redelivered && d->newest != NULL) {
        uint32_t row = model_row(m, number, d->queue) * SIM_KEYS_OF_ORDER + msg->key;
        if (number < d->newest[row])
            sim_fail(m, "message %u of %s is first delivered after %u of the same publisher",
                     number, queue, d->newest[row]);
        d->newest[row] = number;
    }
    if (c->group != 0 && !c->is_grave)
        model_confirm(m, number); /* lent only when its group is durable; it may die before */
    if (d->returns > c->shown) {
        c->returned += d->returns - c->shown;
        if (c->is_logged)
            add_note(m, number, c, d->worker);
    }
    c->shown = d->returns;
    c->was_out = c->was_out_now = true;
    m->totals->delivered++;
    if (d->is_no_ack) {
        c->is_settled = true;
        c->gone |= GONE_HANDED_OVER;
    } else {
        c->holder = d->session;
        c->consumer = d->consumer;
    }
    return number;
}

/* Its end in the queue that it comes from is as good as settled. */
static void check_death(struct model *m, uint32_t message, const struct sim_copy *c)
{
    struct sim_copy *source = model_other_end(m, message, c);

    if (source->holder != 0)
        sim_fail(m, "message %u is out of %s with %u, and delivered as a dead letter", message,
                 SIM_QUEUE_NAMES[source->queue], source->holder);
    if (!source->is_dead && source->is_settled &&
        (source->gone & (GONE_REJECTED | GONE_HANDED_OVER)) == 0 &&
        (source->gone & GONE_SETTLED) != 0)
        sim_fail(m, "message %u of %s is settled, and delivered as a dead letter", message,
                 SIM_QUEUE_NAMES[source->queue]);
    source->is_settled = true;
}

static void check_count(struct model *m, uint32_t message, const struct sim_copy *c,
                        uint32_t returns, bool is_redelivered)
{
    const char *queue = SIM_QUEUE_NAMES[c->queue];

    if (c->was_out && !is_redelivered)
        sim_fail(m, "message %u of %s was out and does not say redelivered", message, queue);
    if (returns < c->shown + c->was_out_now)
        sim_fail(m, "message %u of %s was returned: its count is %u and was %u", message, queue,
                 returns, c->shown);
}

static void add_note(struct model *m, uint32_t message, const struct sim_copy *c, uint32_t worker)
{
    m->notes = sim_grow(m->notes, m->notes_count, &m->notes_room, sizeof *m->notes);
    m->notes[m->notes_count++] = (struct sim_note){
        .message = message, .queue = c->queue, .returned = c->returned, .worker = worker};
}

void model_settle(struct model *m, uint32_t message, uint32_t queue, uint32_t group,
                  bool is_rejected)
{
    struct sim_copy *c = model_copy(m, message, queue);

    sim_tell(m, "message %u of %s is settled, group %u", message, SIM_QUEUE_NAMES[queue], group);
    c->holder = 0;
    c->is_settled = true;
    if (group != 0)
        c->gone |= GONE_COMMITTED;
    else
        c->gone |= is_rejected && m->queues[queue].rules.is_mortal ? GONE_REJECTED : GONE_SETTLED;
    m->totals->settled++;
    if (group == 0 || !c->is_logged)
        return;
    m->parts = sim_grow(m->parts, m->parts_count, &m->parts_room, sizeof *m->parts);
    m->parts[m->parts_count++] = (struct sim_part){group, message, (uint8_t)queue, true};
}

void model_return(struct model *m, uint32_t message, uint32_t queue)
{
    sim_tell(m, "message %u of %s is returned", message, SIM_QUEUE_NAMES[queue]);
    model_copy(m, message, queue)->holder = 0;
}

void model_doubt(struct model *m, uint32_t queue, enum gone why)
{
    for (uint32_t i = 1; i < m->messages_count; i++) {
        struct sim_copy *c = model_copy(m, i, queue);
        if (c != NULL && !c->is_dead)
            c->gone |= (uint8_t)why;
    }
}

void model_hand_over(struct model *m, uint32_t worker, uint64_t place)
{
    for (uint32_t i = 0; i < m->notes_count; i++)
        if (m->notes[i].worker == worker && m->notes[i].place == 0)
            m->notes[i].place = place;
}

void model_sync(struct model *m, uint64_t durable)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < m->notes_count; i++) {
        struct sim_note *n = &m->notes[i];
        if (n->place == 0 || n->place > durable) {
            m->notes[to++] = *n;
            continue;
        }
        struct sim_copy *c = model_copy(m, n->message, n->queue);
        if (n->returned > c->synced)
            c->synced = n->returned;
    }
    m->notes_count = to;
}

bool name_may_ask(const struct sim_name *n, int kind)
{
    return n->pending == 0 || n->kind == kind;
}

void name_declare(struct sim_name *n, bool was_durable)
{
    if (n->pending == 0 && (n->state != PRESENT || was_durable))
        n->may_hide = n->state != ABSENT;
}

void name_ask(struct sim_name *n, int kind)
{
    if (n->pending++ == 0)
        n->prior = n->state;
    n->kind = kind;
    n->state = UNKNOWN;
}

void name_answer(struct sim_name *n, bool is_done, enum certainty outcome)
{
    SL_ASSERT(n->pending > 0);
    if (is_done)
        n->prior = outcome;
    if (--n->pending == 0)
        n->state = n->prior;
}

void name_lose(struct sim_name *n)
{
    name_answer(n, true, UNKNOWN);
}
