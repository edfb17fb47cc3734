/* shard_inbox.c - each kind of item, and who it is for. */
#include "core/shard_inbox.h"

#include "core/admission.h"
#include "core/base/limits.h"
#include "core/browse.h"
#include "core/commands.h"
#include "core/consumer.h"
#include "core/delayed.h"
#include "core/desk.h"
#include "core/evacuation.h"
#include "core/expiry.h"
#include "core/inquiry.h"
#include "core/inspect.h"
#include "core/policing.h"
#include "core/queue.h"
#include "core/recall.h"
#include "core/snapshot.h"

#include <stdlib.h>

static uint32_t take_item(struct shard *s, const struct lane_item *item,
                          const struct lane_batch *batch);
static void take_fetched(struct shard *s, struct fetch_request *r);
static enum inquiry_verdict take_enqueue(struct shard *s, const struct lane_item *item,
                                         const struct lane_batch *batch);
static void abandon(struct shard *s, struct slot_ref at);
static void forget(struct shard *s, struct slot_ref at, sl_seq seq);
static void forget_all(struct shard *s, struct slot_ref at, struct dedup_purge *purge);
static void take_asked(struct shard *s, const struct lane_item *item,
                       const struct lane_batch *batch);
static void take_refused(struct shard *s, struct inquiry *i, struct slot_ref at, uint64_t time);
static void drop_duplicate(struct queue *q, struct message *msg);
static void obey_rules(struct shard *s, const struct queue *q, uint64_t time, struct entry *entry);
static void drop_item(const struct lane_item *item);

bool shard_inbox_take(struct shard *s, const struct lane_batch *batch, uint32_t *budget)
{
    if (batch->base > s->newest)
        s->newest = batch->base;
    if (batch->time > s->now)
        s->now = batch->time;
    for (; s->todo_at < batch->count; s->todo_at++) {
        const struct lane_item *item = &batch->items[s->todo_at];
        if (s->ahead.is_on)
            dedup_look_ahead(s, batch, s->todo_at);
        uint32_t cost = take_item(s, item, batch);
        if (s->ahead.is_on)
            dedup_ahead_done(&s->ahead, s->todo_at);

        if (cost >= *budget) {
            *budget = 0;
            s->todo_at++;
            return s->todo_at == batch->count;
        }
        *budget -= cost;
    }
    return true;
}

void shard_inbox_drop(struct lane_batch *batch, uint32_t from)
{
    for (uint32_t i = from; i < batch->count; i++)
        drop_item(&batch->items[i]);
    lane_batch_free(batch);
}

/* Returns what it cost of a run's budget. */
static uint32_t take_item(struct shard *s, const struct lane_item *item,
                          const struct lane_batch *batch)
{
    struct consumer *c;

    switch (item->kind & ~LANE_ADMITTED) {
    case LANE_ENQUEUE:
    case LANE_ENQUEUE_GROUPED: take_enqueue(s, item, batch); return 1;
    case LANE_ENQUEUE_ASKED: take_asked(s, item, batch); return 1;
    case LANE_REFUSED: take_refused(s, item->inquiry, item->at, batch->time); return 1;
    case LANE_COMMAND:
        command_execute(s, item->command);
        shard_command_free(item->command);
        return 1;
    case LANE_INSPECT:
        inspect_shard(s, item->page);
        inspect_reply(item->page);
        return INSPECT_STEP;
    case LANE_SNAPSHOT:
        snapshot_take(s, item->snapshot, batch->end, batch->time);
        return SL_SHARD_BUDGET;
    case LANE_FETCHED: take_fetched(s, item->fetched); return 1;
    case LANE_EVACUATE: evacuation_take(s, item->evacuation); return 1;
    case LANE_VHOST_GONE: shard_remove_queues_of(s, item->vhost); return SL_SHARD_BUDGET;
    case LANE_RULES: rules_turn_take(s, item->rules); return SL_SHARD_BUDGET;
    case LANE_CHECKED: prepared_checked(s, item, (sl_seq){batch->base + item->offset}); return 1;
    case LANE_HOLD: delayed_enter(s, item, batch->end); return 1;
    case LANE_ABANDON: abandon(s, item->at); return 1;
    case LANE_FORGET: forget(s, item->at, (sl_seq){item->first_loan}); return 1;
    case LANE_FORGET_ALL: forget_all(s, item->at, item->purge); return 1;
    case LANE_TASK: item->task->run(item->task, item->task->client); return 1;
    default:
        c = slot_table_get(&s->consumers, item->at);
        if (c != NULL) /* else it went with its queue, and the loans with it */
            consumer_settle(s, c, item->first_loan, item->offset, item->kind);
        return item->offset;
    }
}

/* A request that names no queue is the evacuation's. */
static void take_fetched(struct shard *s, struct fetch_request *r)
{
    if (r->waiting != NULL)
        browse_fetched(s, r);
    else if (r->queue.generation == 0)
        evacuation_fetched(s, r);
    else
        recall_take(s, r);
}

