#include "core/inspect.h"

#include "core/base/limits.h"
#include "core/broker_parts.h"
#include "core/dispatch.h"
#include "core/levels.h"
#include "core/retry.h"

#include <stdlib.h>

#define LOANS_LOOKED_AT 10000u /* of a queue, for its oldest message */

void inspect_date(struct broker *b, struct inspect_page *page)
{
    struct topology *t = b->topology;
    uint64_t now_ms = order_time(&b->order);

    topology_lock(t);
    for (struct inspect_row *at = page->first; at != NULL; at = at->next) {
        struct inspect_queue *row = (struct inspect_queue *)at;
        uint64_t then_ms = row->oldest.v == 0 ? 0 : ages_time(&t->ages, row->oldest.v);
        row->oldest_age_ms = then_ms == 0 || then_ms > now_ms ? 0 : now_ms - then_ms;
    }
    topology_unlock(t);
}

static bool is_for_shard(enum inspect_subject subject);
static void post_to_shard(struct shard *s, struct inspect_page *page);
static void total_queue(struct inspect_page *page, const struct queue *q);
static void list_queue(const struct shard *s, struct inspect_page *page, struct queue *q);
static sl_seq oldest_of(struct queue *q);
static void older_backlog(void *context, uint8_t priority, struct backlog *b);
static void older(void *context, const struct entry *entry);
static void list_consumer(struct inspect_page *page, const struct consumer *c);
static bool is_wanted(const struct inspect_page *page, const struct topology_queue *def);

struct inspect_page *inspect_page_new(enum inspect_subject subject, uint32_t worker,
                                      uint64_t ticket, struct mailbox *asker)
{
    struct inspect_page *page = calloc(1, sizeof *page);

    if (page == NULL)
        return NULL;
    page->mail.kind = MAIL_INSPECT;
    page->mail.to.worker = worker;
    page->subject = subject;
    page->worker = worker;
    page->ticket = ticket;
    page->asker = asker;
    arena_init(&page->arena);
    return page;
}

void inspect_page_free(struct inspect_page *page)
{
    arena_deinit(&page->arena);
    free(page);
}

void *inspect_row_new(struct inspect_page *page, size_t size)
{
    struct inspect_row *row = page->is_short ? NULL : arena_take(&page->arena, size);

    if (row == NULL) {
        page->is_short = page->is_done = true;
        return NULL;
    }
    memset(row, 0, size);
    if (page->first == NULL)
        page->first = row;
    else
        page->last->next = row;
    page->last = row;
    page->count++;
    return row;
}

struct sl_bytes inspect_copy(struct inspect_page *page, struct sl_bytes bytes)
{
    uint8_t *at = bytes.len == 0 ? NULL : arena_take(&page->arena, bytes.len);

    if (at == NULL) {
        if (bytes.len != 0)
            page->is_short = page->is_done = true;
        return (struct sl_bytes){NULL, 0};
    }
    memcpy(at, bytes.at, bytes.len);
    return (struct sl_bytes){at, bytes.len};
}

struct sl_bytes inspect_copy_text(struct inspect_page *page, const char *text)
{
    return inspect_copy(page, sl_bytes_of(text));
}

void inspect_ask(struct broker *b, struct inspect_page *page)
{
    struct broker_worker *w = broker_worker_at(b, page->worker);

    if (is_for_shard(page->subject)) {
        post_to_shard(w->shard, page);
        return;
    }
    if (mailbox_post(&w->inbox, (struct mail_chain){&page->mail.node, &page->mail.node}))
        mailbox_wake(&w->inbox);
}

void inspect_reply(struct inspect_page *page)
{
    struct mailbox *asker = page->asker; /* the page is not ours once it is posted */

    page->mail.node.next = NULL;
    if (mailbox_post(asker, (struct mail_chain){&page->mail.node, &page->mail.node}))
        mailbox_wake(asker);
}

void inspect_shard(struct shard *s, struct inspect_page *page)
{
    if (page->subject == INSPECT_PREPARED) {
        prepared_list(s, page);
        return;
    }
    bool of_consumers = page->subject == INSPECT_CONSUMERS;
    uint32_t room = of_consumers ? s->consumers.room : s->queues_room;
    uint32_t left = INSPECT_STEP;

    for (; page->cursor < room && left > 0 && !page->is_short; page->cursor++, left--) {
        struct queue *q = of_consumers ? NULL : s->queues[page->cursor];
        const struct consumer *c = of_consumers ? s->consumers.slots[page->cursor].object : NULL;

        if (c != NULL && !c->is_getter && !c->is_cancelled && is_wanted(page, c->queue->def))
            list_consumer(page, c);
        if (q == NULL || !is_wanted(page, q->def))
            continue;
        if (page->subject == INSPECT_TOTALS)
            total_queue(page, q);
        else
            list_queue(s, page, q);
    }
    page->is_done = page->is_short || page->cursor >= room;
}

