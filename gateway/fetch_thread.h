/*
 * fetch_thread.h - the thread that reads back what was paged out (core/fetch.h).
 *
 * Sleeps until a shard asks.  It has its own thread because a read may take as long as the disk
 * likes, and neither workers nor the log wait for that.
 *
 * Thread: main, but for the thread itself; fetch_thread_wake any.
 */
#ifndef SLUICE_GATEWAY_FETCH_THREAD_H
#define SLUICE_GATEWAY_FETCH_THREAD_H

#include "core/fetch.h"

#include <pthread.h>
#include <semaphore.h>

struct fetch_thread {
    struct fetch *fetch; /* borrowed */
    sem_t asked;
    pthread_t thread;
    atomic_bool stop;
    bool is_started;
};

void fetch_thread_init(struct fetch_thread *t);
SL_MUST_CHECK enum sl_err fetch_thread_start(struct fetch_thread *t, struct fetch *fetch);
/* Ends the thread; requests that it has not served stay where they are.  Idempotent. */
void fetch_thread_stop(struct fetch_thread *t);
void fetch_thread_deinit(struct fetch_thread *t);
/* There is a request.  context: the struct fetch_thread. */
void fetch_thread_wake(void *context);

#endif
