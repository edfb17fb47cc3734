#include "core/gets.h"

#include "core/base/assert.h"
#include "core/commands.h"
#include "core/expiry.h"
#include "core/groups.h"
#include "core/overdue.h"
#include "core/retry.h"

#include <stdlib.h>
#include <string.h>

static bool get(struct shard *s, struct queue *q, const struct shard_command *c, struct answer *a);
static void take_next(struct shard *s, struct queue *q, struct consumer *getter, struct answer *a);
static void park(struct shard *s, struct queue *q, const struct shard_command *c);
static void unpark(struct parked_get *p);

void gets_take(struct shard *s, struct queue *q, const struct shard_command *c, struct answer *a)
{
    if (list_is_empty(&q->parked) && get(s, q, c, a)) {
        shard_answer(s, a);
        return;
    }
    mail_free(&a->mail);
    park(s, q, c);
}

void gets_resume(struct shard *s, struct queue *q)
{
    while (!list_is_empty(&q->parked)) {
        struct parked_get *p = LIST_OF(q->parked.next, struct parked_get, of_queue);
        struct answer *a = answer_new(p->command->from, p->command->ticket);
        if (!get(s, q, p->command, a)) {
            mail_free(&a->mail);
            return;
        }
        shard_answer(s, a);
        unpark(p);
    }
}

void gets_forget(struct shard *s, struct sl_handle session)
{
    for (struct list *at = s->parked.next, *next; at != &s->parked; at = next) {
        struct parked_get *p = LIST_OF(at, struct parked_get, of_shard);
        next = at->next;
        if (sl_handle_equal(p->command->from, session))
            unpark(p);
    }
}

/* False: what is next must be fetched first, or waits for the log. */
static bool get(struct shard *s, struct queue *q, const struct shard_command *c, struct answer *a)
{
    struct consumer *getter = NULL;
    struct entry entry;

    expiry_renew(s, q);
    queue_tend(s, q);
    enum backlog_head head = retry_is_full(q) ? BACKLOG_EMPTY : queue_peek(s, q, &entry);
    if (head == BACKLOG_READY && groups_matter(q, &entry))
        head = groups_peek(s, q, &entry);
    if (head == BACKLOG_AWAY)
        return false;
    bool may_lend = head == BACKLOG_READY && queue_may_lend(s, q, &entry);
    if (head == BACKLOG_READY && !may_lend && q->gates_count == 0)
        return false; /* for its mark: it was there all the time */
    if (may_lend) {
        if (!c->is_no_ack)
            getter = consumer_new(s, q, peer_get(s, c->from, c->window), c, true);
        if (!c->is_no_ack && getter == NULL)
            command_refuse(a, SL_ENOMEM, "no room for another loan");
        else
            take_next(s, q, getter, a);
    }
    a->messages = queue_ready(q);
    return true;
}

/* What queue_peek told goes into the answer, as a loan or for good. */
static void take_next(struct shard *s, struct queue *q, struct consumer *getter, struct answer *a)
{
    struct entry entry;

    queue_pop(s, q, &entry);
    bool is_logged = (entry.flags & ENTRY_LOGGED) != 0;
    a->msg = message_ref(entry.msg);
    a->seq = is_logged ? entry.seq : (sl_seq){0};
    a->returns = entry.returns;
    a->is_redelivered = entry_is_redelivered(&entry);
    a->queue_number = q->ref.number;
    if (getter != NULL) {
        a->loan = consumer_lend(getter, &entry);
        groups_note_get(q, getter, &entry);
        overdue_watch(s, getter);
        a->consumer = (struct consumer_ref){s->index, getter->at};
        return;
    }
    if (is_logged)
        journal_settled(&s->run->journal, q->ref.number, entry.seq);
    queue_end_entry(s, q, &entry);
}

/* It is answered when the queue is looked at again and what is next is there.  Its peer is known
 * from here on: a session that leaves takes it along. */
static void park(struct shard *s, struct queue *q, const struct shard_command *c)
{
    struct parked_get *p = malloc(sizeof *p);
    size_t n = c->declaration.name.len;

    SL_ASSERT(p != NULL);
    p->command = shard_command_new(COMMAND_GET, c->from, c->ticket, n);
    p->command->vhost = c->vhost;
    p->command->cookie = c->cookie;
    p->command->prefetch = c->prefetch;
    p->command->is_no_ack = c->is_no_ack;
    p->command->window = session_window_ref(c->window);
    if (c->group != NULL)
        p->command->group = credit_group_ref(c->group);
    memcpy(p->command->text, c->declaration.name.at, n);
    p->command->declaration.name = (struct sl_bytes){p->command->text, n};
    peer_get(s, c->from, c->window);
    list_push(&q->parked, &p->of_queue);
    list_push(&s->parked, &p->of_shard);
}

static void unpark(struct parked_get *p)
{
    list_remove(&p->of_queue);
    list_remove(&p->of_shard);
    shard_command_free(p->command);
    free(p);
}
