#include "tests/sim/verdict.h"

#include "core/base/assert.h"
#include "core/exchange.h"
#include "core/properties.h"

#include <stdlib.h>
#include <string.h>

struct reading { /* of one queue */
    struct model *m;
    uint32_t queue;
    uint64_t number;
    uint64_t last_seq;
    uint8_t level; /* that it is of */
    bool was_stopped;
    uint32_t newest[SIM_ROWS];
};

static void count_all_as_answered(struct model *m);
static void judge_queue(struct model *m, struct world *w, uint32_t queue);
static void judge_exchange(struct model *m, struct world *w, uint32_t exchange);
static void judge_bindings(struct model *m, struct world *w, uint32_t exchange);
static void judge_binding(struct model *m, struct world *w, const struct exchange *e,
                          uint32_t destination, struct sim_binding *b, const char *key);
static void read_queue(struct model *m, struct world *w, uint32_t queue, bool was_stopped);
static void judge_entry(void *context, const struct world_entry *entry);
static void judge_order(struct reading *r, uint32_t number, const struct entry *entry);
static void judge_count(const struct reading *r, uint32_t number, const struct sim_copy *c,
                        const struct entry *entry);
static bool may_be_gone(struct model *m, uint32_t message, const struct sim_copy *c);
static void judge_missing(struct model *m, uint64_t numbers[SIM_QUEUES]);
static void judge_gaps(struct model *m);
static void judge_groups(struct model *m);
static void take_over(struct model *m);

void verdict_pass(struct model *m, struct world *w, bool was_stopped)
{
    uint64_t numbers[SIM_QUEUES];

    if (was_stopped)
        count_all_as_answered(m);
    for (uint32_t i = 1; i < m->messages_count; i++)
        for (uint32_t c = 0; c < m->messages[i].copies_count; c++)
            m->messages[i].copies[c].is_found = false;
    for (uint32_t i = 0; i < SIM_QUEUES; i++) {
        judge_queue(m, w, i);
        numbers[i] = m->queues[i].name.state == PRESENT ? m->queues[i].number : 0;
    }
    for (uint32_t i = 0; i < SIM_EXCHANGES; i++)
        judge_exchange(m, w, i);
    verdict_bindings(m, w);
    for (uint32_t i = 0; i < SIM_QUEUES; i++)
        read_queue(m, w, i, was_stopped);
    judge_missing(m, numbers);
    judge_gaps(m);
    judge_groups(m);
    prepared_judge(m, w, was_stopped);
    operated_judge(m, w);
    delayed_judge(m, w, was_stopped);
    take_over(m);
}

void verdict_bindings(struct model *m, struct world *w)
{
    for (uint32_t i = 0; i < SIM_EXCHANGES; i++)
        judge_bindings(m, w, i);
}

static void count_all_as_answered(struct model *m)
{
    for (uint32_t i = 1; i < m->messages_count; i++) {
        model_confirm(m, i);
        for (uint32_t n = 0; n < m->messages[i].copies_count; n++) {
            struct sim_copy *c = &m->messages[i].copies[n];
            if (c->is_dead)
                continue;
            c->must_be_gone |= (c->gone & (GONE_SETTLED | GONE_COMMITTED | GONE_REJECTED)) != 0;
        }
    }
}

static void judge_queue(struct model *m, struct world *w, uint32_t queue)
{
    const struct topology_queue *def = world_queue(w, SIM_QUEUE_NAMES[queue]);
    struct sim_queue *q = &m->queues[queue];
    const char *name = SIM_QUEUE_NAMES[queue];
    enum certainty state = q->name.state;

    if (state == PRESENT && !q->is_durable)
        state = q->name.may_hide ? UNKNOWN : ABSENT;
    if (q->is_auto_delete && q->was_consumed && state == PRESENT)
        state = UNKNOWN;
    if (def != NULL && (!def->is_durable || def->is_exclusive))
        sim_fail(m, "queue %s is back and was not durable", name);
    if (def == NULL && state == PRESENT)
        sim_fail(m, "queue %s was declared with an answer and is gone", name);
    if (def != NULL && state == ABSENT)
        sim_fail(m, "queue %s was deleted with an answer, or not durable, and is back", name);
    if (def != NULL && state == PRESENT &&
        (def->ref.number != q->number || def->is_auto_delete != q->is_auto_delete))
        sim_fail(m, "queue %s is back as another one", name);
    *q = (struct sim_queue){.name.state = def != NULL ? PRESENT : ABSENT,
                            .was_ever_read = q->was_ever_read,
                            .rules = q->rules};
    if (def != NULL) {
        q->number = def->ref.number;
        q->is_durable = true;
        q->is_auto_delete = def->is_auto_delete;
    }
}

