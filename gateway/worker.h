/*
 * worker.h - a thread with an event loop: its listeners, connections, sessions, and its shard
 * of the queues.
 *
 * Main tells a worker what to do by worker_order; each order includes those before it.
 *
 * Thread: the worker's own, but for init, start, serve, join, deinit (main) and worker_order,
 * worker_wake and worker_connections (any).
 */
#ifndef SLUICE_GATEWAY_WORKER_H
#define SLUICE_GATEWAY_WORKER_H

#include "core/broker.h"
#include "gateway/listener.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKER_LISTENERS_MAX 4

enum worker_order {
    WORKER_PREPARE, /* nobody is let in yet */
    WORKER_SERVE,   /* worker_serve */
    WORKER_DRAIN,   /* no new connections; sessions are told and end by themselves */
    WORKER_CLOSE,   /* what is left is closed */
    WORKER_STOP,    /* the thread ends */
};

struct worker {
    struct broker_worker *core;
    struct loop *loop;
    struct conn_set conns;
    struct listener listeners[WORKER_LISTENERS_MAX];
    uint32_t listeners_count;
    int report_fd; /* an eventfd of main: written when an order has left no connection */

    pthread_t thread;
    bool is_started;
    enum worker_order obeyed;
    bool is_reported;
    bool has_more; /* the shard stopped for fairness, not for want of work */

    _Atomic int order;                                  /* enum worker_order */
    _Atomic(const struct protocol_settings *) settings; /* to be used from the next turn on */
    _Atomic uint32_t connections;
};

/* SL_ENOMEM, SL_EIO.  The worker may be given listeners until it is started; it lets nobody in
 * until worker_serve. */
SL_MUST_CHECK enum sl_err worker_init(struct worker *w, struct broker_worker *core,
                                      const struct protocol_settings *settings,
                                      const struct sl_clock *clock, int report_fd);
SL_MUST_CHECK enum sl_err worker_listen(struct worker *w, const struct address *at,
                                        const struct port *port, struct text *why);
void worker_deinit(struct worker *w); /* also of a zeroed one */

SL_MUST_CHECK enum sl_err worker_start(struct worker *w);
/* Its listeners listen; the order goes with it.  SL_EIO with why. */
SL_MUST_CHECK enum sl_err worker_serve(struct worker *w, struct text *why);
/* After WORKER_STOP.  False when the thread does not end within timeout_ms. */
SL_MUST_CHECK bool worker_join(struct worker *w, uint32_t timeout_ms);

void worker_order(struct worker *w, enum worker_order order);
/* Other settings, which stay as long as the worker; any thread. */
void worker_set(struct worker *w, const struct protocol_settings *settings);
void worker_wake(struct worker *w);
static inline uint32_t worker_connections(const struct worker *w)
{
    return atomic_load_explicit(&w->connections, memory_order_relaxed);
}

/* One turn, waiting included; the thread does nothing else.  Tests call it by hand. */
void worker_turn(struct worker *w);
/* After all threads have ended: hears out what the workers still had to say to each other.
 * False when there was nothing. */
bool worker_settle(struct worker *w);

#endif
