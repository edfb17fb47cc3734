#include "core/broker.h"

#include "core/backlog.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/dead_letter.h"
#include "core/fetch.h"
#include "core/memory.h"
#include "core/properties.h"
#include "core/recovery.h"
#include "core/shard.h"

#include <stdlib.h>

#define RESIDENT_SHARE 4u /* of the budget: what a start may fill with messages */

struct broker {
    struct broker_options options;
    struct recovery *recovery; /* between begin and end */
    struct topology *topology;
    struct order order;
    struct fetch *fetch; /* with the log */
    struct pressure pressure;
    struct broker_worker **workers;
    struct mailbox *session_inboxes[CREDIT_SHARDS_MAX];
    struct mailbox *shard_inboxes[CREDIT_SHARDS_MAX];
};

struct waker { /* what a mailbox wakes: a worker, told by its number */
    struct broker *broker;
    uint32_t worker;
};

struct worker_block { /* one allocation, so that no two workers share a cache line */
    _Alignas(64) struct broker_worker worker;
    struct waker waker;
};

typedef void confirm_adder(struct confirm_line *line, struct sl_handle session, uint64_t who,
                           sl_tag tag, uint64_t run);

static enum sl_err end_recovery(struct broker *b, struct commit_log *log);
static enum sl_err add_worker(struct broker *b, uint32_t index);
static enum sl_err add_shard(struct broker *b, uint32_t index);
static void free_worker(struct broker *b, uint32_t index);
static void wake_others(struct broker_worker *w);
static void wake(void *reader);
static void add_confirm(struct client *c, uint64_t who, sl_tag tag, confirm_adder *add);
static bool room_is_back(struct broker_worker *w);
static uint64_t room_of(const struct broker *b);
static void post_pending(struct broker_worker *w);

struct broker *broker_new(const struct broker_options *options)
{
    struct broker *b = calloc(1, sizeof *b);

    SL_ASSERT(options->workers >= 1 && options->workers <= CREDIT_SHARDS_MAX);
    if (b == NULL)
        return NULL;
    b->options = *options;
    b->pressure.budget_bytes = options->memory_budget_bytes;
    order_init(&b->order, options->clock);
    b->topology = topology_new(options->workers);
    b->workers = calloc(options->workers, sizeof(struct broker_worker *));
    if (b->topology == NULL || b->workers == NULL)
        goto free_broker;
    for (uint32_t i = 0; i < options->workers; i++)
        if (add_worker(b, i) != SL_OK)
            goto free_broker;
    for (uint32_t i = 0; i < options->workers; i++)
        if (add_shard(b, i) != SL_OK)
            goto free_broker;
    for (uint32_t i = 0; i < options->workers; i++) {
        run_init(&b->workers[i]->run, &b->order, i, b->shard_inboxes, options->workers);
        shard_attach(b->workers[i]->shard, &b->workers[i]->run, &b->workers[i]->counters);
    }
    return b;

free_broker:
    broker_free(b);
    return NULL;
}

void broker_free(struct broker *b)
{
    /* While every shard is still there to be posted to. */
    for (uint32_t i = 0; b->workers != NULL && i < b->options.workers; i++)
        if (b->workers[i] != NULL && b->workers[i]->run.lanes != NULL)
            broker_worker_hand_over(b->workers[i]);
    for (uint32_t i = 0; b->workers != NULL && i < b->options.workers; i++)
        free_worker(b, i);
    free(b->workers);
    if (b->fetch != NULL)
        fetch_free(b->fetch);
    if (b->topology != NULL)
        topology_free(b->topology);
    order_deinit(&b->order);
    free(b);
}

struct broker_worker *broker_worker_at(struct broker *b, uint32_t worker)
{
    SL_ASSERT(worker < b->options.workers);
    return b->workers[worker];
}

struct topology *broker_topology(struct broker *b)
{
    return b->topology;
}

void broker_worker_refresh(struct broker_worker *w)
{
    route_cache_refresh(&w->routes);
}

void broker_worker_hand_over(struct broker_worker *w)
{
    if (w->run.group != 0)
        return; /* a group goes out whole, at its end */
    run_hand_over(&w->run);
    if (w->is_urgent)
        order_hurry(&w->broker->order);
    w->is_urgent = false;
    confirm_line_place(&w->confirms, w->run.end);
    confirm_line_place(&w->confirms_now, (sl_lsn){0});
    w->run_number++;
    post_pending(w);
}

