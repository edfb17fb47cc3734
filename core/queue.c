#include "core/queue.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/consumer.h"

#include <stdlib.h>

static void end_consumer(struct shard *s, struct consumer *c);

struct queue *queue_new(const struct topology_queue *def)
{
    struct queue *q = calloc(1, sizeof *q);

    SL_ASSERT(q != NULL);
    q->ref = def->ref;
    q->def = def;
    q->name = def->name;
    q->is_auto_delete = def->is_auto_delete;
    rules_read(&q->rules, def->arguments);
    list_init(&q->able);
    list_init(&q->consumers);
    list_init(&q->of_busy);
    list_init(&q->of_waiting);
    list_init(&q->of_owner);
    return q;
}

void queue_free(struct shard *s, struct queue *q)
{
    while (!list_is_empty(&q->consumers))
        end_consumer(s, LIST_OF(q->consumers.next, struct consumer, of_queue));
    queue_empty(s, q);
    backlog_deinit(&q->backlog);
    free(q->gates);
    list_remove(&q->of_waiting);
    list_remove(&q->of_busy);
    list_remove(&q->of_owner);
    free(q);
}

bool queue_lend(struct shard *s, struct queue *q)
{
    uint32_t budget = SL_LEND_BUDGET;

    while (!list_is_empty(&q->able)) {
        struct consumer *c = LIST_OF(q->able.next, struct consumer, of_able);
        struct entry next;
        if (queue_peek(s, q, &next) != BACKLOG_READY)
            return false;
        if ((q->gates_count != 0 || q->ref.number != 0) && !queue_may_lend(s, q, &next))
            return false;
        if (!consumer_can_take(s, c))
            continue; /* it has left able */
        queue_pop(s, q, &next);
        consumer_deliver(s, c, &next);
        if (q->able.next != q->able.prev) { /* the next one's turn */
            list_remove(&c->of_able);
            list_push(&q->able, &c->of_able);
        }
        if (--budget == 0)
            return true;
    }
    return false;
}

enum backlog_head queue_peek(struct shard *s, struct queue *q, struct entry *out)
{
    (void)s;
    return backlog_peek(&q->backlog, out);
}

void queue_pop(struct shard *s, struct queue *q, struct entry *out)
{
    (void)s;
    backlog_pop(&q->backlog, out);
    if ((out->flags & ENTRY_LOGGED) != 0 && out->seq.v > q->lent)
        q->lent = out->seq.v;
}

void queue_return(struct shard *s, struct queue *q, const struct entry *entry)
{
    (void)s;
    backlog_return(&q->backlog, entry);
}

uint64_t queue_purge(struct shard *s, struct queue *q)
{
    uint64_t count = q->backlog.count;
    struct entry entry;

    while (backlog_peek(&q->backlog, &entry) == BACKLOG_READY) {
        backlog_pop(&q->backlog, &entry);
        if ((entry.flags & ENTRY_LOGGED) != 0)
            journal_settled(&s->run->journal, q->ref.number, entry.seq);
        shard_end_entry(s, &entry);
    }
    return count;
}

void queue_empty(struct shard *s, struct queue *q)
{
    struct entry entry;

    while (backlog_peek(&q->backlog, &entry) == BACKLOG_READY) {
        backlog_pop(&q->backlog, &entry);
        shard_end_entry(s, &entry);
    }
}

void queue_add_gate(struct queue *q, sl_seq seq, sl_lsn lsn)
{
    if (q->gates_count > 0) {
        struct queue_gate *last = &q->gates[(q->gates_first + q->gates_count - 1) % q->gates_room];
        if (last->lsn.v == lsn.v)
            return; /* the same group: its first entry's gate is enough */
    }
    if (q->gates_count == q->gates_room) {
        uint32_t room = q->gates_room == 0 ? 4 : q->gates_room * 2;
        struct queue_gate *gates = malloc(room * sizeof *gates);
        SL_ASSERT(gates != NULL);
        for (uint32_t i = 0; i < q->gates_count; i++)
            gates[i] = q->gates[(q->gates_first + i) % q->gates_room];
        free(q->gates);
        q->gates = gates;
        q->gates_first = 0;
        q->gates_room = room;
    }
    q->gates[(q->gates_first + q->gates_count++) % q->gates_room] = (struct queue_gate){seq, lsn};
}

bool queue_may_lend(struct shard *s, struct queue *q, const struct entry *next)
{
    if (q->next_mark != q->mark && sl_lsn_reached(shard_durable(s), q->mark_place))
        q->mark = q->next_mark; /* first: see queue_is_freed_by */
    while (q->gates_count > 0) {
        struct queue_gate *gate = &q->gates[q->gates_first];
        if (!sl_lsn_reached(shard_durable(s), gate->lsn)) {
            if (next->seq.v < gate->seq.v)
                break;
            shard_queue_waits(s, q);
            return false;
        }
        q->gates_first = (q->gates_first + 1) % q->gates_room;
        q->gates_count--;
    }
    if ((next->flags & ENTRY_LOGGED) == 0)
        return true;
    /* Less than half a step is left: the next one is logged now. */
    if (next->seq.v + QUEUE_MARK_STEP / 2 >= q->mark && q->next_mark == q->mark)
        queue_extend_mark(s, q);
    if (next->seq.v > q->mark) {
        shard_queue_waits(s, q);
        return false;
    }
    return true;
}

bool queue_is_freed_by(const struct queue *q, sl_lsn durable)
{
    return (q->gates_count > 0 && sl_lsn_reached(durable, q->gates[q->gates_first].lsn)) ||
           (q->next_mark != q->mark && sl_lsn_reached(durable, q->mark_place));
}

void queue_check(const struct queue *q)
{
    uint64_t out = 0;
    uint32_t count = 0;

    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next) {
        struct consumer *c = LIST_OF(at, struct consumer, of_queue);
        out += c->out;
        count += !c->is_getter && !c->is_cancelled;
        SL_ASSERT(c->queue == q);
        SL_ASSERT(c->is_no_ack || c->is_getter || c->out <= c->prefetch);
    }
    SL_ASSERT(out == q->out);
    SL_ASSERT(count == q->consumers_count);
}

void queue_extend_mark(struct shard *s, struct queue *q)
{
    struct log_run *record = &s->run->at_once;
    uint64_t newest = q->backlog.last.v > q->mark ? q->backlog.last.v : q->mark;

    q->next_mark = newest + QUEUE_MARK_STEP;
    journal_lent(record, q->ref.number, q->next_mark);
    q->mark_place = order_append(s->run->order, record);
}

/* The queue goes away under its consumer: its session is told, its loans end. */
static void end_consumer(struct shard *s, struct consumer *c)
{
    struct peer *p = c->peer;

    if (!c->is_getter && !c->is_cancelled) {
        struct cancelled_mail *mail = calloc(1, sizeof *mail);
        SL_ASSERT(mail != NULL);
        mail->mail.kind = MAIL_CANCELLED;
        mail->mail.to = p->handle;
        mail->cookie = c->cookie;
        peer_flush(s, p);
        shard_post(s, &mail->mail);
    }
    consumer_forget_all(s, c);
    consumer_free(s, c);
}
