#include "core/groups.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/dispatch.h"
#include "core/expiry.h"
#include "core/group_parts.h"
#include "core/levels.h"

enum step { STEP_ON, STEP_STOP };

static enum step lend_one(struct shard *s, struct queue *q);
static enum step lend_waiting(struct shard *s, struct queue *q, struct consumer *c);
static struct consumer *resuming(struct queue *q, enum backlog_head head, const struct entry *next);
static bool is_before(const struct consumer *c, enum backlog_head head, const struct entry *next);
static struct aside_item *first_waiting(const struct consumer *c);
static void fetch_waiting(struct shard *s, struct queue *q, struct consumer *c);
static bool put_aside(struct shard *s, struct queue *q, struct group *g);

bool groups_lend(struct shard *s, struct queue *q, uint32_t *budget)
{
    while (dispatch_next(q) != NULL) {
        if (lend_one(s, q) == STEP_STOP)
            return false;
        if (--*budget == 0)
            return true;
    }
    return false;
}

enum backlog_head groups_peek(struct shard *s, struct queue *q, struct entry *out)
{
    enum backlog_head head;
    uint64_t name;

    while ((head = queue_peek(s, q, out)) == BACKLOG_READY && groups_matter(q, out)) {
        struct group *g = group_name_of(q, out->msg, &name) ? group_find(q, name) : NULL;
        if (g == NULL || (g->loans == 0 && list_is_empty(&g->waiting)))
            return head;
        if (!put_aside(s, q, g))
            return BACKLOG_EMPTY;
    }
    return head;
}

void groups_note_get(struct queue *q, struct consumer *getter, const struct entry *entry)
{
    uint64_t name;

    if (q->rules.is_single_active || !group_name_of(q, entry->msg, &name))
        return;
    struct group *g = group_find(q, name);
    if (g == NULL)
        g = group_new(q, getter, name);
    else
        group_pin(g, getter);
    group_note_lent(g);
}

void groups_end_loan(struct shard *s, struct consumer *c, struct group *g)
{
    SL_ASSERT(g->consumer == c && g->loans > 0);
    if (--g->loans > 0)
        return;
    if (c->is_cancelled || c->is_getter)
        group_release(s, g);
    else
        group_rest(g);
}

void groups_resume(struct consumer *c)
{
    if (c->waiting.count > 0 && list_is_empty(&c->of_resuming))
        list_push(&c->queue->groups->resuming, &c->of_resuming);
}

void groups_leave(struct shard *s, struct consumer *c)
{
    list_remove(&c->of_resuming);
    for (struct list *at = c->groups.next, *next; at != &c->groups; at = next) {
        struct group *g = LIST_OF(at, struct group, of_consumer);
        next = at->next;
        if (g->loans == 0)
            group_release(s, g);
    }
}

void groups_forget_item(struct aside_item *item)
{
    struct group *g = item->group;

    group_detach(item);
    group_rest(g);
}

/* What is next of all goes to the consumer of its group, or to the one whose turn it is. */
static enum step lend_one(struct shard *s, struct queue *q)
{
    struct entry next;
    uint64_t name;
    enum backlog_head head = queue_peek(s, q, &next);
    struct consumer *c = q->groups == NULL ? NULL : resuming(q, head, &next);

    if (c != NULL)
        return lend_waiting(s, q, c);
    if (head != BACKLOG_READY)
        return STEP_STOP;
    if ((q->gates_count != 0 || q->ref.number != 0) && !queue_may_lend(s, q, &next))
        return STEP_STOP;
    bool is_grouped = group_name_of(q, next.msg, &name);
    struct group *g = is_grouped ? group_find(q, name) : NULL;
    c = g != NULL ? g->consumer : dispatch_next(q);
    if (list_is_empty(&c->of_able) || !consumer_can_take(s, c)) {
        if (g == NULL)
            return STEP_ON; /* it has left those who can */
        return put_aside(s, q, g) ? STEP_ON : STEP_STOP;
    }
    queue_pop(s, q, &next);
    if (is_grouped && g == NULL)
        g = group_new(q, c, name);
    consumer_deliver(s, c, &next);
    if (g != NULL)
        group_note_lent(g);
    dispatch_turn(c);
    return STEP_ON;
}