bool broker_worker_run_shard(struct broker_worker *w)
{
    bool more = shard_run(w->shard);

    if (w->shard->paging.has_risen) {
        w->shard->paging.has_risen = false;
        wake_others(w);
    }
    return more;
}

struct fetch *broker_fetch(struct broker *b)
{
    return b->fetch;
}

struct mail_chain broker_worker_take_mail(struct broker_worker *w)
{
    return mailbox_take(&w->inbox);
}

bool broker_worker_has_work(struct broker_worker *w)
{
    if (mailbox_has_mail(&w->inbox) || mailbox_has_mail(&w->shard->inbox) ||
        !list_is_empty(&w->shard->busy) || broker_worker_next_due(w) == 0 ||
        w->shard->todo.first != NULL || w->pending.first != NULL ||
        (!run_is_empty(&w->run) && w->run.group == 0) || !confirm_line_is_empty(&w->confirms_now))
        return true;
    bool waits = !confirm_line_is_empty(&w->confirms) || shard_waits_for_log(w->shard);
    atomic_store(&w->waits_for_log, waits);
    if (!waits)
        return false;
    sl_lsn durable = order_durable(&w->broker->order); /* after the flag: see on_durable */
    return (!confirm_line_is_empty(&w->confirms) &&
            sl_lsn_reached(durable, confirm_line_front(&w->confirms))) ||
           shard_is_freed_by(w->shard, durable);
}

uint64_t broker_worker_next_due(const struct broker_worker *w)
{
    uint64_t due = shard_next_due(w->shard);

    if (due == DUE_NEVER)
        return UINT64_MAX;
    uint64_t now = order_time(&w->broker->order);
    return due > now ? due - now : 0;
}

bool broker_worker_next_confirm(struct broker_worker *w, struct waiting_publisher *out)
{
    if (confirm_line_next(&w->confirms_now, (sl_lsn){0}, out))
        return true;
    if (confirm_line_is_empty(&w->confirms) ||
        !confirm_line_next(&w->confirms, order_durable(&w->broker->order), out))
        return false;
    w->safe_run = out->run;
    return true;
}

/* The cursor was moved before; a worker sets its flag before it looks at the cursor.  So either
 * it sees the cursor or we see the flag. */
void broker_on_durable(struct broker *b)
{
    for (uint32_t i = 0; i < b->options.workers; i++)
        if (atomic_load(&b->workers[i]->waits_for_log))
            b->options.wake(b->options.wake_context, i);
}

void broker_on_stopped(struct broker *b)
{
    struct log_run *marks = &b->workers[0]->run.at_once;

    for (uint32_t i = 0; i < b->options.workers; i++) {
        broker_worker_hand_over(b->workers[i]);
        shard_log_lent(b->workers[i]->shard, marks);
    }
    order_append(&b->order, marks);
    b->order.log = NULL; /* the caller closes it now */
    if (b->fetch != NULL)
        fetch_free(b->fetch);
    b->fetch = NULL;
    for (uint32_t i = 0; i < b->options.workers; i++) {
        b->workers[i]->run.journal.is_off = true;
        b->workers[i]->shard->fetch = NULL;
    }
}

void broker_on_stopping(struct broker *b)
{
    for (uint32_t i = 0; i < b->options.workers; i++)
        atomic_store(&b->workers[i]->shard->is_stopping, true);
}

struct log_visitor broker_recovery_begin(struct broker *b)
{
    struct shard *shards[CREDIT_SHARDS_MAX];

    for (uint32_t i = 0; i < b->options.workers; i++)
        shards[i] = b->workers[i]->shard;
    b->recovery =
        recovery_new(b->topology, shards, b->options.memory_budget_bytes / RESIDENT_SHARE);
    return recovery_visitor(b->recovery);
}

enum sl_err broker_recovery_end(struct broker *b, struct commit_log *log, uint64_t log_time)
{
    order_attach(&b->order, log, log_time);
    enum sl_err err = log == NULL ? SL_OK : end_recovery(b, log);
    recovery_free(b->recovery);
    b->recovery = NULL;
    return err;
}


