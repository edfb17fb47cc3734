#include "core/commands.h"

#include "core/base/assert.h"
#include "core/browse.h"
#include "core/cluster_queue.h"
#include "core/direct_reply.h"
#include "core/dispatch.h"
#include "core/expiry.h"
#include "core/gets.h"
#include "core/groups.h"
#include "core/overdue.h"
#include "core/queue.h"
#include "core/reminder.h"

#include <stdlib.h>
#include <string.h>

#define REASON_BYTES_MAX 1024

static void do_declare(struct shard *s, const struct shard_command *c);
static void do_delete(struct shard *s, const struct shard_command *c);
static void do_purge(struct shard *s, const struct shard_command *c);
static void do_subscribe(struct shard *s, const struct shard_command *c);
static void do_cancel(struct shard *s, const struct shard_command *c);
static void do_drop(struct shard *s, const struct shard_command *c);
static void do_get(struct shard *s, const struct shard_command *c);
static void do_browse(struct shard *s, const struct shard_command *c);
static void do_join(struct shard *s, const struct shard_command *c);
static void do_poke(struct shard *s, const struct shard_command *c);
static void do_goodbye(struct shard *s, const struct shard_command *c);

static enum sl_err declare(struct shard *s, const struct shard_command *c,
                           struct topology_queue **def, unsigned *changes, struct text *reason);
static struct queue *use_queue(struct shard *s, const struct shard_command *c, struct answer *a);
static void drop(struct shard *s, struct consumer *consumer);
static void leave(struct shard *s, struct consumer *consumer);
static void delete_if_unused(struct shard *s, struct queue *q);
static struct text reason_text(char room[REASON_BYTES_MAX]);
static void refuse_queue(struct answer *a, enum sl_err err, const struct shard_command *c,
                         const char *what);

void command_execute(struct shard *s, const struct shard_command *command)
{
    static void (*const HANDLERS[])(struct shard *, const struct shard_command *) = {
        [COMMAND_DECLARE] = do_declare,
        [COMMAND_DELETE] = do_delete,
        [COMMAND_PURGE] = do_purge,
        [COMMAND_SUBSCRIBE] = do_subscribe,
        [COMMAND_CANCEL] = do_cancel,
        [COMMAND_DROP] = do_drop,
        [COMMAND_GET] = do_get,
        [COMMAND_BROWSE] = do_browse,
        [COMMAND_JOIN] = do_join,
        [COMMAND_POKE] = do_poke,
        [COMMAND_GOODBYE] = do_goodbye,
        [COMMAND_PREPARED] = prepared_execute,
        [COMMAND_QUESTION] = prepared_question_execute,
    };
    HANDLERS[command->kind](s, command);
}

static void do_declare(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    char room[REASON_BYTES_MAX];
    struct text reason = reason_text(room);
    struct topology_queue *def = NULL;
    struct queue *q = NULL;
    struct reminder reminder = {.count = 0};
    unsigned changes = 0;

    topology_lock(s->topology);
    enum sl_err err = declare(s, c, &def, &changes, &reason);
    bool created = (changes & CLUSTER_QUEUE_MADE) != 0;
    if (err == SL_OK) {
        SL_ASSERT(def->ref.shard == s->index);
        q = created ? shard_enter_queue(s, def) : shard_queue(s, def->ref.at);
        if (def->cluster != NULL)
            cluster_queue_log(s, q, def, changes, &reminder);
        else if (created && def->ref.number != 0)
            q->place = commands_log_declaration(s, q, def);
        a->place = sl_lsn_reached(def->bound_place, q->place) ? def->bound_place : q->place;
        a->name = malloc(def->name.len);
        SL_ASSERT(a->name != NULL);
        memcpy(a->name, def->name.at, def->name.len);
        a->name_len = def->name.len;
    }
    topology_unlock(s->topology);
    reminder_publish(&reminder, s);
    if (err != SL_OK)
        command_refuse(a, err, room);
    else {
        if (created && c->declaration.is_exclusive) {
            struct peer *p = peer_get(s, c->from, c->window);
            list_push(&p->queues, &q->of_owner);
        }
        expiry_renew(s, q);
        queue_tend(s, q);
        a->messages = queue_ready(q);
        a->consumers = q->consumers_count;
    }
    if (c->from.generation == 0) /* the broker itself */
        mail_free(&a->mail);
    else
        shard_answer(s, a);
}