static void judge_exchange(struct model *m, struct world *w, uint32_t exchange)
{
    const struct exchange *e = world_exchange(w, SIM_EXCHANGE_NAMES[exchange]);
    struct sim_exchange *x = &m->exchanges[exchange];
    const char *name = SIM_EXCHANGE_NAMES[exchange];
    enum certainty state = x->name.state;

    if (state == PRESENT && !x->is_durable)
        state = x->name.may_hide ? UNKNOWN : ABSENT;
    if (x->is_auto_delete && x->was_bound && state == PRESENT)
        state = UNKNOWN;
    if (e != NULL && !e->is_durable)
        sim_fail(m, "exchange %s is back and was not durable", name);
    if (e == NULL && state == PRESENT)
        sim_fail(m, "exchange %s was declared with an answer and is gone", name);
    if (e != NULL && state == ABSENT)
        sim_fail(m, "exchange %s was deleted with an answer, or not durable, and is back", name);
    if (e != NULL && state == PRESENT && exchange >= SIM_EXCHANGES_OWN &&
        (e->type != (enum exchange_type)x->type || e->is_auto_delete != x->is_auto_delete))
        sim_fail(m, "exchange %s is back as another one", name);
    x->name = (struct sim_name){.state = e != NULL ? PRESENT : ABSENT};
    x->binding = 0;
    if (e == NULL)
        return;
    x->is_durable = true;
    x->is_auto_delete = e->is_auto_delete;
    x->type = (uint8_t)e->type;
}

/* After exchanges and queues, which say whether there can be any. */
static void judge_bindings(struct model *m, struct world *w, uint32_t exchange)
{
    const struct exchange *e = world_exchange(w, SIM_EXCHANGE_NAMES[exchange]);

    for (uint32_t d = 0; d < SIM_DESTINATIONS; d++)
        for (uint32_t k = 0; k < SIM_KEYS; k++) {
            struct sim_binding *b = &m->bindings[exchange][d][k];
            if (e != NULL)
                judge_binding(m, w, e, d, b, SIM_KEY_NAMES[k]);
            else
                b->name = (struct sim_name){.state = ABSENT};
        }
}

static void judge_binding(struct model *m, struct world *w, const struct exchange *e,
                          uint32_t destination, struct sim_binding *b, const char *key)
{
    bool to_queue = destination < SIM_QUEUES;
    const char *name = to_queue ? SIM_QUEUE_NAMES[destination]
                                : SIM_EXCHANGE_NAMES[destination - SIM_QUEUES];
    const struct topology_queue *q = to_queue ? world_queue(w, name) : NULL;
    const struct exchange *to = to_queue ? NULL : world_exchange(w, name);
    struct binding *found = NULL;

    if (q != NULL || to != NULL)
        SL_ASSERT(bindings_find(e->bindings, (struct exchange *)(uintptr_t)to,
                                (struct topology_queue *)(uintptr_t)q, sl_bytes_of(key),
                                (struct sl_bytes){NULL, 0}, &found) == SL_OK);
    bool is_there = found != NULL;
    enum certainty state = b->name.state;
    if (state == PRESENT && (q == NULL || q->ref.number != b->number) &&
        (to == NULL || to->is_auto_delete))
        state = UNKNOWN; /* an end went, or may have gone, and came back */
    if (state == PRESENT && e->is_auto_delete)
        state = UNKNOWN;
    if (state == PRESENT && !is_there)
        sim_fail(m, "the binding of %s to %.*s by %s was answered and is gone", name,
                 (int)e->name.len, (const char *)e->name.at, key);
    if (state == ABSENT && is_there)
        sim_fail(m, "the binding of %s to %.*s by %s is back", name, (int)e->name.len,
                 (const char *)e->name.at, key);
    b->name = (struct sim_name){.state = is_there ? PRESENT : ABSENT};
    b->number = q == NULL ? 0 : q->ref.number;
}

