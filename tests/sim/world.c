#include "tests/sim/world.h"

#include "core/base/assert.h"
#include "core/dedup.h"
#include "core/fetch.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_AGAIN_MS 700u
#define CHECKS_MAX 4u
#define BUDGET_BYTES (1ull << 30)

static uint64_t monotonic_ms(void *self);
static uint64_t wall_ms(void *self);
static void wake(void *context, uint32_t worker);
static void announce(void *context);
static enum sl_err start_keeper(struct world *w);
static void free_keeper(struct world *w);
static void free_broker(struct world *w);

void world_init(struct world *w, uint32_t workers, uint64_t segment_bytes)
{
    *w = (struct world){.workers = workers,
                        .segment_bytes = segment_bytes,
                        .budget_bytes = BUDGET_BYTES,
                        .disk = faulty_disk_new(),
                        .clock = {monotonic_ms, wall_ms, w}};
}

void world_deinit(struct world *w)
{
    SL_ASSERT(w->broker == NULL);
    faulty_disk_free(w->disk);
    broker_thread_end();
    SL_ASSERT(memory_used() == 0);
}

enum sl_err world_start(struct world *w)
{
    struct broker_options options = {
        .workers = w->workers,
        .memory_budget_bytes = w->budget_bytes,
        .clock = &w->clock,
        .prepared = {.check_again_ms = CHECK_AGAIN_MS, .checks_max = CHECKS_MAX},
        .wake = wake,
        .wake_context = w};
    struct log_options log_options = {.files = faulty_disk_ops(w->disk),
                                      .segment_bytes = w->segment_bytes,
                                      .announce = announce,
                                      .announce_context = w};

    SL_ASSERT(w->broker == NULL);
    w->failed = false;
    memset(w->is_woken, 0, sizeof w->is_woken);
    w->broker = broker_new(&options);
    if (w->broker == NULL)
        return SL_ENOMEM;
    /* Ids never go before their time, whatever else memory is short of. */
    broker_worker_at(w->broker, 0)->shard->dedup->budget = BUDGET_BYTES;
    struct log_visitor visitor = broker_recovery_begin(w->broker);
    enum sl_err err = commit_log_open(&log_options, &visitor, &w->findings, &w->log);
    if (err != SL_OK)
        w->log = NULL;
    enum sl_err end = broker_recovery_end(w->broker, w->log, w->findings.time);
    if (err == SL_OK)
        err = end;
    if (err == SL_OK)
        err = start_keeper(w);
    w->flushed_at = world_time(w);
    if (err != SL_OK)
        world_kill(w);
    return err;
}

void world_kill(struct world *w)
{
    faulty_disk_fail_always(w->disk, FAULTY_ANY, SL_EIO);
    free_keeper(w);
    free_broker(w);
    commit_log_close(w->log);
    w->log = NULL;
    faulty_disk_fail_always(w->disk, FAULTY_ANY, SL_OK);
}

void world_crash(struct world *w, uint64_t seed)
{
    faulty_disk_power_off(w->disk);
    if (w->broker != NULL)
        world_kill(w);
    faulty_disk_crash(w->disk, seed);
}

void world_end(struct world *w)
{
    free_keeper(w);
    commit_log_close(w->log);
    w->log = NULL;
    free_broker(w);
}

void world_flush(struct world *w)
{
    enum sl_err err = commit_log_flush(w->log);

    SL_ASSERT(err == SL_OK || err == SL_EFULL || err == SL_EIO);
    w->failed |= err == SL_EIO;
    if (err == SL_OK)
        w->flushed_at = world_time(w);
}

uint64_t world_time(struct world *w)
{
    return order_time(broker_worker_at(w->broker, 0)->run.order);
}

void world_prepare(struct world *w)
{
    enum sl_err err = commit_log_prepare(w->log);

    SL_ASSERT(err == SL_OK || err == SL_EFULL || err == SL_EIO);
    w->failed |= err == SL_EIO;
}

bool world_fetch(struct world *w)
{
    struct fetch *fetch = broker_fetch(w->broker);
    bool has_moved = fetch != NULL && fetch_run(fetch);

    w->fetches += has_moved;
    return has_moved;
}

void world_keep(struct world *w)
{
    enum sl_err err = keeper_step(w->keeper, w->now_ms);

    SL_ASSERT(err == SL_OK || err == SL_EFULL || err == SL_EIO);
    w->failed |= err == SL_EIO;
}

bool world_is_retrying(struct world *w)
{
    bool is_retrying = false;

    for (uint32_t i = 0; i < w->workers; i++)
        is_retrying |= !list_is_empty(&broker_worker_at(w->broker, i)->shard->retrying);
    return is_retrying;
}

struct vhost *world_vhost(struct world *w)
{
    struct topology *t = broker_topology(w->broker);

    topology_lock(t);
    struct vhost *v = topology_vhost(t, sl_bytes_of("/"));
    topology_unlock(t);
    return v;
}

const struct topology_queue *world_queue(struct world *w, const char *name)
{
    struct topology *t = broker_topology(w->broker);
    struct vhost *v = world_vhost(w);

    topology_lock(t);
    const struct topology_queue *q = topology_queue(v, sl_bytes_of(name));
    topology_unlock(t);
    return q;
}

const struct exchange *world_exchange(struct world *w, const char *name)
{
    struct topology *t = broker_topology(w->broker);
    struct vhost *v = world_vhost(w);

    topology_lock(t);
    const struct exchange *e = topology_exchange(v, sl_bytes_of(name));
    topology_unlock(t);
    return e;
}

static uint64_t monotonic_ms(void *self)
{
    return ((struct world *)self)->now_ms;
}

static uint64_t wall_ms(void *self)
{
    return ((struct world *)self)->wall_ms;
}

static void wake(void *context, uint32_t worker)
{
    ((struct world *)context)->is_woken[worker] = true;
}

static void announce(void *context)
{
    const struct world *w = context;

    if (w->broker != NULL)
        broker_on_durable(w->broker);
}

static enum sl_err start_keeper(struct world *w)
{
    struct keeper_options options = {.files = faulty_disk_ops(w->disk),
                                     .checkpoint_bytes = w->checkpoint_bytes};

    w->keeper = keeper_new(w->broker, w->log, &options);
    return w->keeper == NULL ? SL_ENOMEM : SL_OK;
}

static void free_keeper(struct world *w)
{
    if (w->keeper == NULL)
        return;
    struct keeper_status status = keeper_status(w->keeper);
    w->kept.checkpoints += status.checkpoints;
    w->kept.released += status.released;
    w->kept.moved += status.moved;
    keeper_free(w->keeper);
    w->keeper = NULL;
}

static void free_broker(struct world *w)
{
    broker_free(w->broker);
    w->broker = NULL;
}
