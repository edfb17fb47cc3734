#include "gateway/assemble.h"

#include "core/base/hash_map.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/memory.h"
#include "gateway/data_dir.h"
#include "gateway/machine.h"
#include "gateway/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void dump_discards(uint32_t worker, const struct worker_counters *c);
static enum sl_err open_data_dir(struct gateway *g, struct text *why);
static enum sl_err open_broker(struct gateway *g, struct text *why);
static enum sl_err open_log(struct gateway *g, struct text *why);
static uint64_t memory_budget(const struct config *config);
static void wake(void *context, uint32_t worker);
static bool settle_workers(void *context);
static enum sl_err open_workers(struct gateway *g, struct text *why);

enum sl_err gateway_open(struct gateway *g, const struct config *config, struct text *why)
{
    enum sl_err err;

    *g = (struct gateway){.config = config, .lock_fd = -1, .report_fd = -1};
    fetch_thread_init(&g->fetcher);
    login_threads_init(&g->logins);
    g->workers_count = config->workers;
    if (g->workers_count == 0)
        g->workers_count = machine_cores() > 1 ? machine_cores() - 1 : 1;
    if (g->workers_count > CREDIT_SHARDS_MAX)
        g->workers_count = CREDIT_SHARDS_MAX;

    machine_tune_allocator(g->workers_count + 1);
    hash_map_seed(sl_random_u64());
    if ((err = open_data_dir(g, why)) != SL_OK || (err = open_broker(g, why)) != SL_OK ||
        (err = open_log(g, why)) != SL_OK || (err = open_workers(g, why)) != SL_OK ||
        (err = ports_open(g, why)) != SL_OK)
        gateway_close(g);
    return err;
}

enum sl_err gateway_start(struct gateway *g)
{
    SL_TRY(log_thread_start(&g->log));
    SL_TRY(fetch_thread_start(&g->fetcher, broker_fetch(g->broker)));
    SL_TRY(login_threads_start(&g->logins, broker_identity(g->broker), (machine_cores() + 1) / 2));
    SL_TRY(housekeeping_start(&g->housekeeping));
    for (uint32_t i = 0; i < g->workers_count; i++)
        SL_TRY(worker_start(&g->workers[i]));
    return SL_OK;
}

enum sl_err gateway_serve(struct gateway *g, struct text *why)
{
    for (uint32_t i = 0; i < g->workers_count; i++)
        SL_TRY(worker_serve(&g->workers[i], why));
    return SL_OK;
}

void gateway_close(struct gateway *g)
{
    while (settle_workers(g)) { /* sessions that closed last left words for other workers' queues */
    }
    housekeeping_end(&g->housekeeping, settle_workers, g);
    login_threads_deinit(&g->logins);
    fetch_thread_deinit(&g->fetcher);
    if (g->log.is_started)
        broker_on_stopped(g->broker);
    housekeeping_deinit(&g->housekeeping);
    log_thread_close(&g->log);
    for (uint32_t i = 0; g->workers != NULL && i < g->workers_count; i++)
        worker_deinit(&g->workers[i]);
    if (g->broker != NULL)
        broker_free(g->broker);
    broker_thread_end(); /* main ran shards just now */
    free(g->workers);
    ports_close(g);
    if (g->report_fd >= 0)
        close(g->report_fd);
    if (g->lock_fd >= 0)
        close(g->lock_fd);
    *g = (struct gateway){.lock_fd = -1, .report_fd = -1};
}

void gateway_apply(struct gateway *g, const struct config *config)
{
    g->config = config;
    sl_log_set_level((enum sl_log_level)config->log_level);
    disk_watch_choose(&g->housekeeping.disk, config->disk_free_limit_bytes);
    for (uint32_t i = 0; i < g->workers_count; i++)
        worker_set(&g->workers[i], &config->protocol);
}

void gateway_order(struct gateway *g, enum worker_order order)
{
    for (uint32_t i = 0; i < g->workers_count; i++)
        worker_order(&g->workers[i], order);
}

uint32_t gateway_connections(const struct gateway *g)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < g->workers_count; i++)
        sum += worker_connections(&g->workers[i]);
    return sum;
}

void gateway_describe(const struct gateway *g, struct text *to)
{
    text_add(to, "sluice ready");
    ports_describe(g, to);
    text_add(to, " workers=%u data=%s pid=%ld", g->workers_count, g->data_dir, (long)getpid());
}

uint64_t gateway_memory_budget(const struct gateway *g)
{
    return memory_budget(g->config);
}

