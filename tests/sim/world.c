#include "tests/sim/world.h"

#include "core/base/assert.h"
#include "core/consumer.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#define BUDGET_BYTES (1ull << 30)

static uint64_t monotonic_ms(void *self);
static uint64_t wall_ms(void *self);
static void wake(void *context, uint32_t worker);
static void announce(void *context);
static void free_broker(struct world *w);
static void read_backlog(struct queue *q,
                         void (*found)(void *context, const struct world_entry *entry),
                         void *context);
static void check_order(void *context, const struct world_entry *entry);
static void read_loans(struct queue *q,
                       void (*found)(void *context, const struct world_entry *entry),
                       void *context);

void world_init(struct world *w, uint32_t workers, uint64_t segment_bytes)
{
    *w = (struct world){.workers = workers,
                        .segment_bytes = segment_bytes,
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
    struct broker_options options = {.workers = w->workers,
                                     .memory_budget_bytes = BUDGET_BYTES,
                                     .clock = &w->clock,
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
    struct log_visitor visitor = broker_recovery_begin(w->broker);
    enum sl_err err = commit_log_open(&log_options, &visitor, &w->findings, &w->log);
    if (err != SL_OK)
        w->log = NULL;
    enum sl_err end = broker_recovery_end(w->broker, w->log, w->findings.time);
    if (err == SL_OK)
        err = end;
    if (err != SL_OK)
        world_kill(w);
    return err;
}

void world_kill(struct world *w)
{
    faulty_disk_fail_always(w->disk, FAULTY_ANY, SL_EIO);
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
    commit_log_close(w->log);
    w->log = NULL;
    free_broker(w);
}

void world_flush(struct world *w)
{
    enum sl_err err = commit_log_flush(w->log);

    SL_ASSERT(err == SL_OK || err == SL_EFULL || err == SL_EIO);
    w->failed |= err == SL_EIO;
}

void world_prepare(struct world *w)
{
    enum sl_err err = commit_log_prepare(w->log);

    SL_ASSERT(err == SL_OK || err == SL_EFULL || err == SL_EIO);
    w->failed |= err == SL_EIO;
}

bool world_read_queue(struct world *w, const char *name,
                      void (*found)(void *context, const struct world_entry *entry), void *context)
{
    const struct topology_queue *def = world_queue(w, name);

    if (def == NULL)
        return false;
    struct queue *q = shard_queue(broker_worker_at(w->broker, def->ref.shard)->shard, def->ref.at);
    SL_ASSERT(q != NULL);
    read_backlog(q, found, context);
    read_loans(q, found, context);
    return true;
}

void world_check(struct world *w)
{
    topology_lock(broker_topology(w->broker));
    topology_check(broker_topology(w->broker));
    topology_unlock(broker_topology(w->broker));
    for (uint32_t i = 0; i < w->workers; i++) {
        const struct shard *s = broker_worker_at(w->broker, i)->shard;
        for (uint32_t n = 0; n < s->queues_room; n++)
            if (s->queues[n] != NULL) {
                uint64_t last = 0;
                queue_check(s->queues[n]);
                read_backlog(s->queues[n], check_order, &last);
            }
    }
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

/* What is ready goes out in its order, returned or not. */
static void check_order(void *context, const struct world_entry *entry)
{
    uint64_t *last = context;

    SL_ASSERT(entry->entry.seq.v > *last);
    *last = entry->entry.seq.v;
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

static void free_broker(struct world *w)
{
    broker_free(w->broker);
    w->broker = NULL;
}

/* Takes all out and puts it back where it stood. */
static void read_backlog(struct queue *q,
                         void (*found)(void *context, const struct world_entry *entry),
                         void *context)
{
    struct backlog *b = &q->backlog;
    size_t count = b->count;
    size_t returned = b->returned_count;
    sl_seq last = b->last;
    struct entry *entries = malloc((count + 1) * sizeof *entries);

    SL_ASSERT(entries != NULL);
    for (size_t i = 0; i < count; i++) {
        backlog_pop(b, &entries[i]);
        found(context, &(struct world_entry){entries[i], false});
    }
    b->last.v = 0;
    for (size_t i = 0; i < count; i++)
        if (i < returned)
            backlog_return(b, &entries[i]);
        else
            backlog_push(b, &entries[i]);
    b->last = last;
    free(entries);
}

static void read_loans(struct queue *q,
                       void (*found)(void *context, const struct world_entry *entry), void *context)
{
    for (const struct list *at = q->consumers.next; at != &q->consumers; at = at->next) {
        const struct consumer *c = LIST_OF(at, struct consumer, of_queue);
        for (size_t i = c->first; i < c->end; i++)
            if (c->loans[i].entry.seq.v != 0)
                found(context, &(struct world_entry){c->loans[i].entry, true});
    }
}
