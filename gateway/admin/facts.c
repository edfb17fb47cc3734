#include "gateway/admin/facts.h"

#include "core/memory.h"
#include "core/outcomes.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t load(const _Atomic uint64_t *counter);
static uint64_t count_descriptors(void);

void facts_init(struct facts *f, const struct gateway *g)
{
    char host[100] = "localhost";

    *f = (struct facts){
        .data_dir = g->data_dir,
        .bind = g->config->bind,
        .amqp_port = g->config->amqp_port,
        .stomp_port = g->config->stomp_port,
        .server_version = g->config->protocol.server_version,
        .started_ms = sl_clock_wall_ms(&sl_clock_system),
        .began_ms = sl_clock_monotonic_ms(&sl_clock_system),
        .workers = g->workers_count,
        .memory_limit = gateway_memory_budget(g),
    };
    (void)gethostname(host, sizeof host - 1);
    snprintf(f->node, sizeof f->node, "sluice@%s", host);
}

void facts_refresh(struct facts *f, const struct gateway *g)
{
    struct rlimit limit = {0};

    f->published = f->unroutable = f->confirmed = f->delivered = 0;
    f->prepared = f->committed = f->rolled_back = f->checks_sent = 0;
    f->connections_opened = f->connections_closed = 0;
    for (uint32_t i = 0; i < g->workers_count; i++) {
        const struct worker_counters *c = &g->workers[i].core->counters;
        f->published += load(&c->published);
        f->unroutable += load(&c->unroutable);
        f->confirmed += load(&c->confirmed);
        f->delivered += load(&c->delivered);
        f->prepared += load(&c->prepared);
        f->committed += load(&c->outcomes[VERDICT_COMMIT]);
        f->rolled_back += load(&c->outcomes[VERDICT_ROLLBACK]);
        f->checks_sent += load(&c->checks_sent);
        f->connections_opened += load(&c->connections_opened);
        f->connections_closed += load(&c->connections_closed);
    }
    f->uptime_ms = sl_clock_monotonic_ms(&sl_clock_system) - f->began_ms;
    f->memory_used = memory_used();
    f->connections = gateway_connections(g);
    f->descriptors_used = count_descriptors();
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    f->descriptors_total = limit.rlim_cur;
    f->disk_free = load(&g->housekeeping.disk.free_bytes);
    f->disk_free_limit = load(&g->housekeeping.disk.limit_bytes);
    f->log = housekeeping_status(&g->housekeeping);
    f->held_by = broker_held_by(g->broker);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* 0 where the system does not say. */
static uint64_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 3; /* ".", "..", and the directory itself */
}
