#include "core/queue.h"

#include "core/admission.h"
#include "core/aside.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/chunk.h"
#include "core/consumer.h"
#include "core/delayed.h"
#include "core/discard.h"
#include "core/dispatch.h"
#include "core/expiry.h"
#include "core/gets.h"
#include "core/groups.h"
#include "core/levels.h"
#include "core/limit.h"
#include "core/overdue.h"
#include "core/recall.h"
#include "core/retry.h"

#include <stdlib.h>

static void discard_marked(struct shard *s, struct queue *q);
static bool lend(struct shard *s, struct queue *q);
static inline struct entry *flowing(const struct queue *q);
static inline void note_out(struct queue *q, const struct entry *entry);
static void end_consumer(struct shard *s, struct consumer *c);

struct queue *queue_new(const struct topology_queue *def)
{
    struct queue *q = calloc(1, sizeof *q);

    SL_ASSERT(q != NULL);
    q->ref = def->ref;
    q->def = def;
    q->name = def->name;
    q->is_auto_delete = def->is_auto_delete;
    queue_read_rules(q, effective_ref(def->effective), def->ref.admission);
    list_init(&q->able);
    list_init(&q->consumers);
    list_init(&q->holders);
    list_init(&q->of_busy);
    list_init(&q->of_waiting);
    list_init(&q->of_paging);
    list_init(&q->of_asking);
    list_init(&q->of_retrying);
    list_init(&q->parked);
    list_init(&q->of_owner);
    if (def->ref.holds)
        q->delayed = delayed_new();
    else if (def->is_hidden)
        q->prepared = prepared_set_new(q);
    return q;
}

void queue_free(struct shard *s, struct queue *q)
{
    q->is_ending = true;
    while (!list_is_empty(&q->consumers))
        end_consumer(s, LIST_OF(q->consumers.next, struct consumer, of_queue));
    queue_empty(s, q);
    gets_resume(s, q); /* they find nothing */
    if (q->prepared != NULL)
        prepared_set_free(s, q->prepared);
    delayed_free(q->delayed);
    levels_deinit(q);
    dedup_free(s, q);
    due_remove(&s->dues, &q->due);
    free(q->gates);
    effective_unref(q->effective);
    list_remove(&q->of_waiting);
    list_remove(&q->of_paging);
    list_remove(&q->of_asking);
    list_remove(&q->of_retrying);
    list_remove(&q->of_busy);
    list_remove(&q->of_owner);
    free(q);
}

/* Priorities are an argument's alone: the levels stay. */
void queue_read_rules(struct queue *q, struct effective *effective, struct admission *admission)
{
    effective_unref(q->effective);
    q->effective = effective;
    q->ref.admission = admission;
    if (effective != NULL) {
        q->rules = effective->rules;
        q->dedup_rules = effective->dedup_rules;
    } else {
        rules_read(&q->rules, q->def->arguments);
        dedup_rules_read(&q->dedup_rules, q->def->arguments);
    }
    q->rules.has_group_ids |= q->def->cluster != NULL;
    q->dedup_rules.is_full |= q->def->cluster != NULL;
    if (q->dedup != NULL)
        q->dedup->rules = q->dedup_rules;
    q->drops_head = rules_limit(&q->rules) && !rules_refuse(&q->rules);
    q->most_ready = q->drops_head ? q->rules.max_length : RULES_NONE;
}

/* What had no places to take before has them now. */
void queue_obey(struct shard *s, struct queue *q, struct effective *effective,
                struct admission *admission)
{
    bool is_new = q->ref.admission == NULL && admission != NULL;
    bool dropped_head = q->drops_head;
    bool was_until_settled = q->dedup_rules.is_until_settled;

    queue_read_rules(q, effective, admission);
    if (was_until_settled && !q->dedup_rules.is_until_settled)
        dedup_begin_window(s, q);
    if (q->drops_head && !dropped_head)
        aside_keep_order(q);
    dedup_ahead_forget(&s->ahead);
    if (is_new)
        admission_add(admission, queue_count(q), q->ready_bytes);
    if (q->rules.expires_ms == RULES_NONE)
        q->lease_end = 0;
    expiry_renew(s, q);
    overdue_watch_all(s, q);
    if (queue_count(q) > 0)
        shard_queue_is_busy(s, q);
}

bool queue_lend(struct shard *s, struct queue *q)
{
    if (q->delayed != NULL)
        return delayed_tend(s, q);
    bool was_full = retry_is_full(q);
    bool more = lend(s, q);

    if (!more && q->drops_head)
        more = limit_enforce(s, q);
    if (!more && q->has_deadlines)
        more = expiry_discard(s, q);
    if (!more && q->has_marked)
        discard_marked(s, q);
    return more || (was_full && !retry_is_full(q));
}

void queue_tend(struct shard *s, struct queue *q)
{
    while (q->drops_head && limit_enforce(s, q))
        continue;
    while (q->has_deadlines && expiry_discard(s, q))
        continue;
    if (q->has_marked)
        discard_marked(s, q);
}

/* Also where nobody consumes: looking is what asks for the message, and what lets it go. */
static void discard_marked(struct shard *s, struct queue *q)
{
    struct entry next = {.flags = 0};

    backlog_peek(queue_front(q), &next);
    if ((next.flags & ENTRY_TO_DISCARD) != 0)
        queue_peek(s, q, &next);
}

