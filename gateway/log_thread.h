/*
 * log_thread.h - the threads that loop over the commit log's steps, and its life.
 *
 * Two: one flushes (and wakes workers that wait for the disk), one prepares segments and writes
 * down what the disk refuses.  A log that fails ends the process here, at once and non-zero:
 * nothing that was not durable may be confirmed any more, and nothing else can go on.
 *
 * Thread: main, but for the threads themselves.
 */
#ifndef SLUICE_GATEWAY_LOG_THREAD_H
#define SLUICE_GATEWAY_LOG_THREAD_H

#include "core/base/text.h"
#include "core/broker.h"
#include "core/store/commit_log.h"

struct log_thread {
    struct sl_file_ops files;
    struct broker *broker; /* borrowed */
    struct commit_log *log;
    pthread_t flusher;
    pthread_t preparer;
    atomic_bool stop;
    bool has_files;
    bool is_started;
};

/* Opens the log in the directory and rebuilds the broker from it, before any worker runs. */
SL_MUST_CHECK enum sl_err log_thread_open(struct log_thread *t, const char *dir,
                                          struct broker *broker, struct text *why);
SL_MUST_CHECK enum sl_err log_thread_start(struct log_thread *t);
/* Workers have stopped.  Stops the threads, writes what is left, closes.  Idempotent. */
void log_thread_close(struct log_thread *t);

/* sluice --check-store DIR: reads without changing a byte, says what is there.  The exit status
 * of the process. */
int log_thread_check_store(const char *dir);

#endif
