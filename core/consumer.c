#include "core/consumer.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/discard.h"
#include "core/dispatch.h"
#include "core/groups.h"
#include "core/memory.h"
#include "core/retry.h"

#include <stdlib.h>

#define LOANS_FIRST 8u

static void return_entry(struct shard *s, struct queue *q, struct entry *entry);
static bool is_open(const struct out_loan *loan);
static void end_loan(struct shard *s, struct consumer *c, struct out_loan *loan);
static void give_back(struct shard *s, struct consumer *c, uint32_t n);
static size_t loan_index(const struct consumer *c, uint64_t number);
static void make_room(struct consumer *c);

struct consumer *consumer_new(struct shard *s, struct queue *q, struct peer *p,
                              const struct shard_command *options, bool is_getter)
{
    struct consumer *c = calloc(1, sizeof *c);

    SL_ASSERT(c != NULL);
    if (slot_table_put(&s->consumers, c, &c->at) != SL_OK) {
        free(c);
        return NULL;
    }
    c->peer = p;
    c->queue = q;
    c->cookie = options->cookie;
    c->is_no_ack = options->is_no_ack;
    c->is_getter = is_getter;
    c->timeout_ms = options->timeout_ms;
    c->prefetch = options->prefetch == 0 ? SL_LOANS_PER_CHANNEL_MAX : options->prefetch;
    if (options->group != NULL)
        c->group = credit_group_ref(options->group);
    list_init(&c->of_able);
    list_init(&c->of_resuming);
    list_init(&c->groups);
    list_init(&c->of_holders);
    list_push(&q->consumers, &c->of_queue);
    list_init(&c->of_peer);
    if (p != NULL)
        list_push(&p->consumers, &c->of_peer);
    return c;
}

void consumer_free(struct shard *s, struct consumer *c)
{
    SL_ASSERT(c->out == 0);
    if (c->queue->exclusive_consumer == c)
        c->queue->exclusive_consumer = NULL;
    if (!c->is_getter && !c->is_cancelled)
        c->queue->consumers_count--;
    list_remove(&c->of_holders);
    list_remove(&c->of_queue);
    dispatch_forget(s, c);
    groups_leave(s, c);
    due_heap_deinit(&c->waiting);
    list_remove(&c->of_peer);
    slot_table_remove(&s->consumers, c->at);
    if (c->group != NULL)
        credit_group_unref(c->group);
    memory_release(c->room * sizeof *c->loans);
    free(c->loans);
    free(c->loan_groups);
    free(c->overdue);
    free(c);
}

bool consumer_can_take(struct shard *s, struct consumer *c)
{
    struct peer *p = c->peer;

    if (c->is_no_ack || c->out < c->prefetch) {
        if (!p->is_room_known || p->room <= 0)
            peer_read_window(s, p);
        if (p->room > 0 &&
            (c->group == NULL || c->is_no_ack || credit_group_take(c->group, s->index)))
            return true;
    }
    list_remove(&c->of_able);
    return false;
}

void consumer_wake(struct shard *s, struct consumer *c)
{
    if (c->is_getter || c->is_cancelled)
        return;
    if (list_is_empty(&c->of_able))
        dispatch_stand(c);
    if (c->waiting.count > 0)
        groups_resume(c);
    shard_queue_is_busy(s, c->queue);
}

void consumer_deliver(struct shard *s, struct consumer *c, const struct entry *entry)
{
    struct peer *p = c->peer;
    struct delivery *d = peer_delivery(s, p);
    uint64_t cost = message_cost(entry->msg);

    bool is_logged = (entry->flags & ENTRY_LOGGED) != 0;

    *d = (struct delivery){.msg = entry->msg,
                           .seq = is_logged ? entry->seq : (sl_seq){0},
                           .cookie = c->cookie,
                           .returns = entry->returns,
                           .is_redelivered = entry_is_redelivered(entry)};
    p->room -= (int64_t)cost;
    p->lent += cost;
    if (!c->is_no_ack) {
        message_ref(entry->msg); /* the mail's */
        consumer_lend(c, entry);
        return;
    }
    if (is_logged) /* settled when handed over */
        journal_settled(&s->run->journal, c->queue->ref.number, entry->seq);
    queue_end_bare_entry(s, c->queue, entry); /* the message is the mail's now */
}

