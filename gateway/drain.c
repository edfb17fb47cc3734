#include "gateway/drain.h"

#include "core/base/log.h"
#include "gateway/signals.h"

#include <poll.h>
#include <unistd.h>

#define CLOSE_TIMEOUT_MS 500u /* nobody is asked any more, so this is for the threads to notice */
#define JOIN_TIMEOUT_MS 1000u

static void wait_until_empty(struct gateway *g, int signal_fd, uint32_t timeout_ms);
static bool join_all(struct gateway *g);

bool drain_run(struct gateway *g, int signal_fd)
{
    sl_info("gateway.drain", "connections=%u timeout_ms=%u", gateway_connections(g),
            g->config->shutdown_timeout_ms);
    broker_on_stopping(g->broker);
    gateway_order(g, WORKER_DRAIN);
    wait_until_empty(g, signal_fd, g->config->shutdown_timeout_ms);

    uint32_t left = gateway_connections(g);
    if (left != 0)
        sl_warn("gateway.drain", "closing=%u", left);
    gateway_order(g, WORKER_CLOSE);
    wait_until_empty(g, -1, CLOSE_TIMEOUT_MS);

    gateway_order(g, WORKER_STOP);
    return join_all(g);
}

/* A worker reports every order once, when it has no connection left.  A late report of the first
 * order may be counted for the second; then the stop, which closes too, comes a little early. */
static void wait_until_empty(struct gateway *g, int signal_fd, uint32_t timeout_ms)
{
    struct pollfd events[] = {{.fd = g->report_fd, .events = POLLIN},
                              {.fd = signal_fd, .events = POLLIN}};
    uint64_t until = sl_clock_monotonic_ms(&sl_clock_system) + timeout_ms;
    uint64_t reports = 0;

    while (reports < g->workers_count) {
        uint64_t now = sl_clock_monotonic_ms(&sl_clock_system);
        uint64_t count;

        if (now >= until)
            return;
        (void)poll(events, 2, (int)(until - now));
        if (read(g->report_fd, &count, sizeof count) == sizeof count)
            reports += count;
        if (signal_fd >= 0 && signals_next(signal_fd) == SIGNALS_STOP)
            return;
    }
}

static bool join_all(struct gateway *g)
{
    bool all = true;

    for (uint32_t i = 0; i < g->workers_count; i++)
        all &= worker_join(&g->workers[i], JOIN_TIMEOUT_MS);
    return all;
}
