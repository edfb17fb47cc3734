/* prepared_check.c - the part of prepared.h that asks what became of a business step. */
#include "core/prepared_parts.h"

#include "core/admission.h"
#include "core/aside.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/levels.h"
#include "core/onward.h"

#include <stdlib.h>

#define SOON_MS 10u

static bool is_answered_for(struct shard *s, struct prepared_set *set, struct prepared *p);
static void gather(struct shard *s, struct prepared_set *set, struct prepared *p);
static void send_next(struct shard *s, struct prepared_set *set, struct prepared *p);
static bool send(struct shard *s, struct prepared_set *set, struct prepared *p,
                 struct sl_bytes exchange, struct sl_bytes key, uint32_t number);
static void take_target_places(struct shard *s, struct route *route, const struct message *msg);
static void destination_of(const struct prepared *p, struct sl_bytes *exchange,
                           struct sl_bytes *key);
static void send_question(struct shard *s, struct prepared_question *question);
static void look(struct queue *q, struct prepared_question *question);
static void on_loan(void *context, const struct entry *entry);
static void on_backlog(void *context, uint8_t priority, struct backlog *b);
static void take_answer(struct shard *s, struct prepared_set *set,
                        const struct prepared_question *question);
static int by_seq(const void *a, const void *b);
static int seq_against_item(const void *seq, const void *item);

void prepared_configure(struct shard *s, const struct prepared_settings *settings)
{
    s->prepared_settings = (struct prepared_settings){
        settings->check_ms != 0 ? settings->check_ms : SL_PREPARED_CHECK_MS,
        settings->check_again_ms != 0 ? settings->check_again_ms : SL_PREPARED_CHECK_AGAIN_MS,
        settings->checks_max != 0 ? settings->checks_max : SL_PREPARED_CHECKS,
        settings->check_slow_ms != 0 ? settings->check_slow_ms : SL_PREPARED_CHECK_SLOW_MS,
    };
}

void prepared_check_due(struct shard *s, struct prepared_set *set, struct prepared *p)
{
    if (p->is_fetching) { /* it could not be had the last time */
        p->is_fetching = false;
        prepared_fetch(s, set, p);
    } else if (s->now < p->check_at) {
        prepared_look_at(set, p, p->check_at);
    } else if (p->last_check == CHECK_SENT) {
        prepared_look_at(set, p, s->now + SOON_MS);
    } else if (!p->is_asking && is_answered_for(s, set, p)) {
        send_next(s, set, p);
    }
}

void prepared_checked(struct shard *s, const struct lane_item *item, sl_seq seq)
{
    struct queue *q = shard_queue(s, item->at);
    struct consumer *holder = q == NULL || q->prepared == NULL ? NULL : q->prepared->holder;
    const struct entry *entry = holder == NULL ? NULL : consumer_loan(holder, item->first_loan);
    struct prepared *p = entry == NULL ? NULL : prepared_by_seq(q->prepared, entry->seq);

    if (p != NULL && p->last_check == CHECK_SENT)
        p->last_check = seq.v;
}

void prepared_ask(struct shard *s, struct prepared_set *set)
{
    struct prepared_question *question = set->question;

    if (question == NULL)
        return;
    set->question = NULL;
    qsort(question->items, question->count, sizeof question->items[0], by_seq);
    send_question(s, question);
}

void prepared_question_execute(struct shard *s, const struct shard_command *command)
{
    struct prepared_question *question = command->question;
    struct queue *q;

    if (question->at < question->targets.count) {
        q = shard_queue(s, question->targets.at[question->at].at);
        if (q != NULL)
            look(q, question);
        question->at++;
        ((struct shard_command *)(uintptr_t)command)->question = NULL; /* it goes on */
        send_question(s, question);
        return;
    }
    q = shard_queue(s, question->home.at);
    if (q != NULL && q->prepared != NULL)
        take_answer(s, q->prepared, question);
}

void prepared_question_free(struct prepared_question *question)
{
    target_set_deinit(&question->targets);
    free(question);
}

