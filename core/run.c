#include "core/run.h"

#include "core/base/assert.h"
#include "core/credit.h"
#include "core/inquiry.h"

#include <stdlib.h>

/* Batches wander from the worker that fills them to the shard that empties them, and mostly
 * that is the same thread: each thread keeps a few. */
#define SPARE_BATCHES_MAX 32u

static _Thread_local struct mail_node *spare_batches;
static _Thread_local uint32_t spare_count;

void run_init(struct run *r, struct order *order, uint32_t self, struct mailbox **inboxes,
              uint32_t n)
{
    *r = (struct run){.order = order, .self = self, .lanes_count = n};
    r->journal.is_off = order->log == NULL;
    r->lanes = calloc(n, sizeof *r->lanes);
    SL_ASSERT(r->lanes != NULL);
    for (uint32_t i = 0; i < n; i++)
        r->lanes[i].to = inboxes[i];
}

void run_deinit(struct run *r)
{
    SL_ASSERT(run_is_empty(r));
    log_run_clear(&r->journal.run);
    log_run_clear(&r->at_once);
    free(r->lanes);
}

struct lane_item *run_add(struct run *r, uint32_t shard)
{
    struct lane *lane = &r->lanes[shard];
    struct lane_batch *batch = lane->last;

    if (batch == NULL || batch->count == SL_LANE_ITEMS) {
        batch = lane_batch_new();
        if (lane->last == NULL)
            lane->first = batch;
        else
            lane->last->node.next = &batch->node;
        lane->last = batch;
    }
    r->items++;
    return &batch->items[batch->count++];
}

void run_publish(struct run *r, uint32_t offset, const struct route *route, struct message *msg)
{
    enum lane_kind kind = r->group > 0 ? LANE_ENQUEUE_GROUPED : LANE_ENQUEUE;

    if (route->count > 1)
        message_ref_unshared(msg, route->count - 1);
    for (uint32_t i = 0; i < route->count; i++) {
        struct lane_item *item = run_add(r, route->targets[i].shard);
        item->at = route->targets[i].at;
        item->kind = kind | (route->targets[i].admission != NULL ? LANE_ADMITTED : 0);
        item->offset = offset;
        item->msg = msg;
    }
}

void run_publish_asking(struct run *r, uint32_t offset, const struct route *route,
                        struct inquiry *inquiry)
{
    SL_ASSERT(r->group == 0);
    for (uint32_t i = 0; i < route->count; i++) {
        struct lane_item *item = run_add(r, route->targets[i].shard);
        item->at = route->targets[i].at;
        item->kind = LANE_ENQUEUE_ASKED |
                     (route->targets[i].admission != NULL ? LANE_ADMITTED : 0u);
        item->offset = offset;
        item->inquiry = inquiry;
    }
}

void run_ask_full(struct run *r, const struct queue_ref *queues, uint32_t n,
                  struct inquiry *inquiry)
{
    SL_ASSERT(r->group == 0);
    for (uint32_t i = 0; i < n; i++) {
        struct lane_item *item = run_add(r, queues[i].shard);
        item->at = queues[i].at;
        item->kind = LANE_REFUSED;
        item->offset = 0;
        item->inquiry = inquiry;
    }
}

void run_group_begin(struct run *r)
{
    if (r->group++ > 0)
        return;
    journal_flush(&r->journal);
    log_run_group_begin(&r->journal.run);
}

void run_group_end(struct run *r)
{
    SL_ASSERT(r->group > 0);
    if (--r->group > 0)
        return;
    journal_flush(&r->journal);
    log_run_group_end(&r->journal.run);
}

void run_hand_over(struct run *r)
{
    struct hand_over parts[CREDIT_SHARDS_MAX];
    struct mailbox *self = r->lanes[r->self].to;
    uint32_t n = 0;

    SL_ASSERT(r->group == 0);
    if (run_is_empty(r))
        return;
    journal_flush(&r->journal);
    for (uint32_t i = 0; i < r->lanes_count; i++) {
        struct lane *lane = &r->lanes[i];
        if (lane->first == NULL)
            continue;
        parts[n++] = (struct hand_over){lane->to, lane->first, lane->last, false};
        lane->first = lane->last = NULL;
    }
    r->end = order_hand_over(r->order, &r->journal.run, parts, n, r->sequences).end;
    r->sequences = r->items = 0;
    for (uint32_t i = 0; i < n; i++)
        if (parts[i].must_wake && parts[i].to != self)
            mailbox_wake(parts[i].to);
}

struct lane_batch *lane_batch_new(void)
{
    struct lane_batch *batch;

    if (spare_batches != NULL) {
        batch = (struct lane_batch *)spare_batches;
        spare_batches = batch->node.next;
        spare_count--;
    } else {
        batch = malloc(sizeof *batch);
        SL_ASSERT(batch != NULL);
    }
    batch->node.next = NULL;
    batch->base = batch->time = 0;
    batch->start = batch->end = (sl_lsn){0};
    batch->count = 0;
    return batch;
}

void lane_batch_free(struct lane_batch *batch)
{
    if (spare_count >= SPARE_BATCHES_MAX) {
        free(batch);
        return;
    }
    batch->node.next = spare_batches;
    spare_batches = &batch->node;
    spare_count++;
}

void lane_batches_trim(void)
{
    while (spare_batches != NULL) {
        struct mail_node *next = spare_batches->next;
        free(spare_batches);
        spare_batches = next;
    }
    spare_count = 0;
}