/* The oldest that waits for c, which stands among those who can take. */
static enum step lend_waiting(struct shard *s, struct queue *q, struct consumer *c)
{
    struct aside_item *item = first_waiting(c);

    if (expiry_is_due(s, &item->entry)) {
        struct entry gone = aside_take(q, item);
        queue_taken(s, q, &gone);
        queue_discard(s, q, &gone, DISCARD_EXPIRED);
        return STEP_ON;
    }
    bool has_credit = c->is_no_ack || c->out < c->prefetch;
    if (item->entry.msg == NULL && has_credit) {
        fetch_waiting(s, q, c);
        return STEP_ON;
    }
    if ((q->gates_count != 0 || q->ref.number != 0) && !queue_may_lend(s, q, &item->entry))
        return STEP_STOP;
    if (!has_credit || !consumer_can_take(s, c)) {
        list_remove(&c->of_able);
        list_remove(&c->of_resuming);
        return STEP_ON;
    }
    struct group *g = item->group;
    struct entry entry = aside_take(q, item);
    queue_taken(s, q, &entry);
    consumer_deliver(s, c, &entry);
    group_note_lent(g);
    dispatch_turn(c);
    return STEP_ON;
}

/* One that can take and has something waiting that is before what is next in the backlog. */
static struct consumer *resuming(struct queue *q, enum backlog_head head, const struct entry *next)
{
    struct list *all = &q->groups->resuming;

    for (struct list *at = all->next, *after; at != all; at = after) {
        struct consumer *c = LIST_OF(at, struct consumer, of_resuming);
        after = at->next;
        if (c->waiting.count == 0 || list_is_empty(&c->of_able))
            list_remove(at);
        else if (is_before(c, head, next))
            return c;
    }
    return NULL;
}

static bool is_before(const struct consumer *c, enum backlog_head head, const struct entry *next)
{
    if (head == BACKLOG_EMPTY)
        return true;
    struct entry at = *next;
    if (head == BACKLOG_AWAY && at.place.v == 0) /* of a priority that is not told */
        at.priority = first_waiting(c)->entry.priority;
    return aside_order(&first_waiting(c)->entry) < aside_order(&at);
}

static struct aside_item *first_waiting(const struct consumer *c)
{
    return LIST_OF(c->waiting.at[0], struct aside_item, of_waiting);
}

/* As many as it could take now, and as are next; they come by the backlog. */
static void fetch_waiting(struct shard *s, struct queue *q, struct consumer *c)
{
    uint32_t room = c->is_no_ack ? SL_CHUNK_ENTRIES_MAX : c->prefetch - c->out;

    for (uint32_t i = 0; i < room && i < SL_CHUNK_ENTRIES_MAX && c->waiting.count > 0; i++) {
        struct aside_item *item = first_waiting(c);
        if (item->entry.msg != NULL)
            break;
        aside_return(q, item);
    }
    if (q->has_deadlines)
        expiry_watch(s, q);
}

/* What is next in the backlog waits for the group's consumer.  False: too much does already.  What
 * was out before is not counted: it was in nobody's way. */
static bool put_aside(struct shard *s, struct queue *q, struct group *g)
{
    struct entry entry;

    backlog_peek(queue_front(q), &entry);
    if (q->groups->waiting >= SL_GROUPS_OVERTAKEN && !entry_is_redelivered(&entry))
        return false;
    backlog_pop(queue_front(q), &entry);
    struct aside_item *item = aside_put(q, &entry);
    group_wake(g);
    item->group = g;
    list_push(&g->waiting, &item->of_group);
    due_by(&g->consumer->waiting, &item->of_waiting, aside_order(&entry));
    q->groups->waiting++;
    if (!list_is_empty(&g->consumer->of_able))
        groups_resume(g->consumer);
    if (q->has_deadlines)
        expiry_watch(s, q);
    return true;
}
