#include "gateway/login_thread.h"

#include <time.h>

#define LONGEST_WAIT_MS 60000u

static void *run(void *context);
static void wait_for(struct login_threads *t, uint64_t wait_ms);
static void wake(void *context);

void login_threads_init(struct login_threads *t)
{
    *t = (struct login_threads){.identity = NULL};
    (void)sem_init(&t->asked, 0, 0); /* fails only with arguments that are not these */
}

enum sl_err login_threads_start(struct login_threads *t, struct identity *id, uint32_t count)
{
    t->identity = id;
    identity_serve(id, wake, t);
    for (; t->count < count && t->count < LOGIN_THREADS_MAX; t->count++) {
        if (pthread_create(&t->threads[t->count], NULL, run, t) != 0)
            return SL_EIO;
        (void)pthread_setname_np(t->threads[t->count], "login");
    }
    return SL_OK;
}

void login_threads_stop(struct login_threads *t)
{
    atomic_store(&t->stop, true);
    for (uint32_t i = 0; i < t->count; i++)
        wake(t);
    while (t->count != 0)
        pthread_join(t->threads[--t->count], NULL);
    if (t->identity != NULL)
        identity_stop(t->identity);
}

void login_threads_deinit(struct login_threads *t)
{
    login_threads_stop(t);
    sem_destroy(&t->asked);
}

static void *run(void *context)
{
    struct login_threads *t = context;

    while (!atomic_load(&t->stop)) {
        uint64_t wait_ms = identity_run(t->identity);
        if (wait_ms != 0)
            wait_for(t, wait_ms);
    }
    return NULL;
}

/* By the clock that nobody sets. */
static void wait_for(struct login_threads *t, uint64_t wait_ms)
{
    struct timespec until;

    if (wait_ms > LONGEST_WAIT_MS)
        wait_ms = LONGEST_WAIT_MS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)sem_clockwait(&t->asked, CLOCK_MONOTONIC, &until);
}

static void wake(void *context)
{
    struct login_threads *t = context;

    (void)sem_post(&t->asked);
}