static bool is_for_shard(enum inspect_subject subject)
{
    return subject <= INSPECT_PREPARED;
}

static void post_to_shard(struct shard *s, struct inspect_page *page)
{
    struct lane_batch *batch = lane_batch_new();

    batch->base = 0;
    batch->count = 1;
    batch->items[0] = (struct lane_item){.kind = LANE_INSPECT, .page = page};
    if (mailbox_post(&s->inbox, (struct mail_chain){&batch->node, &batch->node}))
        mailbox_wake(&s->inbox);
}

static void total_queue(struct inspect_page *page, const struct queue *q)
{
    struct inspect_totals *sum = (struct inspect_totals *)page->first;

    if (sum == NULL)
        sum = inspect_row_new(page, sizeof *sum);
    if (sum == NULL)
        return;
    sum->queues++;
    sum->ready += queue_ready(q);
    sum->unacked += q->out;
    sum->consumers += q->consumers_count;
}

static void list_queue(const struct shard *s, struct inspect_page *page, struct queue *q)
{
    const struct topology_queue *def = q->def;
    struct inspect_queue *row = inspect_row_new(page, sizeof *row);

    if (row == NULL)
        return;
    row->vhost = inspect_copy(page, def->vhost->name);
    row->name = inspect_copy(page, def->name);
    row->arguments = inspect_copy(page, def->arguments);
    row->is_durable = def->is_durable;
    row->is_exclusive = def->is_exclusive;
    row->is_auto_delete = def->is_auto_delete;
    row->owner = def->owner;
    if (q->effective != NULL) {
        row->policy = inspect_copy(page, q->effective->policy);
        row->operator_policy = inspect_copy(page, q->effective->by_operator);
        row->policy_keys = inspect_copy(page, q->effective->keys);
    }
    row->ready = queue_ready(q);
    row->ready_bytes = q->ready_bytes;
    row->unacked = q->out;
    row->delayed = retry_count(q);
    row->consumers = q->consumers_count;
    row->is_cluster = def->cluster != NULL;
    row->oldest = oldest_of(q);
    dedup_tell(s, q, &row->dedup);
}

/* What was lent last may be the oldest, when it had come back.  But a listing stalls no shard: of
 * more loans than that only those are looked at that each consumer has had for longest. */
static sl_seq oldest_of(struct queue *q)
{
    sl_seq oldest = {UINT64_MAX};
    size_t share = 1 + LOANS_LOOKED_AT / (1 + (size_t)q->consumers_count);

    queue_each_backlog(q, older_backlog, &oldest);
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next)
        consumer_each_early_loan(LIST_OF(at, struct consumer, of_queue), share, older, &oldest);
    return oldest.v == UINT64_MAX ? (sl_seq){0} : oldest;
}

static void older_backlog(void *context, uint8_t priority, struct backlog *b)
{
    struct entry head;

    (void)priority;
    if (backlog_peek(b, &head) != BACKLOG_EMPTY)
        older(context, &head);
}

static void older(void *context, const struct entry *entry)
{
    sl_seq *oldest = context;

    if (entry->seq.v < oldest->v)
        *oldest = entry->seq;
}

static void list_consumer(struct inspect_page *page, const struct consumer *c)
{
    const struct topology_queue *def = c->queue->def;
    struct inspect_consumer *row = inspect_row_new(page, sizeof *row);

    if (row == NULL)
        return;
    row->key = (struct inspect_consumer_key){c->peer->handle, c->cookie};
    row->vhost = inspect_copy(page, def->vhost->name);
    row->queue = inspect_copy(page, def->name);
    row->prefetch = c->prefetch == SL_LOANS_PER_CHANNEL_MAX ? 0 : c->prefetch;
    row->unacked = c->out;
    row->is_no_ack = c->is_no_ack;
    row->is_exclusive = c->queue->exclusive_consumer == c;
    row->is_active = dispatch_is_active(c);
    row->is_single = c->queue->active == c;
    row->priority = c->priority;
}

static bool is_wanted(const struct inspect_page *page, const struct topology_queue *def)
{
    if (def->is_hidden || def->is_reply ||
        (page->vhost.at != NULL && !sl_bytes_equal(page->vhost, def->vhost->name)))
        return false;
    return page->queue.at == NULL || sl_bytes_equal(page->queue, def->name);
}
