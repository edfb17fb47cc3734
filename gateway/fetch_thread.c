#include "gateway/fetch_thread.h"

#include "core/broker.h"

static void *run(void *context);

void fetch_thread_init(struct fetch_thread *t)
{
    *t = (struct fetch_thread){.fetch = NULL};
    (void)sem_init(&t->asked, 0, 0); /* fails only with arguments that are not these */
}

enum sl_err fetch_thread_start(struct fetch_thread *t, struct fetch *fetch)
{
    t->fetch = fetch;
    if (pthread_create(&t->thread, NULL, run, t) != 0)
        return SL_EIO;
    t->is_started = true;
    (void)pthread_setname_np(t->thread, "log-fetch");
    return SL_OK;
}

void fetch_thread_stop(struct fetch_thread *t)
{
    if (!t->is_started)
        return;
    atomic_store(&t->stop, true);
    fetch_thread_wake(t);
    pthread_join(t->thread, NULL);
    t->is_started = false;
}

void fetch_thread_deinit(struct fetch_thread *t)
{
    fetch_thread_stop(t);
    sem_destroy(&t->asked);
}

void fetch_thread_wake(void *context)
{
    struct fetch_thread *t = context;

    (void)sem_post(&t->asked);
}

static void *run(void *context)
{
    struct fetch_thread *t = context;

    while (!atomic_load(&t->stop)) {
        if (!fetch_run(t->fetch))
            (void)sem_wait(&t->asked); /* woken by a signal it looks once more */
    }
    broker_thread_end();
    return NULL;
}