void gateway_dump(const struct gateway *g)
{
    for (uint32_t i = 0; i < g->workers_count; i++) {
        const struct worker_counters *c = &g->workers[i].core->counters;

        sl_info(
            "worker.counters",
            "worker=%u connections=%u opened=%llu published=%llu unroutable=%llu "
            "refused=%llu confirmed=%llu delivered=%llu settled=%llu bytes_in=%llu bytes_out=%llu",
            i, worker_connections(&g->workers[i]), (unsigned long long)c->connections_opened,
            (unsigned long long)c->published, (unsigned long long)c->unroutable,
            (unsigned long long)c->refused, (unsigned long long)c->confirmed,
            (unsigned long long)c->delivered, (unsigned long long)c->settled,
            (unsigned long long)c->bytes_in, (unsigned long long)c->bytes_out);
        dump_discards(i, c);
    }
    sl_info("memory.used", "bytes=%llu budget=%llu", (unsigned long long)memory_used(),
            (unsigned long long)memory_budget(g->config));
}

/* In the order of enum discard_reason. */
static void dump_discards(uint32_t worker, const struct worker_counters *c)
{
    static const char *const REASONS[COUNTED_REASONS] = {"rejected", "expired", "maxlen",
                                                         "delivery_limit"};
    for (uint32_t i = 0; i < COUNTED_REASONS; i++)
        if (c->dead_lettered[i] != 0 || c->dropped[i] != 0)
            sl_info("worker.discards", "worker=%u reason=%s dead_lettered=%llu dropped=%llu",
                    worker, REASONS[i], (unsigned long long)c->dead_lettered[i],
                    (unsigned long long)c->dropped[i]);
    if (c->went_round != 0)
        sl_info("worker.went_round", "worker=%u copies=%llu", worker,
                (unsigned long long)c->went_round);
}

static enum sl_err open_data_dir(struct gateway *g, struct text *why)
{
    struct text path = text_on(g->data_dir, sizeof g->data_dir);

    if (*g->config->data_dir == '\0')
        data_dir_default(&path);
    else
        text_add(&path, "%s", g->config->data_dir);
    return data_dir_lock(g->data_dir, &g->lock_fd, why);
}

static enum sl_err open_broker(struct gateway *g, struct text *why)
{
    struct broker_options options = {
        .workers = g->workers_count,
        .memory_budget_bytes = memory_budget(g->config),
        .has_no_cluster_names = !g->config->cluster_names,
        .clock = &sl_clock_system,
        .prepared = {.check_ms = g->config->prepared_check_ms,
                     .check_again_ms = g->config->prepared_check_again_ms,
                     .checks_max = g->config->prepared_checks_max,
                     .check_slow_ms = g->config->prepared_check_slow_ms},
        .consumer_timeout_ms = g->config->consumer_timeout_ms,
        .wake = wake,
        .wake_context = g,
        .wake_fetch = fetch_thread_wake,
        .wake_fetch_context = &g->fetcher,
    };

    g->broker = broker_new(&options);
    if (g->broker != NULL)
        return SL_OK;
    text_add(why, "out of memory");
    return SL_ENOMEM;
}

static enum sl_err open_log(struct gateway *g, struct text *why)
{
    SL_TRY(log_thread_open(&g->log, g->data_dir, g->broker, why));
    enum sl_err err =
        housekeeping_init(&g->housekeeping, &g->log, g->config->disk_free_limit_bytes);
    if (err != SL_OK)
        text_add(why, "out of memory");
    return err;
}

static uint64_t memory_budget(const struct config *config)
{
    uint64_t share = machine_memory_bytes() / 5 * 2;

    if (config->memory_budget_bytes != 0)
        return config->memory_budget_bytes;
    return share < SL_MEMORY_BUDGET_BYTES ? share : SL_MEMORY_BUDGET_BYTES;
}

static void wake(void *context, uint32_t worker)
{
    struct gateway *g = context;

    if (g->workers != NULL) /* else it looks before it sleeps for the first time */
        worker_wake(&g->workers[worker]);
}

/* False: nobody had anything to say. */
static bool settle_workers(void *context)
{
    struct gateway *g = context;
    bool had_work = false;

    for (uint32_t i = 0; g->workers != NULL && i < g->workers_count; i++)
        had_work |= g->workers[i].core != NULL && worker_settle(&g->workers[i]);
    return had_work;
}

static enum sl_err open_workers(struct gateway *g, struct text *why)
{
    g->report_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    g->workers = calloc(g->workers_count, sizeof *g->workers);
    if (g->report_fd < 0 || g->workers == NULL) {
        text_add(why, "no descriptor or memory for workers");
        return SL_ENOMEM;
    }
    for (uint32_t i = 0; i < g->workers_count; i++) {
        if (worker_init(&g->workers[i], broker_worker_at(g->broker, i), &g->config->protocol,
                        &sl_clock_system, g->report_fd) != SL_OK) {
            text_add(why, "no descriptor or memory for worker %u", i);
            return SL_EIO;
        }
    }
    return SL_OK;
}