struct log_place broker_tell_shards(struct broker *b, struct broker_notice *notice,
                                    void (*fill)(void *context, struct lane_item *item),
                                    void *context)
{
    struct hand_over parts[CREDIT_SHARDS_MAX];
    struct log_run nothing = {0};

    for (uint32_t i = 0; i < b->options.workers; i++) {
        struct lane_batch *batch = lane_batch_new();
        batch->count = 1;
        batch->items[0] = (struct lane_item){0};
        fill(context, &batch->items[0]);
        parts[i] = (struct hand_over){b->shard_inboxes[i], batch, batch, false};
    }
    struct log_place place = order_hand_over(&b->order, &nothing, parts, b->options.workers, 0);
    notice->shards = 0;
    for (uint32_t i = 0; i < b->options.workers; i++)
        notice->shards |= (uint64_t)parts[i].must_wake << i;
    return place;
}

void broker_wake_shards(struct broker *b, const struct broker_notice *notice)
{
    for (uint32_t i = 0; i < b->options.workers; i++)
        if ((notice->shards >> i & 1) != 0)
            mailbox_wake(b->shard_inboxes[i]);
}

void broker_set_disk_low(struct broker *b, bool is_low)
{
    atomic_store(&b->pressure.is_disk_low, is_low);
}

uint8_t broker_held_by(const struct broker *b)
{
    return pressure_now(&b->pressure, b->order.log);
}

bool broker_worker_balance(struct broker_worker *w)
{
    uint8_t before = w->held_by;

    memory_settle();
    w->held_by = pressure_look(&w->broker->pressure, w->broker->order.log, &w->openings);
    bool has_room = room_is_back(w);
    return has_room || w->held_by != before;
}

bool broker_take_room(struct client *c, uint64_t bytes)
{
    struct broker_worker *w = c->worker;

    if (memory_room_take(bytes, room_of(w->broker)))
        return true;
    if (w->room_wanted == 0 || bytes < w->room_wanted)
        w->room_wanted = bytes;
    return false;
}

const char *broker_held_reason(const struct client *c)
{
    return pressure_reason(c->worker->held_by);
}

void broker_thread_end(void)
{
    lane_batches_trim();
    backlogs_trim();
    memory_settle();
}

enum sl_err broker_route(struct client *c, struct sl_bytes exchange, struct sl_bytes key,
                         struct sl_bytes headers, const struct route **route)
{
    return route_cache_get(&c->worker->routes, c->vhost, exchange, key, headers, route);
}

const struct admission *broker_publish(struct client *c, const struct route *route,
                                       struct message *msg)
{
    struct admission_split *split = &c->worker->split;

    if (route->limited == 0) {
        broker_publish_admitted(c, route, msg);
        return NULL;
    }
    admission_split(split, route, message_body(msg).len);
    if (split->refused_count == 0) {
        broker_publish_admitted(c, route, msg);
        return NULL;
    }
    counter_add(&c->worker->counters.refused, split->refused_count);
    for (uint32_t i = 0; i < split->refused_count; i++)
        if (split->refused[i].admission->rules.overflow == OVERFLOW_REJECT_PUBLISH_DLX)
            dead_letter_refused(c->worker, split->refused[i], msg);
    if (split->takers->count != 0)
        broker_publish_admitted(c, split->takers, msg);
    else
        message_unref(msg);
    return split->refused[0].admission;
}

void broker_publish_admitted(struct client *c, const struct route *route, struct message *msg)
{
    struct broker_worker *w = c->worker;

    counter_add(&w->counters.published, 1);
    if (route->count == 0) {
        counter_add(&w->counters.unroutable, 1);
        message_unref(msg);
        return;
    }
    uint32_t offset = run_sequence(&w->run);
    if (route->durable > 0 && !w->run.journal.is_off &&
        properties_are_persistent(message_properties(msg))) {
        msg->is_logged = true;
        c->is_logged = true;
        journal_message(&w->run.journal, offset, route, msg);
    }
    run_publish(&w->run, offset, route, msg);
    if (run_is_long(&w->run))
        broker_worker_hand_over(w);
}

/* A session whose publishes and settles left no record waits for nothing but its place, unless
 * an earlier confirm of its own still waits for the disk. */
void broker_confirm(struct client *c, uint64_t who, sl_tag tag)
{
    add_confirm(c, who, tag, confirm_line_add);
}

static void add_confirm(struct client *c, uint64_t who, sl_tag tag, confirm_adder *add)
{
    struct broker_worker *w = c->worker;

    if (!c->is_logged && c->logged_run <= w->safe_run) {
        add(&w->confirms_now, c->handle, who, tag, w->run_number);
        return;
    }
    add(&w->confirms, c->handle, who, tag, w->run_number);
    c->logged_run = w->run_number;
    c->is_logged = false;
    w->is_urgent = true;
}