static void read_queue(struct model *m, struct world *w, uint32_t queue, bool was_stopped)
{
    struct reading r = {
        .m = m, .queue = queue, .number = m->queues[queue].number, .was_stopped = was_stopped};

    world_read_queue(w, SIM_QUEUE_NAMES[queue], judge_entry, &r);
}

static void judge_entry(void *context, const struct world_entry *entry)
{
    struct reading *r = context;
    struct model *m = r->m;
    const struct message *msg = entry->entry.msg;
    const char *queue = SIM_QUEUE_NAMES[r->queue];
    uint32_t number = model_read_body(m, message_body(msg));

    if (number == 0)
        sim_fail(m, "queue %s holds what nobody published", queue);
    struct sim_copy *c = model_copy(m, number, r->queue);
    if (c == NULL || (c->number != r->number && !c->is_grave) || !c->is_logged)
        sim_fail(m, "queue %s holds message %u, which it should not have", queue, number);
    if (!properties_are_persistent(message_properties(msg)))
        sim_fail(m, "message %u of %s has other properties", number, queue);
    if (c->is_found)
        sim_fail(m, "message %u is in %s twice", number, queue);
    if (c->is_dead)
        sim_fail(m, "message %u of %s was gone at an earlier start", number, queue);
    if (c->must_be_gone)
        sim_fail(m, "message %u of %s was settled with an answer and is back", number, queue);
    judge_order(r, number, &entry->entry);
    if (!c->is_grave) /* it may have died anew meanwhile */
        judge_count(r, number, c, &entry->entry);
    c->is_found = true;
    c->shown = entry->entry.returns;
    m->totals->recovered++;
}

/* The highest priority first, and each in its order; the grave's is that of deaths. */
static void judge_order(struct reading *r, uint32_t number, const struct entry *entry)
{
    uint32_t row = model_row(r->m, number, r->queue);
    const char *queue = SIM_QUEUE_NAMES[r->queue];

    if (r->last_seq != 0 && (entry->priority > r->level ||
                             (entry->priority == r->level && entry->seq.v <= r->last_seq)))
        sim_fail(r->m, "message %u of %s stands out of its order", number, queue);
    if (number < r->newest[row] && !model_copy(r->m, number, r->queue)->is_grave)
        sim_fail(r->m, "message %u of %s stands behind %u, which was published later", number,
                 queue, r->newest[row]);
    r->last_seq = entry->seq.v;
    r->level = entry->priority;
    r->newest[row] = number;
}

static void judge_count(const struct reading *r, uint32_t number, const struct sim_copy *c,
                        const struct entry *entry)
{
    const char *queue = SIM_QUEUE_NAMES[r->queue];
    uint32_t returns = entry->returns;
    bool is_redelivered = entry_is_redelivered(entry);

    if (returns < c->synced)
        sim_fail(r->m, "message %u of %s came back %u times, synced, and says %u", number, queue,
                 c->synced, returns);
    if (c->was_out && !is_redelivered)
        sim_fail(r->m, "message %u of %s was out and does not say redelivered", number, queue);
    /* With priorities the mark is passed by what was discarded before its turn. */
    if (r->was_stopped && is_redelivered && !r->m->queues[r->queue].was_ever_read &&
        r->m->queues[r->queue].rules.max_priority == 0)
        sim_fail(r->m, "message %u of %s says redelivered and was never out", number, queue);
}

/* Or it is a dead letter, or was one. */
static bool may_be_gone(struct model *m, uint32_t message, const struct sim_copy *c)
{
    const struct sim_copy *grave = model_other_end(m, message, c);

    if (grave != NULL && c->queue == SIM_MORTAL)
        return (c->gone & ~GONE_REJECTED) != 0 || grave->is_found || grave->gone != 0;
    return c->gone != 0;
}