/* changes: of enum cluster_change, of an ordinary queue too. */
static enum sl_err declare(struct shard *s, const struct shard_command *c,
                           struct topology_queue **def, unsigned *changes, struct text *reason)
{
    bool created = false;

    if (c->declaration.is_cluster && !c->declaration.is_passive)
        return topology_declare_cluster(s->topology, c->vhost, &c->declaration, def, changes,
                                        reason);
    enum sl_err err = topology_declare_queue(s->topology, c->vhost, c->from, &c->declaration, def,
                                             &created, reason);
    if (created)
        *changes = CLUSTER_QUEUE_MADE;
    return err;
}

static void do_delete(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    struct queue *q = use_queue(s, c, a);

    if (q != NULL)
        queue_tend(s, q);
    if (q == NULL && a->err == SL_ENOENT) { /* RabbitMQ: gone is as good as deleted */
        free(a->reason);
        a->reason = NULL;
        a->err = SL_OK;
        topology_lock(s->topology);
        a->place = s->topology->removed;
        topology_unlock(s->topology);
    } else if (q != NULL && c->if_unused && q->consumers_count > 0)
        refuse_queue(a, SL_EPRECOND, c, "in use");
    else if (q != NULL && c->if_empty && queue_count(q) != 0)
        refuse_queue(a, SL_EPRECOND, c, "not empty");
    else if (q != NULL) {
        a->messages = queue_ready(q);
        a->place = shard_remove_queue(s, q);
    }
    shard_answer(s, a);
}

static void do_purge(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    struct queue *q = use_queue(s, c, a);

    if (q != NULL) {
        a->messages = queue_purge(s, q);
        if (q->ref.number != 0) {
            run_hand_over(s->run); /* for the place of what was just written */
            order_hurry(s->run->order);
            a->place = s->run->end;
        }
    }
    shard_answer(s, a);
}

static void do_subscribe(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    struct queue *q = c->is_reply ? direct_reply_queue(s, c, a) : use_queue(s, c, a);
    struct consumer *consumer = NULL;

    bool is_taken = q != NULL &&
                    (q->exclusive_consumer != NULL ||
                     (c->is_exclusive && (q->consumers_count > 0 || q->rules.is_single_active)));
    if (is_taken)
        refuse_queue(a, SL_EDENIED, c, "in exclusive use");
    else if (q != NULL) {
        consumer = consumer_new(s, q, peer_get(s, c->from, c->window), c, false);
        if (consumer == NULL)
            command_refuse(a, SL_ENOMEM, "no room for another consumer");
    }
    if (consumer != NULL) {
        q->consumers_count++;
        q->was_consumed = true;
        if (c->is_exclusive)
            q->exclusive_consumer = consumer;
        dispatch_enter(s, consumer, c->priority);
        overdue_watch(s, consumer);
        a->consumer = (struct consumer_ref){s->index, consumer->at};
        a->queue_number = q->ref.number;
    }
    shard_answer(s, a);
    if (consumer != NULL)
        consumer_wake(s, consumer); /* after the answer: its deliveries come behind it */
}

static void do_cancel(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    struct consumer *consumer = slot_table_get(&s->consumers, c->consumer);

    shard_answer(s, a);
    if (consumer != NULL)
        leave(s, consumer);
}

static void do_drop(struct shard *s, const struct shard_command *c)
{
    struct consumer *consumer = slot_table_get(&s->consumers, c->consumer);

    if (consumer != NULL)
        drop(s, consumer);
}

static void do_get(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    struct queue *q = use_queue(s, c, a);

    if (q == NULL)
        shard_answer(s, a);
    else
        gets_take(s, q, c, a);
}

