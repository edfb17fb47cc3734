#include "core/queue.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/consumer.h"
#include "core/discard.h"
#include "core/expiry.h"
#include "core/levels.h"
#include "core/limit.h"

#include <stdlib.h>

static bool lend(struct shard *s, struct queue *q);
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
    q->drops_head = rules_limit(&q->rules) && !rules_refuse(&q->rules);
    q->most_ready = q->drops_head ? q->rules.max_length : RULES_NONE;
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
    levels_deinit(q);
    due_remove(&s->dues, &q->due);
    free(q->gates);
    list_remove(&q->of_waiting);
    list_remove(&q->of_busy);
    list_remove(&q->of_owner);
    free(q);
}

bool queue_lend(struct shard *s, struct queue *q)
{
    bool more = lend(s, q);

    if (!more && q->drops_head)
        more = limit_enforce(s, q);
    if (!more && q->has_deadlines)
        more = expiry_discard(s, q);
    return more;
}

void queue_tend(struct shard *s, struct queue *q)
{
    while (q->drops_head && limit_enforce(s, q))
        continue;
    while (q->has_deadlines && expiry_discard(s, q))
        continue;
}

static bool lend(struct shard *s, struct queue *q)
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

void queue_push(struct queue *q, const struct entry *entry)
{
    backlog_push(queue_level(q, entry->priority), entry);
    q->ready_bytes += entry->body_len;
    q->has_deadlines |= entry->deadline != 0;
}

void queue_restored(struct shard *s, struct queue *q)
{
    s->now = order_time(s->run->order);
    expiry_watch(s, q);
    expiry_renew(s, q);
    shard_queue_is_busy(s, q); /* a limit holds at once */
}

enum backlog_head queue_peek(struct shard *s, struct queue *q, struct entry *out)
{
    for (;;) {
        enum backlog_head head = backlog_peek(queue_front(q), out);
        if (head != BACKLOG_READY || !q->has_deadlines || !expiry_is_due(s, out))
            return head;
        queue_pop(s, q, out);
        queue_discard(s, q, out, DISCARD_EXPIRED);
    }
}

void queue_pop(struct shard *s, struct queue *q, struct entry *out)
{
    backlog_pop(queue_front(q), out);
    q->ready_bytes -= out->body_len;
    if ((out->flags & ENTRY_LOGGED) != 0 && out->seq.v > q->lent)
        q->lent = out->seq.v;
    if (q->has_deadlines)
        expiry_watch(s, q);
}

void queue_return(struct shard *s, struct queue *q, const struct entry *entry)
{
    backlog_return(queue_level(q, entry->priority), entry);
    q->ready_bytes += entry->body_len;
    if (q->has_deadlines)
        expiry_watch(s, q);
}

uint64_t queue_purge(struct shard *s, struct queue *q)
{
    queue_tend(s, q);
    uint64_t count = queue_count(q);
    struct entry entry;

    while (backlog_peek(queue_front(q), &entry) == BACKLOG_READY) {
        backlog_pop(queue_front(q), &entry);
        q->ready_bytes -= entry.body_len;
        if ((entry.flags & ENTRY_LOGGED) != 0)
            journal_settled(&s->run->journal, q->ref.number, entry.seq);
        shard_end_entry(s, &entry);
    }
    return count;
}

void queue_empty(struct shard *s, struct queue *q)
{
    struct entry entry;

    while (backlog_peek(queue_front(q), &entry) == BACKLOG_READY) {
        backlog_pop(queue_front(q), &entry);
        q->ready_bytes -= entry.body_len;
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
    uint64_t pushed = queue_newest(q).v;
    uint64_t newest = pushed > q->mark ? pushed : q->mark;

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