static void judge_missing(struct model *m, uint64_t numbers[SIM_QUEUES])
{
    for (uint32_t i = 1; i < m->messages_count; i++)
        for (uint32_t n = 0; n < m->messages[i].copies_count; n++) {
            struct sim_copy *c = &m->messages[i].copies[n];
            const struct sim_copy *other = model_other_end(m, i, c);
            if (c->is_found && other != NULL && other->is_found)
                sim_fail(m, "message %u is in %s and is a dead letter, too", i,
                         SIM_QUEUE_NAMES[SIM_MORTAL]);
            if (c->is_found && other != NULL && other->is_grave && other->must_be_gone)
                sim_fail(m, "message %u is in %s, and was settled with an answer elsewhere", i,
                         SIM_QUEUE_NAMES[c->queue]);
            if (c->is_dead || c->is_found || c->is_grave)
                continue;
            if (!c->is_logged || c->number != numbers[c->queue])
                c->is_dead = true;
            else if (c->is_confirmed && !may_be_gone(m, i, c))
                sim_fail(m, "message %u was confirmed and is not in %s", i,
                         SIM_QUEUE_NAMES[c->queue]);
        }
}

/* What was published again has its place behind what was published before that. */
static void judge_gaps(struct model *m)
{
    uint32_t missing[SIM_SESSIONS_MAX] = {0};
    uint32_t behind[SIM_SESSIONS_MAX] = {0};

    for (uint32_t i = 1; i < m->messages_count; i++) {
        const struct sim_message *msg = &m->messages[i];
        for (uint32_t n = 0; n < msg->copies_count; n++) {
            const struct sim_copy *c = &msg->copies[n];
            if (c->is_dead || c->is_grave)
                continue;
            uint32_t place = msg->again > i ? msg->again : i;
            uint32_t *gap = &missing[msg->session];
            if (!c->is_found && !may_be_gone(m, i, c) &&
                (*gap == 0 || place < behind[msg->session])) {
                *gap = i;
                behind[msg->session] = place;
            }
            if (c->is_found && *gap != 0 && i >= behind[msg->session])
                sim_fail(m, "message %u is there, and %u of the same publisher is not", i,
                         missing[msg->session]);
        }
    }
}

static void judge_groups(struct model *m)
{
    uint8_t *seen = calloc(m->groups + 1, 1); /* 1: done, 2: not done */

    SL_ASSERT(seen != NULL);
    for (uint32_t i = 0; i < m->parts_count; i++) {
        const struct sim_part *p = &m->parts[i];
        const struct sim_copy *c = model_copy(m, p->message, p->queue);
        if (c->is_dead)
            continue; /* its queue is gone */
        if (c->is_found)
            seen[p->group] |= p->is_settle ? 2 : 1;
        else if (!p->is_settle && !may_be_gone(m, p->message, c))
            seen[p->group] |= 2;
        else if (p->is_settle && c->is_confirmed && c->gone == GONE_COMMITTED &&
                 model_other_end(m, p->message, c) == NULL) /* else it may have died */
            seen[p->group] |= 1;
        if (seen[p->group] == 3)
            sim_fail(m, "transaction %u has taken effect in part: message %u of %s", p->group,
                     p->message, SIM_QUEUE_NAMES[p->queue]);
    }
    free(seen);
}

static void take_over(struct model *m)
{
    for (uint32_t i = 1; i < m->messages_count; i++)
        for (uint32_t n = 0; n < m->messages[i].copies_count; n++) {
            struct sim_copy *c = &m->messages[i].copies[n];
            if (!c->is_found) {
                const struct sim_copy *from = c->is_grave ? model_other_end(m, i, c) : NULL;
                if (from == NULL || !from->is_found)
                    c->is_dead = true;
                else /* nobody ever died */
                    *c = (struct sim_copy){.queue = c->queue,
                                           .gone = c->gone & (GONE_RULED | GONE_HANDED_OVER),
                                           .is_logged = c->is_logged,
                                           .is_grave = true};
                continue;
            }
            c->is_confirmed = true;
            c->gone = model_ruled(m, i, c->queue);
            c->is_settled = c->was_out_now = false;
            c->holder = 0;
            if (c->is_grave) {
                c->synced = 0;
                c->was_out = false;
            }
            c->returned = c->synced;
        }
    m->parts_count = 0;
    m->notes_count = 0;
    m->life++;
}
