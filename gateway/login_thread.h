/*
 * login_thread.h - the threads that verify passwords (core/identity.h).
 *
 * A password costs some ten milliseconds on purpose, which no worker may spend.
 *
 * Thread: main, but for the threads themselves; login_thread_wake any.
 */
#ifndef SLUICE_GATEWAY_LOGIN_THREAD_H
#define SLUICE_GATEWAY_LOGIN_THREAD_H

#include "core/identity.h"

#include <pthread.h>
#include <semaphore.h>

#define LOGIN_THREADS_MAX 4u

struct login_threads {
    struct identity *identity; /* borrowed */
    sem_t asked;
    pthread_t threads[LOGIN_THREADS_MAX];
    uint32_t count; /* that run */
    atomic_bool stop;
};

void login_threads_init(struct login_threads *t);
SL_MUST_CHECK enum sl_err login_threads_start(struct login_threads *t, struct identity *id,
                                              uint32_t count);
/* Logins that wait are dropped.  Idempotent. */
void login_threads_stop(struct login_threads *t);
void login_threads_deinit(struct login_threads *t);

#endif
