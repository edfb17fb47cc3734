#include "core/broker.h"

#include "core/accounts.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/broker_parts.h"
#include "core/fetch.h"
#include "core/identity.h"
#include "core/policing.h"
#include "core/recovery.h"
#include "core/shard.h"

#include <stdlib.h>

#define RESIDENT_SHARE 4u /* of the budget: what a start may fill with messages */

struct waker { /* what a mailbox wakes: a worker, told by its number */
    struct broker *broker;
    uint32_t worker;
};

struct worker_block { /* one allocation, so that no two workers share a cache line */
    _Alignas(64) struct broker_worker worker;
    struct waker waker;
};

static enum sl_err end_recovery(struct broker *b, struct commit_log *log);
static void begin_accounts(struct broker *b);
static enum sl_err add_worker(struct broker *b, uint32_t index);
static enum sl_err add_shard(struct broker *b, uint32_t index);
static void free_worker(struct broker *b, uint32_t index);
static void open_desk(struct broker *b);
static void free_mail(struct mailbox *box);
static void wake(void *reader);

struct broker *broker_new(const struct broker_options *options)
{
    struct broker *b = calloc(1, sizeof *b);

    SL_ASSERT(options->workers >= 1 && options->workers <= CREDIT_SHARDS_MAX);
    if (b == NULL)
        return NULL;
    b->options = *options;
    b->pressure.budget_bytes = options->memory_budget_bytes;
    dedup_node_init(&b->dedup, options->workers,
                    options->memory_budget_bytes / SL_DEDUP_MEMORY_SHARE);
    dedup_secret_make(&b->dedup.secret, sl_random_u64());
    order_init(&b->order, options->clock);
    open_desk(b);
    b->topology = topology_new(options->workers);
    b->workers = calloc(options->workers, sizeof(struct broker_worker *));
    if (b->topology == NULL || b->workers == NULL)
        goto free_broker;
    b->accounts = accounts_new(b->topology);
    if (b->accounts == NULL)
        goto free_broker;
    b->identity = identity_new(b->accounts, options->clock, b->session_inboxes);
    if (b->identity == NULL)
        goto free_broker;
    topology_set_cluster_names(b->topology, !options->has_no_cluster_names);
    for (uint32_t i = 0; i < options->workers; i++)
        if (add_worker(b, i) != SL_OK)
            goto free_broker;
    for (uint32_t i = 0; i < options->workers; i++)
        if (add_shard(b, i) != SL_OK)
            goto free_broker;
    for (uint32_t i = 0; i < options->workers; i++) {
        run_init(&b->workers[i]->run, &b->order, i, b->shard_inboxes, options->workers);
        shard_attach(b->workers[i]->shard, &b->workers[i]->run, &b->workers[i]->counters);
        prepared_configure(b->workers[i]->shard, &options->prepared);
        b->workers[i]->shard->consumer_timeout_ms = options->consumer_timeout_ms;
    }
    broker_client_init(&b->desk_client, b->workers[0], (struct sl_handle){0, 1, options->workers});
    b->desk_client.is_trusted = true;
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
    if (b->identity != NULL)
        identity_free(b->identity);
    if (b->accounts != NULL)
        accounts_free(b->accounts);
    if (b->topology != NULL) {
        policing_drop(b->topology);
        topology_free(b->topology);
    }
    if (b->desk_client.window != NULL)
        session_window_unref(b->desk_client.window);
    free_mail(&b->desk);
    order_deinit(&b->order);
    free(b->dedup.files);
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

struct identity *broker_identity(struct broker *b)
{
    return b->identity;
}

struct id_file_ref *broker_take_id_files(struct broker *b, uint32_t *count)
{
    struct id_file_ref *files = b->dedup.files;

    *count = b->dedup.files_count;
    b->dedup.files = NULL;
    b->dedup.files_count = 0;
    return files;
}

struct fetch *broker_fetch(struct broker *b)
{
    return b->fetch;
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
    if (log != NULL)
        dedup_secret_make(&b->dedup.secret, commit_log_start_number(log));
    enum sl_err err = log == NULL ? SL_OK : end_recovery(b, log);
    recovery_free(b->recovery);
    b->recovery = NULL;
    return err;
}

struct log_place broker_tell_shards(struct broker *b, struct broker_notice *notice,
                                    void (*fill)(void *context, struct lane_item *item),
                                    void *context)
{
    struct log_run nothing = {.ends_batch = true};

    return broker_tell_shards_of(b, notice, &nothing, fill, context);
}

struct log_place broker_tell_shards_of(struct broker *b, struct broker_notice *notice,
                                       struct log_run *records,
                                       void (*fill)(void *context, struct lane_item *item),
                                       void *context)
{
    struct hand_over parts[CREDIT_SHARDS_MAX];

    for (uint32_t i = 0; i < b->options.workers; i++) {
        struct lane_batch *batch = lane_batch_new();
        batch->count = 1;
        batch->items[0] = (struct lane_item){0};
        fill(context, &batch->items[0]);
        parts[i] = (struct hand_over){b->shard_inboxes[i], batch, batch, false};
    }
    struct log_place place = order_hand_over(&b->order, records, parts, b->options.workers, 0);
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

void broker_note_age(struct broker *b)
{
    struct log_run nothing = {0};

    if (b->order.log == NULL)
        return;
    struct log_place place = order_place(&b->order, &nothing);
    topology_lock(b->topology);
    ages_note(&b->topology->ages, place.base, place.time);
    topology_unlock(b->topology);
}

void broker_set_disk_low(struct broker *b, bool is_low)
{
    atomic_store(&b->pressure.is_disk_low, is_low);
}

uint8_t broker_held_by(const struct broker *b)
{
    return pressure_now(&b->pressure, b->order.log);
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
    begin_accounts(b);
    return recovery_decide(b->recovery, log);
}

/* The first start, or the first that knows of users: from here on the log says who there is. */
static void begin_accounts(struct broker *b)
{
    struct log_run record = {0};

    if (b->accounts->is_begun)
        return;
    topology_lock(b->topology);
    log_run_group_begin(&record); /* all of it, or none */
    accounts_describe(b->accounts, &record);
    log_run_group_end(&record);
    order_append(&b->order, &record);
    b->accounts->is_begun = true;
    topology_unlock(b->topology);
    log_run_clear(&record);
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
    list_init(&w->slowed);
    list_init(&w->resting);
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
    w->shard->dedup = &b->dedup;
    w->shard->paging.budget = b->options.memory_budget_bytes;
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
    free_mail(&w->inbox);
    confirm_line_deinit(&w->confirms);
    confirm_line_deinit(&w->confirms_now);
    admission_split_deinit(&w->split);
    route_cache_deinit(&w->routes);
    free((struct worker_block *)w);
}

/* It stands behind the workers' sessions: its handles say so. */
static void open_desk(struct broker *b)
{
    mailbox_init(&b->desk, NULL, NULL);
    b->session_inboxes[b->options.workers] = &b->desk;
}

static void free_mail(struct mailbox *box)
{
    struct mail_chain chain = mailbox_take(box);

    while (chain.first != NULL) {
        struct mail *mail = (struct mail *)chain.first;
        chain.first = mail->node.next;
        mail_free(mail);
    }
    mailbox_deinit(box);
}

static void wake(void *reader)
{
    struct waker *waker = reader;

    waker->broker->options.wake(waker->broker->options.wake_context, waker->worker);
}