uint64_t consumer_lend(struct consumer *c, const struct entry *entry)
{
    if (c->end == c->room)
        make_room(c);
    if (c->loan_groups != NULL)
        c->loan_groups[c->end] = NULL;
    c->loans[c->end++] = (struct out_loan){c->next_loan, *entry};
    if (list_is_empty(&c->of_holders))
        list_push(&c->queue->holders, &c->of_holders);
    c->out++;
    c->queue->out++;
    return c->next_loan++;
}

void consumer_settle(struct shard *s, struct consumer *c, uint64_t first, uint32_t n, uint32_t kind)
{
    uint32_t ended = 0;

    for (size_t i = loan_index(c, first); i < c->end && c->loans[i].number - first < n; i++) {
        struct out_loan *loan = &c->loans[i];
        if (!is_open(loan))
            continue;
        if (kind == LANE_RETURN)
            return_entry(s, c->queue, &loan->entry);
        else if (kind == LANE_REJECT)
            queue_discard(s, c->queue, &loan->entry, DISCARD_REJECTED);
        else {
            queue_forget_id(s, c->queue, loan->entry.seq);
            shard_end_entry(s, &loan->entry);
        }
        end_loan(s, c, loan);
        ended++;
    }
    while (c->first < c->end && !is_open(&c->loans[c->first]))
        c->first++;
    if (kind == LANE_RETURN)
        shard_queue_is_busy(s, c->queue);
    give_back(s, c, ended);
    if (c->out == 0 && (c->is_getter || c->is_cancelled))
        consumer_free(s, c);
}

void consumer_take(struct shard *s, struct consumer *c, uint64_t number, struct entry *out)
{
    size_t at = loan_index(c, number);

    SL_ASSERT(at < c->end && c->loans[at].number == number && is_open(&c->loans[at]));
    *out = c->loans[at].entry;
    end_loan(s, c, &c->loans[at]);
    while (c->first < c->end && !is_open(&c->loans[c->first]))
        c->first++;
    give_back(s, c, 1);
}

const struct entry *consumer_loan_from(const struct consumer *c, uint64_t *number)
{
    for (size_t at = loan_index(c, *number); at < c->end; at++)
        if (is_open(&c->loans[at])) {
            *number = c->loans[at].number;
            return &c->loans[at].entry;
        }
    return NULL;
}

void consumer_is_resident(struct consumer *c, uint64_t number)
{
    if (number < c->resident_from)
        c->resident_from = number;
    if (list_is_empty(&c->of_holders))
        list_push(&c->queue->holders, &c->of_holders);
}

uint32_t consumer_residents(struct consumer *c, struct entry **out, uint32_t room)
{
    uint32_t n = 0;

    for (size_t i = loan_index(c, c->resident_from); i < c->end && n < room; i++) {
        struct out_loan *loan = &c->loans[i];
        if (!is_open(loan) || loan->entry.msg == NULL)
            continue;
        if (n == 0)
            c->resident_from = loan->number;
        out[n++] = &loan->entry;
    }
    if (n == 0)
        c->resident_from = c->next_loan;
    return n;
}

void consumer_return_all(struct shard *s, struct consumer *c)
{
    uint32_t ended = c->out;

    for (size_t i = c->first; i < c->end; i++) {
        struct out_loan *loan = &c->loans[i];
        if (!is_open(loan))
            continue;
        return_entry(s, c->queue, &loan->entry);
        end_loan(s, c, loan);
    }
    c->first = c->end = 0;
    if (ended > 0)
        shard_queue_is_busy(s, c->queue);
    give_back(s, c, ended);
}

void consumer_each_loan(const struct consumer *c,
                        void (*on_entry)(void *context, const struct entry *entry), void *context)
{
    consumer_each_early_loan(c, SIZE_MAX, on_entry, context);
}