void broker_confirm_refused(struct client *c, uint64_t who, sl_tag tag)
{
    add_confirm(c, who, tag, confirm_line_add_refused);
}

void broker_group_begin(struct client *c)
{
    run_group_begin(&c->worker->run);
}

void broker_group_end(struct client *c)
{
    run_group_end(&c->worker->run);
    /* Its messages are lent once its record is durable, so that is what its confirm waits for, also
     * when none of them is kept. */
    c->is_logged = true;
    c->worker->is_urgent = true;
}

static enum sl_err end_recovery(struct broker *b, struct commit_log *log)
{
    b->fetch = fetch_new(log, b->options.wake_fetch, b->options.wake_fetch_context);
    if (b->fetch == NULL)
        return SL_ENOMEM;
    for (uint32_t i = 0; i < b->options.workers; i++) {
        struct shard *s = b->workers[i]->shard;
        s->live.stretch_bytes = commit_log_segment_bytes(log);
        s->fetch = b->fetch;
    }
    SL_TRY(recovery_fill(b->recovery, log));
    for (uint32_t i = 0; i < b->options.workers; i++) {
        b->workers[i]->run.journal.is_off = false;
        shard_extend_marks(b->workers[i]->shard);
    }
    return recovery_decide(b->recovery, log);
}

static enum sl_err add_worker(struct broker *b, uint32_t index)
{
    struct worker_block *block = aligned_alloc(64, (sizeof *block + 63) / 64 * 64);

    if (block == NULL)
        return SL_ENOMEM;
    *block = (struct worker_block){.waker = {b, index}};
    struct broker_worker *w = &block->worker;
    w->broker = b;
    w->index = index;
    w->run_number = 1;
    mailbox_init(&w->inbox, wake, &block->waker);
    route_cache_init(&w->routes, b->topology);
    b->session_inboxes[index] = &w->inbox;
    b->workers[index] = w;
    return SL_OK;
}

static enum sl_err add_shard(struct broker *b, uint32_t index)
{
    struct broker_worker *w = b->workers[index];

    w->shard =
        shard_new(index, b->options.workers, b->topology, b->session_inboxes, b->shard_inboxes);
    if (w->shard == NULL)
        return SL_ENOMEM;
    w->shard->paging.budget = b->options.memory_budget_bytes;
    if (b->options.segment_bytes != 0)
        w->shard->live.stretch_bytes = b->options.segment_bytes;
    mailbox_init(&w->shard->inbox, wake, w->inbox.reader);
    b->shard_inboxes[index] = &w->shard->inbox;
    return SL_OK;
}

static void free_worker(struct broker *b, uint32_t index)
{
    struct broker_worker *w = b->workers[index];

    if (w == NULL)
        return;
    if (w->run.lanes != NULL)
        run_deinit(&w->run);
    if (w->shard != NULL)
        shard_free(w->shard);
    struct mail_chain chain = mailbox_take(&w->inbox);
    while (chain.first != NULL) {
        struct mail *mail = (struct mail *)chain.first;
        chain.first = mail->node.next;
        mail_free(mail);
    }
    mailbox_deinit(&w->inbox);
    confirm_line_deinit(&w->confirms);
    confirm_line_deinit(&w->confirms_now);
    admission_split_deinit(&w->split);
    route_cache_deinit(&w->routes);
    free((struct worker_block *)w);
}

/* Memory is one for all: who is idle may be the one who holds it. */
static void wake_others(struct broker_worker *w)
{
    const struct broker_options *options = &w->broker->options;

    for (uint32_t i = 0; i < options->workers; i++)
        if (i != w->index)
            options->wake(options->wake_context, i);
}

static void wake(void *reader)
{
    struct waker *waker = reader;

    waker->broker->options.wake(waker->broker->options.wake_context, waker->worker);
}

/* Everybody asks again then, so the next least is found. */
static bool room_is_back(struct broker_worker *w)
{
    if (w->room_wanted == 0 || !memory_room_is_free(w->room_wanted, room_of(w->broker)))
        return false;
    w->room_wanted = 0;
    return true;
}

static uint64_t room_of(const struct broker *b)
{
    return b->options.memory_budget_bytes / SL_ARRIVAL_BUDGET_SHARE;
}

static void post_pending(struct broker_worker *w)
{
    struct mail_chain chain = w->pending;

    w->pending = (struct mail_chain){NULL, NULL};
    mailbox_post(&w->inbox, chain); /* to oneself: no waking */
}
