/* queue_gates.c - the part of queue.h about what may not be lent before the log is durable: behind
 * a gate, a group that is not whole there yet; above the mark, what a restart would not know to
 * have been out. */
#include "core/base/assert.h"
#include "core/levels.h"
#include "core/queue.h"

#include <stdlib.h>

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

void queue_extend_mark(struct shard *s, struct queue *q)
{
    struct log_run *record = &s->run->at_once;
    uint64_t pushed = queue_newest(q).v;
    uint64_t newest = pushed > q->mark ? pushed : q->mark;

    q->next_mark = newest + QUEUE_MARK_STEP;
    journal_lent(record, q->ref.number, q->next_mark);
    q->mark_place = order_append(s->run->order, record);
}
