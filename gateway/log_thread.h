/*
 * log_thread.h - the commit log's life, and the thread that flushes it and wakes workers that wait
 * for the disk.
 *
 * A log that fails ends the process here, at once and non-zero: nothing that was not durable may
 * be confirmed any more, and nothing else can go on.
 *
 * Thread: main, but for the thread itself.
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
    bool has_files;
    bool is_started;
};

/* Opens the log in the directory and rebuilds the broker from it, before any worker runs. */
SL_MUST_CHECK enum sl_err log_thread_open(struct log_thread *t, const char *dir,
                                          struct broker *broker, struct text *why);
SL_MUST_CHECK enum sl_err log_thread_start(struct log_thread *t);
/* Workers and housekeeping have stopped.  Stops the thread, writes what is left, closes.  Idempotent. */
void log_thread_close(struct log_thread *t);

/* Says why a log could not be opened. */
void log_thread_say_refusal(enum sl_err err, const struct log_findings *f, struct text *why);
/* The disk failed.  Any thread. */
void log_thread_end_failed(void) __attribute__((noreturn));

#endif