static enum inquiry_verdict take_enqueue(struct shard *s, const struct lane_item *item,
                                         const struct lane_batch *batch)
{
    struct queue *q = shard_queue(s, item->at);

    if (q == NULL) { /* deleted between routing and here */
        message_unref(item->msg);
        return INQUIRY_GONE;
    }
    if (q->ref.admission != NULL && (item->kind & LANE_ADMITTED) == 0)
        admission_add(q->ref.admission, 1, message_body(item->msg).len);
    sl_seq seq = {batch->base + item->offset};
    struct entry entry = entry_of(item->msg, seq);
    if (queue_logs(q, item->msg)) {
        entry.flags = ENTRY_LOGGED;
        entry.place.v = batch->start.v + item->msg->log_at;
    }
    if (q->prepared != NULL) {
        prepared_arrive(s, q, &entry, batch->time);
        return INQUIRY_TAKEN;
    }
    if (q->delayed != NULL) {
        bool is_grouped = (item->kind & ~LANE_ADMITTED) == LANE_ENQUEUE_GROUPED;
        delayed_arrive(s, q, &entry, batch->time, is_grouped ? batch->end : (sl_lsn){0});
        return INQUIRY_TAKEN;
    }
    if (dedup_concerns(&q->dedup_rules, item->msg) &&
        dedup_is_duplicate(s, q, &entry, batch->time)) {
        drop_duplicate(q, item->msg);
        return INQUIRY_DUPLICATE;
    }
    if (q->rules.is_any || item->msg->expires)
        obey_rules(s, q, batch->time, &entry);
    shard_begin_entry(s, &entry);
    queue_push(q, &entry);
    if (entry.deadline != 0)
        expiry_watch(s, q);
    if ((item->kind & LANE_ENQUEUE_GROUPED) != 0)
        queue_add_gate(q, seq, batch->end);
    shard_queue_is_busy(s, q);
    return INQUIRY_TAKEN;
}

static void abandon(struct shard *s, struct slot_ref at)
{
    struct queue *q = shard_queue(s, at);

    if (q != NULL)
        shard_remove_queue(s, q);
}

static void forget(struct shard *s, struct slot_ref at, sl_seq seq)
{
    struct queue *q = shard_queue(s, at);

    if (q != NULL)
        queue_forget_id(s, q, seq);
}

static void forget_all(struct shard *s, struct slot_ref at, struct dedup_purge *purge)
{
    struct queue *q = shard_queue(s, at);

    if (q != NULL)
        dedup_purge_take(s, q, purge);
    free(purge);
}

static void take_asked(struct shard *s, const struct lane_item *item,
                       const struct lane_batch *batch)
{
    struct lane_item enqueue = *item;

    enqueue.kind = LANE_ENQUEUE | (item->kind & LANE_ADMITTED);
    enqueue.msg = item->inquiry->msg;
    inquiry_decide(s, item->inquiry, take_enqueue(s, &enqueue, batch));
}

/* Its publisher got no place. */
static void take_refused(struct shard *s, struct inquiry *i, struct slot_ref at, uint64_t time)
{
    struct queue *q = shard_queue(s, at);
    struct message *msg = i->msg;

    if (q == NULL) {
        inquiry_decide(s, i, INQUIRY_GONE);
    } else if (dedup_concerns(&q->dedup_rules, msg) && dedup_knows(s, q, msg, time)) {
        inquiry_decide(s, i, INQUIRY_DUPLICATE);
    } else {
        counter_add(&s->counters->refused, 1);
        queue_refuse(s, q, msg);
        inquiry_decide(s, i, INQUIRY_REFUSED);
    }
    message_unref(msg);
}

/* Its publisher took a place. */
static void drop_duplicate(struct queue *q, struct message *msg)
{
    if (q->ref.admission != NULL)
        admission_give(q->ref.admission, 1, message_body(msg).len);
    message_unref(msg);
}

static void obey_rules(struct shard *s, const struct queue *q, uint64_t time, struct entry *entry)
{
    struct sl_bytes properties = message_properties(entry->msg);

    entry->priority = rules_priority(&q->rules, properties);
    entry->deadline = rules_deadline(&q->rules, properties, time);
    if (entry->seq.v < s->fresh)
        s->fresh = entry->seq.v;
}

static void drop_item(const struct lane_item *item)
{
    switch (item->kind & ~LANE_ADMITTED) {
    case LANE_ENQUEUE:
    case LANE_ENQUEUE_GROUPED: message_unref(item->msg); break;
    case LANE_ENQUEUE_ASKED:
    case LANE_REFUSED:
        message_unref(item->inquiry->msg);
        inquiry_drop(item->inquiry);
        break;
    case LANE_RULES: rules_turn_unref(item->rules); break;
    case LANE_COMMAND: shard_command_free(item->command); break;
    case LANE_INSPECT: inspect_page_free(item->page); break;
    case LANE_SNAPSHOT: snapshot_unref(item->snapshot); break;
    case LANE_FETCHED: fetch_request_free(item->fetched); break;
    case LANE_EVACUATE: evacuation_leave(item->evacuation); break;
    case LANE_FORGET_ALL: free(item->purge); break;
    default: break; /* it owns nothing */
    }
}