static void do_browse(struct shard *s, const struct shard_command *c)
{
    struct answer *a = answer_new(c->from, c->ticket);
    struct queue *q = use_queue(s, c, a);

    if (q == NULL)
        shard_answer(s, a);
    else
        browse_take(s, q, c, a);
}

static void do_join(struct shard *s, const struct shard_command *c)
{
    struct consumer *consumer = slot_table_get(&s->consumers, c->consumer);

    if (consumer == NULL || consumer->group != NULL)
        return;
    consumer->group = credit_group_ref(c->group);
    credit_group_join(c->group, consumer->out);
}

static void do_poke(struct shard *s, const struct shard_command *c)
{
    struct peer *p = peer_find(s, c->from);

    if (p == NULL)
        return;
    for (struct list *at = p->consumers.next; at != &p->consumers; at = at->next)
        consumer_wake(s, LIST_OF(at, struct consumer, of_peer));
}

/* The session is gone: its loans go back, then its exclusive queues go. */
static void do_goodbye(struct shard *s, const struct shard_command *c)
{
    struct peer *p = peer_find(s, c->from);

    if (p == NULL)
        return;
    gets_forget(s, c->from);
    while (!list_is_empty(&p->consumers))
        drop(s, LIST_OF(p->consumers.next, struct consumer, of_peer));
    while (!list_is_empty(&p->queues))
        shard_remove_queue(s, LIST_OF(p->queues.next, struct queue, of_owner));
    peer_free(s, p);
}

/* The queue that the command names; NULL with the refusal in a. */
static struct queue *use_queue(struct shard *s, const struct shard_command *c, struct answer *a)
{
    char room[REASON_BYTES_MAX];
    struct text reason = reason_text(room);
    struct topology_queue *def = NULL;
    struct queue *q = NULL;

    topology_lock(s->topology);
    enum sl_err err = topology_use_queue(c->vhost, c->from, c->declaration.name, &def, &reason);
    if (err == SL_OK) {
        q = shard_queue(s, def->ref.at);
        SL_ASSERT(q != NULL);
    }
    topology_unlock(s->topology);
    if (err != SL_OK)
        command_refuse(a, err, room);
    return q;
}

static void drop(struct shard *s, struct consumer *consumer)
{
    consumer_return_all(s, consumer);
    if (consumer->is_getter || consumer->is_cancelled)
        consumer_free(s, consumer);
    else
        leave(s, consumer);
}

/* Nothing more is lent to it; it goes when nothing is out, and with it perhaps its queue. */
static void leave(struct shard *s, struct consumer *consumer)
{
    struct queue *q = consumer->queue;

    if (!consumer->is_cancelled) {
        q->consumers_count--;
        if (q->exclusive_consumer == consumer)
            q->exclusive_consumer = NULL;
        consumer->is_cancelled = true;
        expiry_renew(s, q);
        dispatch_leave(s, consumer);
        groups_leave(s, consumer);
    }
    if (consumer->out == 0)
        consumer_free(s, consumer);
    delete_if_unused(s, q);
}

static void delete_if_unused(struct shard *s, struct queue *q)
{
    if (q->is_auto_delete && q->was_consumed && q->consumers_count == 0)
        shard_remove_queue(s, q);
}

void command_refuse(struct answer *a, enum sl_err err, const char *reason)
{
    a->err = err;
    a->reason = strdup(reason);
    SL_ASSERT(a->reason != NULL);
}

static struct text reason_text(char room[REASON_BYTES_MAX])
{
    return text_on(room, REASON_BYTES_MAX);
}

/* "queue 'q' in vhost '/' in use", as RabbitMQ says it. */
static void refuse_queue(struct answer *a, enum sl_err err, const struct shard_command *c,
                         const char *what)
{
    char room[REASON_BYTES_MAX];
    struct text reason = reason_text(room);

    text_add(&reason, "queue '");
    text_add_bytes(&reason, c->declaration.name);
    text_add(&reason, "' in vhost '");
    text_add_bytes(&reason, c->vhost->name);
    text_add(&reason, "' %s", what);
    command_refuse(a, err, room);
}
