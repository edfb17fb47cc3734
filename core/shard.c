#include "core/shard.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/consumer.h"
#include "core/evacuation.h"
#include "core/expiry.h"
#include "core/queue.h"
#include "core/recall.h"
#include "core/rules.h"
#include "core/shard_inbox.h"

#include <stdlib.h>

static void post_safe(struct shard *s);
static void wake_waiting(struct shard *s);
static bool lend_from_busy(struct shard *s);
static void flush_peers(struct shard *s);
static void post_outlets(struct shard *s);

struct shard *shard_new(uint32_t index, uint32_t workers, struct topology *t,
                        struct mailbox **inboxes, struct mailbox **shards)
{
    struct shard *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->index = index;
    s->workers = workers;
    s->topology = t;
    s->shards = shards;
    s->fresh = UINT64_MAX;
    s->outlets = calloc(workers + 1, sizeof *s->outlets);
    if (s->outlets == NULL) {
        free(s);
        return NULL;
    }
    for (uint32_t i = 0; i <= workers; i++)
        s->outlets[i].inbox = inboxes[i];
    list_init(&s->busy);
    list_init(&s->waiting);
    list_init(&s->writing);
    list_init(&s->asking);
    list_init(&s->retrying);
    list_init(&s->parked);
    list_init(&s->prepared);
    prepared_configure(s, &(struct prepared_settings){0});
    paging_init(&s->paging, 0);
    s->live.stretch_bytes = LOG_SEGMENT_BYTES;
    return s;
}

void shard_free(struct shard *s)
{
    struct mail_chain left = s->todo;
    size_t cursor = 0;
    struct peer *p;

    mail_chain_join(&left, mailbox_take(&s->inbox));
    while (left.first != NULL) {
        struct lane_batch *batch = (struct lane_batch *)left.first;
        left.first = batch->node.next;
        shard_inbox_drop(batch, s->todo_at);
        s->todo_at = 0;
    }
    evacuation_drop(s);
    for (uint32_t i = 0; i < s->queues_room; i++)
        if (s->queues[i] != NULL)
            queue_free(s, s->queues[i]);
    while ((p = hash_map_next(&s->peers, &cursor)) != NULL) {
        peer_free(s, p);
        cursor = 0;
    }
    while (s->unsafe.first != NULL) {
        struct mail *mail = (struct mail *)s->unsafe.first;
        s->unsafe.first = mail->node.next;
        mail_free(mail);
    }
    for (uint32_t i = 0; i <= s->workers; i++)
        while (s->outlets[i].chain.first != NULL) {
            struct mail *mail = (struct mail *)s->outlets[i].chain.first;
            s->outlets[i].chain.first = mail->node.next;
            mail_free(mail);
        }
    live_deinit(&s->live);
    mailbox_deinit(&s->inbox);
    due_heap_deinit(&s->dues);
    hash_map_deinit(&s->peers);
    slot_table_deinit(&s->consumers);
    free(s->outlets);
    free(s->queues);
    free(s);
}

bool shard_run(struct shard *s)
{
    s->now = order_time(s->run->order);
    mail_chain_join(&s->todo, mailbox_take(&s->inbox));
    if (shard_waits_for_log(s)) {
        post_safe(s);
        wake_waiting(s);
    }
    if (!list_is_empty(&s->retrying))
        recall_retry(s);
    uint32_t budget = SL_SHARD_BUDGET;
    while (s->todo.first != NULL &&
           shard_inbox_take(s, (struct lane_batch *)s->todo.first, &budget)) {
        struct lane_batch *batch = (struct lane_batch *)s->todo.first;
        s->todo.first = batch->node.next;
        s->todo_at = 0;
        lane_batch_free(batch);
    }
    dedup_tend(s);
    recall_go_on(s);
    bool more = false;
    for (uint32_t round = 0; round == 0 || (more && round < SL_LEND_ROUNDS); round++)
        more = lend_from_busy(s);
    more |= expiry_run(s);
    more |= !list_is_empty(&s->prepared) && prepared_run(s);
    more |= s->todo.first != NULL || recall_can_go_on(s);
    more |= paging_run(s);
    more |= evacuation_run(s);
    flush_peers(s);
    if (s->has_forgotten) /* before anybody who hears of it publishes again */
        run_hand_over(s->run);
    s->has_forgotten = false;
    post_outlets(s);
    return more;
}