static bool lend(struct shard *s, struct queue *q)
{
    uint32_t budget = SL_LEND_BUDGET;
    struct consumer *c;

    if (!list_is_empty(&q->parked))
        gets_resume(s, q);
    if (retry_is_full(q))
        return false;
    if (q->groups != NULL && !q->rules.is_single_active)
        return groups_lend(s, q, &budget);
    while ((c = dispatch_next(q)) != NULL) {
        struct entry other;
        struct entry *next = flowing(q);
        bool flows = next != NULL;
        if (!flows && queue_peek(s, q, next = &other) != BACKLOG_READY)
            return false;
        if ((q->gates_count != 0 || q->ref.number != 0) && !queue_may_lend(s, q, next))
            return false;
        if (groups_matter(q, next))
            return groups_lend(s, q, &budget);
        if (!consumer_can_take(s, c))
            continue; /* it has left able */
        if (flows)
            note_out(q, next);
        else
            queue_pop(s, q, next);
        consumer_deliver(s, c, next);
        if (flows)
            backlog_pass(&q->backlog);
        dispatch_turn(c);
        if (--budget == 0)
            return true;
    }
    return false;
}

/* The next entry, in its place, where nothing but a consumer is wanted for it; NULL: queue_peek has
 * to look. */
static inline struct entry *flowing(const struct queue *q)
{
    const struct backlog *b = q->levels == NULL ? &q->backlog : NULL;
    struct entry *next = b != NULL ? backlog_flowing(b) : NULL;

    return next != NULL && next->msg != NULL && !q->has_deadlines && !b->is_turned &&
                   (next->flags & ENTRY_TO_DISCARD) == 0 && next->seq.v > q->was_lent_to
               ? next
               : NULL;
}

uint64_t queue_ready(const struct queue *q)
{
    uint64_t count = queue_count(q) - retry_count(q);

    return count < q->most_ready ? count : q->most_ready;
}

void queue_push(struct queue *q, const struct entry *entry)
{
    backlog_add(queue_level(q, entry->priority), entry);
    q->ready_bytes += entry->body_len;
    q->has_deadlines |= entry->deadline != 0;
}

void queue_push_stored(struct shard *s, struct queue *q, uint8_t priority,
                       const struct stored_chunk *chunk)
{
    backlog_push_stored(queue_level(q, priority), &s->live, chunk);
    q->ready_bytes += chunk->body_bytes;
    q->has_deadlines = true; /* who knows; that only costs */
}

void queue_restored(struct shard *s, struct queue *q)
{
    s->now = order_time(s->run->order);
    if (q->delayed != NULL) {
        delayed_restored(s, q);
        return;
    }
    if (q->ref.admission != NULL)
        admission_set(q->ref.admission, queue_count(q), q->ready_bytes);
    expiry_watch(s, q);
    expiry_renew(s, q);
    shard_queue_is_busy(s, q); /* a limit holds at once */
}

enum backlog_head queue_peek(struct shard *s, struct queue *q, struct entry *out)
{
    for (;;) {
        struct backlog *b = queue_front(q);
        enum backlog_head head = backlog_peek(b, out);
        enum discard_reason reason = DISCARD_EXPIRED;
        if (head == BACKLOG_AWAY || b->is_turned)
            recall_ask(s, q, b);
        if (head == BACKLOG_READY && (out->flags & ENTRY_TO_DISCARD) != 0)
            reason = discard_reason_of(out);
        else if (!q->has_deadlines || !queue_may_discard(q, head, out) || !expiry_is_due(s, out))
            return head;
        queue_pop(s, q, out);
        queue_discard(s, q, out, reason);
    }
}

void queue_pop(struct shard *s, struct queue *q, struct entry *out)
{
    backlog_pop(queue_front(q), out);
    queue_taken(s, q, out);
}

void queue_taken(struct shard *s, struct queue *q, struct entry *entry)
{
    note_out(q, entry);
    if (entry->seq.v <= q->was_lent_to && (entry->flags & ENTRY_LOGGED) != 0)
        entry->flags |= ENTRY_WAS_LENT;
    if (q->has_deadlines)
        expiry_watch(s, q);
}

void queue_return(struct shard *s, struct queue *q, const struct entry *entry)
{
    backlog_return(queue_level(q, entry->priority), entry);
    q->has_marked |= (entry->flags & ENTRY_TO_DISCARD) != 0;
    queue_note_return(s, q, entry);
}

void queue_note_return(struct shard *s, struct queue *q, const struct entry *entry)
{
    q->ready_bytes += entry->body_len;
    q->has_deadlines |= entry->deadline != 0;
    if (q->ref.admission != NULL)
        admission_add(q->ref.admission, 1, entry->body_len);
    if (q->has_deadlines)
        expiry_watch(s, q);
}

static inline void note_out(struct queue *q, const struct entry *entry)
{
    q->ready_bytes -= entry->body_len;
    if (q->ref.admission != NULL)
        admission_give(q->ref.admission, 1, entry->body_len);
    if ((entry->flags & ENTRY_LOGGED) != 0 && entry->seq.v > q->lent)
        q->lent = entry->seq.v;
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