/* False: the last check is asked for first. */
static bool is_answered_for(struct shard *s, struct prepared_set *set, struct prepared *p)
{
    if (p->last_check == CHECK_NONE)
        return true;
    gather(s, set, p);
    return false;
}

static void gather(struct shard *s, struct prepared_set *set, struct prepared *p)
{
    struct prepared_question *question = set->question;
    struct sl_bytes exchange, key;
    bool is_fixed;

    if (question != NULL && (question->count == PREPARED_QUESTION_MAX ||
                             !sl_bytes_equal(set->question_check, p->check))) {
        prepared_ask(s, set);
        question = NULL;
    }
    if (question == NULL) {
        question = calloc(1, sizeof *question);
        SL_ASSERT(question != NULL);
        question->home = set->queue->ref;
        destination_of(p, &exchange, &key);
        const struct routed what = {.exchange = exchange, .key = key};
        topology_lock(s->topology);
        enum sl_err err = route_resolve(s->topology, set->queue->def->vhost, &what,
                                        &question->targets, &is_fixed);
        topology_unlock(s->topology);
        if (err == SL_ENOMEM) { /* nobody knows where the last one may be */
            prepared_question_free(question);
            prepared_look_at(set, p, s->now + SOON_MS);
            return;
        }
        if (err != SL_OK)
            question->targets.count = 0;
        set->question = question;
        set->question_check = p->check;
    }
    question->items[question->count].seq = p->last_check;
    question->items[question->count++].loan = p->loan;
    p->is_asking = true;
}

/* The next check, or once that it is of no use. */
static void send_next(struct shard *s, struct prepared_set *set, struct prepared *p)
{
    struct sl_bytes exchange, key;

    if (prepared_entry(set, p)->msg == NULL) {
        prepared_fetch(s, set, p); /* it is looked at again when that is there */
        return;
    }
    if (!p->is_told && p->checks >= s->prepared_settings.checks_max) {
        p->is_told = true;
        if (!send(s, set, p, (struct sl_bytes){NULL, 0}, SL_BYTES_LITERAL(PREPARED_EXPIRED_QUEUE),
                  p->checks))
            p->is_told = false; /* its queue is being declared */
        prepared_look_at(set, p, s->now + (p->is_told ? prepared_pause(s, p) : SOON_MS));
        return;
    }
    destination_of(p, &exchange, &key);
    if (!send(s, set, p, exchange, key, p->checks + 1)) {
        prepared_look_at(set, p, s->now + SOON_MS);
        return;
    }
    prepared_look_at(set, p, s->now + prepared_pause(s, p));
}

/* False: the queue has to be declared first.  A check that reaches nothing is one that nobody
 * answers. */
static bool send(struct shard *s, struct prepared_set *set, struct prepared *p,
                 struct sl_bytes exchange, struct sl_bytes key, uint32_t number)
{
    struct vhost *v = set->queue->def->vhost;
    struct message *msg = prepared_check(prepared_entry(set, p)->msg, exchange, key, number);
    struct route *route = NULL;
    bool is_default = p->is_told || p->check.len == 0;

    if (msg == NULL)
        return false;
    if (prepared_route(s, v, msg, &route) == SL_OK)
        take_target_places(s, route, msg);
    if (is_default && route != NULL && route->count == 0 && !prepared_has_queue(s, v, key)) {
        prepared_declare_queue(s->run, topology_shard(s->topology, v, key), v, key);
        onward_drop(route);
        message_unref(msg);
        return false;
    }
    uint32_t offset = run_sequence(s->run);
    run_group_begin(s->run);
    if (number > p->checks) {
        p->checks = number;
        p->last_check = CHECK_SENT;
    }
    journal_checked(&s->run->journal, offset, set->queue->ref.number, p->key, p->checks,
                    p->is_told);
    bool is_sent = route != NULL && route->count != 0;
    if (is_sent) {
        onward_publish(s, route, msg, offset);
        counter_add(&s->counters->checks_sent, 1);
    } else {
        sl_log_peer(SL_LOG_WARN, "prepared.check_lost", "check=%u", p->checks);
        onward_drop(route);
        message_unref(msg);
    }
    run_group_end(s->run);
    if (p->last_check == CHECK_SENT)
        *run_add(s->run, s->index) = (struct lane_item){.at = set->queue->ref.at,
                                                        .kind = LANE_CHECKED,
                                                        .offset = offset,
                                                        .first_loan = p->loan};
    return true;
}