struct shard_command *shard_command_new(enum shard_command_kind kind, struct sl_handle from,
                                        uint64_t ticket, size_t n)
{
    struct shard_command *command = calloc(1, sizeof *command + n);

    SL_ASSERT(command != NULL);
    command->kind = kind;
    command->from = from;
    command->ticket = ticket;
    command->timeout_ms = RULES_NONE;
    return command;
}

void shard_command_free(struct shard_command *command)
{
    if (command->window != NULL)
        session_window_unref(command->window);
    if (command->group != NULL)
        credit_group_unref(command->group);
    if (command->prepared != NULL)
        prepared_request_free(command->prepared);
    if (command->question != NULL)
        prepared_question_free(command->question);
    free(command);
}

struct queue *shard_queue(const struct shard *s, struct slot_ref at)
{
    struct queue *q = at.slot < s->queues_room ? s->queues[at.slot] : NULL;

    return q != NULL && q->ref.at.generation == at.generation ? q : NULL;
}

void shard_queue_is_busy(struct shard *s, struct queue *q)
{
    if (list_is_empty(&q->of_busy))
        list_push(&s->busy, &q->of_busy);
    if (paging_is_on(&s->paging))
        paging_note(s, q);
}

void shard_attach(struct shard *s, struct run *run, struct worker_counters *counters)
{
    s->run = run;
    s->counters = counters;
}

void shard_extend_marks(struct shard *s)
{
    for (uint32_t i = 0; i < s->queues_room; i++) /* what is delayed is never lent */
        if (s->queues[i] != NULL && s->queues[i]->ref.number != 0 && s->queues[i]->delayed == NULL)
            queue_extend_mark(s, s->queues[i]);
}

void shard_log_lent(struct shard *s, struct log_run *marks)
{
    for (uint32_t i = 0; i < s->queues_room; i++)
        if (s->queues[i] != NULL && s->queues[i]->ref.number != 0)
            journal_lent(marks, s->queues[i]->ref.number, s->queues[i]->lent);
}

bool shard_waits_for_log(const struct shard *s)
{
    return s->unsafe.first != NULL || !list_is_empty(&s->waiting) ||
           paging_waits_for_log(&s->paging) || evacuation_waits_for(s).v != 0;
}

bool shard_is_freed_by(const struct shard *s, sl_lsn durable)
{
    const struct answer *first = (const struct answer *)s->unsafe.first;

    if (first != NULL && sl_lsn_reached(durable, first->place))
        return true;
    if (evacuation_waits_for(s).v != 0 && sl_lsn_reached(durable, evacuation_waits_for(s)))
        return true;
    for (const struct list *at = s->waiting.next; at != &s->waiting; at = at->next)
        if (queue_is_freed_by(LIST_OF(at, struct queue, of_waiting), durable))
            return true;
    return paging_is_freed_by(&s->paging, durable);
}

uint64_t shard_next_due(const struct shard *s)
{
    uint64_t due = due_next(&s->dues);
    uint64_t retry = recall_next_due(s);
    uint64_t check = prepared_next_due(s);

    due = due < retry ? due : retry;
    return due < check ? due : check;
}

void shard_begin_entry(struct shard *s, const struct entry *entry)
{
    if (entry->place.v != 0)
        live_add(&s->live, entry->place, live_entry_bytes(entry), 1);
}

void shard_end_entry(struct shard *s, struct entry *entry)
{
    if (entry->place.v != 0)
        live_sub(&s->live, entry->place, live_entry_bytes(entry), 1);
    if (entry->msg != NULL)
        message_unref(entry->msg);
    entry->msg = NULL;
}

