/*
 * assemble.h - the whole gateway: builds the object graph in order, tears it down in reverse.
 *
 * The only place that hands out wakers, clocks and settings.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ASSEMBLE_H
#define SLUICE_GATEWAY_ASSEMBLE_H

#include "core/base/text.h"
#include "gateway/config.h"
#include "gateway/fetch_thread.h"
#include "gateway/housekeeping.h"
#include "gateway/login_thread.h"
#include "gateway/worker.h"

struct gateway {
    const struct config *config;
    struct tls_context *tls; /* NULL: no certificate is set */
    char data_dir[4096];
    int lock_fd;   /* on the data directory */
    int report_fd; /* workers say that they have no connection left */
    struct broker *broker;
    struct log_thread log;
    struct housekeeping housekeeping;
    struct login_threads logins;
    struct fetch_thread fetcher;
    struct worker *workers;
    uint32_t workers_count;
};

/* Everything but the threads; the ports are ours, and refuse.  SL_OK, or any error with why, and
 * then nothing is left behind. */
SL_MUST_CHECK enum sl_err gateway_open(struct gateway *g, const struct config *config,
                                       struct text *why);
SL_MUST_CHECK enum sl_err gateway_start(struct gateway *g);
/* Connections are let in from here on.  SL_EIO with why. */
SL_MUST_CHECK enum sl_err gateway_serve(struct gateway *g, struct text *why);
/* The threads have stopped. */
void gateway_close(struct gateway *g);

/* What a reload may change (config.h: is_live) is taken from here on; the config stays as long as
 * the gateway. */
void gateway_apply(struct gateway *g, const struct config *config);
void gateway_order(struct gateway *g, enum worker_order order);
uint32_t gateway_connections(const struct gateway *g);
/* "sluice ready amqp=0.0.0.0:5672 ..." */
void gateway_describe(const struct gateway *g, struct text *to);
/* Memory for messages, beyond which publishers are held. */
uint64_t gateway_memory_budget(const struct gateway *g);
/* Counters of all workers, to the log. */
void gateway_dump(const struct gateway *g);

#endif