/* Queues that are full do without it. */
static void take_target_places(struct shard *s, struct route *route, const struct message *msg)
{
    uint32_t kept = 0;

    if (route->limited == 0)
        return;
    topology_lock(s->topology);
    route->durable = 0;
    for (uint32_t i = 0; i < route->count; i++) {
        if (topology_queue_at(s->topology, route->targets[i]) == NULL)
            continue;
        struct admission *a = route->targets[i].admission;
        if (a != NULL && !admission_take(a, message_body(msg).len))
            continue;
        route->durable += route->targets[i].number != 0;
        route->targets[kept++] = route->targets[i];
    }
    route->count = kept;
    topology_unlock(s->topology);
}

static void destination_of(const struct prepared *p, struct sl_bytes *exchange,
                           struct sl_bytes *key)
{
    *exchange = (struct sl_bytes){NULL, 0};
    *key = SL_BYTES_LITERAL(PREPARED_CHECK_QUEUE);
    if (p->check.len == 0)
        return;
    enum sl_err err = prepared_destination(p->check, exchange, key);
    SL_ASSERT(err == SL_OK); /* it was read when it was prepared */
}

/* To the shard of its next target, or back. */
static void send_question(struct shard *s, struct prepared_question *question)
{
    const struct queue_ref *to = question->at < question->targets.count
                                     ? &question->targets.at[question->at]
                                     : &question->home;
    struct shard_command *command =
        shard_command_new(COMMAND_QUESTION, (struct sl_handle){0, 0, 0}, 0, 0);

    command->question = question;
    *run_add(s->run, to->shard) = (struct lane_item){.kind = LANE_COMMAND, .command = command};
}

static void look(struct queue *q, struct prepared_question *question)
{
    for (struct list *at = q->consumers.next; at != &q->consumers; at = at->next)
        consumer_each_loan(LIST_OF(at, struct consumer, of_queue), on_loan, question);
    queue_each_backlog(q, on_backlog, question);
    aside_each(q, on_loan, question);
}

static void on_loan(void *context, const struct entry *entry)
{
    struct prepared_question *question = context;
    uint64_t seq = entry->seq.v;
    void *found = bsearch(&seq, question->items, question->count, sizeof question->items[0],
                          seq_against_item);

    if (found != NULL)
        question->items[((char *)found - (char *)question->items) / sizeof question->items[0]]
            .is_there = true;
}

static void on_backlog(void *context, uint8_t priority, struct backlog *b)
{
    struct prepared_question *question = context;

    (void)priority;
    for (uint32_t i = 0; i < question->count; i++)
        question->items[i].is_there |= backlog_may_hold(b, (sl_seq){question->items[i].seq});
}

static void take_answer(struct shard *s, struct prepared_set *set,
                        const struct prepared_question *question)
{
    for (uint32_t i = 0; i < question->count; i++) {
        const struct entry *entry = consumer_loan(set->holder, question->items[i].loan);
        struct prepared *p = entry == NULL ? NULL : prepared_by_seq(set, entry->seq);
        if (p == NULL)
            continue;
        p->is_asking = false;
        if (question->items[i].is_there) {
            prepared_look_at(set, p, s->now + prepared_pause(s, p));
        } else {
            p->last_check = CHECK_NONE;
            send_next(s, set, p);
        }
    }
}

static int by_seq(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a; /* the first member */
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static int seq_against_item(const void *seq, const void *item)
{
    return by_seq(seq, item);
}