sl_lsn shard_durable(const struct shard *s)
{
    return order_durable(s->run->order);
}

void shard_queue_waits(struct shard *s, struct queue *q)
{
    if (list_is_empty(&q->of_waiting))
        list_push(&s->waiting, &q->of_waiting);
}

void shard_keep(struct shard *s, struct answer *a)
{
    mail_chain_add(&s->unsafe, &a->mail.node);
}

void shard_answer(struct shard *s, struct answer *a)
{
    struct peer *p = peer_find(s, a->mail.to);

    if (!sl_lsn_reached(shard_durable(s), a->place)) {
        shard_keep(s, a);
        return;
    }
    if (p != NULL)
        peer_flush(s, p); /* deliveries that were lent before are read before */
    shard_post(s, &a->mail);
}

void shard_post(struct shard *s, struct mail *mail)
{
    SL_ASSERT(mail->to.worker <= s->workers);
    mail_chain_add(&s->outlets[mail->to.worker].chain, &mail->node);
}

void shard_poke(struct shard *s, uint64_t shards, struct sl_handle whom)
{
    for (uint32_t i = 0; shards != 0; i++, shards >>= 1) {
        if ((shards & 1) == 0)
            continue;
        struct lane_batch *batch = lane_batch_new();
        batch->count = 1;
        batch->items[0] = (struct lane_item){
            .kind = LANE_COMMAND, .command = shard_command_new(COMMAND_POKE, whom, 0, 0)};
        bool must_wake =
            mailbox_post(s->shards[i], (struct mail_chain){&batch->node, &batch->node});
        if (must_wake)
            mailbox_wake(s->shards[i]);
    }
}

static void post_safe(struct shard *s)
{
    sl_lsn durable = shard_durable(s);

    while (s->unsafe.first != NULL) {
        struct answer *a = (struct answer *)s->unsafe.first;
        if (!sl_lsn_reached(durable, a->place))
            return;
        s->unsafe.first = a->mail.node.next;
        if (s->unsafe.first == NULL)
            s->unsafe.last = NULL;
        shard_answer(s, a);
    }
}

/* Only those for whom it was enough: looking in vain may have a message fetched each time. */
static void wake_waiting(struct shard *s)
{
    sl_lsn durable = shard_durable(s);
    struct list *at = s->waiting.next;

    while (at != &s->waiting) {
        struct queue *q = LIST_OF(at, struct queue, of_waiting);
        at = at->next;
        if (!queue_is_freed_by(q, durable))
            continue;
        list_remove(&q->of_waiting);
        shard_queue_is_busy(s, q);
    }
}

/* One round over the queues that were busy when it began; who has more waits for the next. */
static bool lend_from_busy(struct shard *s)
{
    struct list round;
    struct list *at;

    if (list_is_empty(&s->busy))
        return false;
    round = s->busy;
    round.next->prev = round.prev->next = &round;
    list_init(&s->busy);
    while ((at = list_pop(&round)) != NULL) {
        struct queue *q = LIST_OF(at, struct queue, of_busy);
        if (queue_lend(s, q))
            shard_queue_is_busy(s, q);
    }
    return !list_is_empty(&s->busy);
}

static void flush_peers(struct shard *s)
{
    struct list *at;

    while ((at = list_pop(&s->writing)) != NULL) {
        struct peer *p = LIST_OF(at, struct peer, of_writing);
        peer_flush(s, p);
        p->mails = 0;
    }
}

static void post_outlets(struct shard *s)
{
    for (uint32_t i = 0; i <= s->workers; i++) {
        struct shard_outlet *outlet = &s->outlets[i];
        if (outlet->chain.first == NULL)
            continue;
        bool must_wake = mailbox_post(outlet->inbox, outlet->chain);
        outlet->chain = (struct mail_chain){NULL, NULL};
        if (must_wake && i != s->index)
            mailbox_wake(outlet->inbox);
    }
}