void consumer_each_early_loan(const struct consumer *c, size_t most,
                              void (*on_entry)(void *context, const struct entry *entry),
                              void *context)
{
    for (size_t i = c->first; i < c->end && i - c->first < most; i++)
        if (is_open(&c->loans[i]))
            on_entry(context, &c->loans[i].entry);
}

void consumer_forget_all(struct shard *s, struct consumer *c)
{
    uint32_t ended = c->out;

    for (size_t i = c->first; i < c->end; i++) {
        struct out_loan *loan = &c->loans[i];
        if (!is_open(loan))
            continue;
        shard_end_entry(s, &loan->entry);
        end_loan(s, c, loan);
    }
    c->first = c->end = 0;
    give_back(s, c, ended);
}

struct entry *consumer_loan(struct consumer *c, uint64_t number)
{
    size_t at = loan_index(c, number);

    return at < c->end && c->loans[at].number == number && is_open(&c->loans[at])
               ? &c->loans[at].entry
               : NULL;
}

/* Every return counts, and is logged, but for those that the server's own stop causes. */
static void return_entry(struct shard *s, struct queue *q, struct entry *entry)
{
    if (atomic_load_explicit(&s->is_stopping, memory_order_relaxed)) {
        entry->flags |= ENTRY_WAS_LENT; /* it was out all the same: redelivered */
        queue_return(s, q, entry);
        return;
    }
    entry->returns++;
    if ((entry->flags & ENTRY_LOGGED) != 0)
        journal_returned(&s->run->journal, q->ref.number, entry->seq, entry->returns);
    if (entry->returns > q->rules.delivery_limit)
        queue_discard(s, q, entry, DISCARD_DELIVERY_LIMIT);
    else if (retry_waits(q))
        retry_later(s, q, entry);
    else
        queue_return(s, q, entry);
}

static bool is_open(const struct out_loan *loan)
{
    return loan->entry.seq.v != 0;
}

static void end_loan(struct shard *s, struct consumer *c, struct out_loan *loan)
{
    loan->entry.seq.v = 0;
    c->out--;
    c->queue->out--;
    if (c->loan_groups == NULL)
        return;
    struct group *g = c->loan_groups[loan - c->loans];
    if (g != NULL)
        groups_end_loan(s, c, g);
}

static void give_back(struct shard *s, struct consumer *c, uint32_t n)
{
    if (n == 0)
        return;
    if (c->group != NULL && !c->is_getter)
        shard_poke(s, credit_group_give(c->group, n), c->peer->handle);
    if (list_is_empty(&c->of_able))
        consumer_wake(s, c);
    if (c->out == 0)
        dispatch_settled(s, c);
}

/* The first loan whose number is not below; see settlement.c, which does the same by tag. */
static size_t loan_index(const struct consumer *c, uint64_t number)
{
    size_t low = c->first;
    size_t high = c->end;

    if (low < high && number > c->loans[low].number && number - c->loans[low].number < high - low) {
        size_t guess = low + (size_t)(number - c->loans[low].number);
        if (c->loans[guess].number == number)
            return guess; /* nothing was squeezed out in between */
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->loans[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Squeezes settled loans out; grows only when more than half are open. */
static void make_room(struct consumer *c)
{
    if (c->out > c->room / 2 || c->room == 0) {
        size_t room = c->room == 0 ? LOANS_FIRST : c->room * 2;
        struct out_loan *loans = realloc(c->loans, room * sizeof *loans);
        SL_ASSERT(loans != NULL); /* bounded by prefetch */
        memory_charge((room - c->room) * sizeof *loans);
        c->loans = loans;
        if (c->loan_groups != NULL) {
            struct group **groups = realloc(c->loan_groups, room * sizeof(struct group *));
            SL_ASSERT(groups != NULL);
            c->loan_groups = groups;
        }
        c->room = room;
    }
    size_t to = 0;
    for (size_t i = c->first; i < c->end; i++)
        if (is_open(&c->loans[i])) {
            if (c->loan_groups != NULL)
                c->loan_groups[to] = c->loan_groups[i];
            c->loans[to++] = c->loans[i];
        }
    c->first = 0;
    c->end = to;
}
