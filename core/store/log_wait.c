/* log_wait.c - the part of commit_log.h that has the log thread wait for something worth a sync. */
#include "core/store/log_state.h"

#include <errno.h>
#include <time.h>

#define POLL_NS 50000u       /* before sleep: a wake costs as much as a small sync */
#define NO_ROOM_WAIT_MS 100u /* before a segment is tried again */

static bool poll_for_work(struct commit_log *log);
static bool sleep_for_work(struct commit_log *log);
static bool wait_for_room(struct commit_log *log);
static struct timespec from_now(uint64_t ns);

bool commit_log_wait(struct commit_log *log)
{
    if (commit_log_has_failed(log))
        return false;
    if (log->taken.first != NULL)
        return wait_for_room(log);
    if (log->was_busy && poll_for_work(log))
        return true;
    return sleep_for_work(log);
}

void commit_log_stop(struct commit_log *log)
{
    pthread_mutex_lock(&log->order);
    log->is_stopping = true;
    pthread_mutex_unlock(&log->order);
    pthread_cond_signal(&log->wake);
}

static bool poll_for_work(struct commit_log *log)
{
    struct timespec until = from_now(POLL_NS);
    struct timespec now;

    log->was_busy = false;
    do {
        for (unsigned i = 0; i < 64; i++) {
            if (log_has_work(log))
                return true;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < until.tv_sec ||
             (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec));
    return false;
}

static bool sleep_for_work(struct commit_log *log)
{
    struct timespec until = {0, 0};
    bool is_due = false;

    pthread_mutex_lock(&log->order);
    while (!is_due && !log_has_work(log) && !log->is_stopping && !commit_log_has_failed(log)) {
        log->is_asleep = true;
        if (log->filling.first == NULL) {
            pthread_cond_wait(&log->wake, &log->order);
            continue;
        }
        if (until.tv_sec == 0)
            until = from_now(LOG_LAZY_MS * 1000000ull);
        is_due = pthread_cond_timedwait(&log->wake, &log->order, &until) == ETIMEDOUT;
    }
    log->is_asleep = false;
    bool has_records = log->filling.first != NULL && !commit_log_has_failed(log);
    pthread_mutex_unlock(&log->order);
    return has_records;
}

/* What was taken waits for a segment; only time, or the operator, makes room. */
static bool wait_for_room(struct commit_log *log)
{
    struct timespec until = from_now(NO_ROOM_WAIT_MS * 1000000ull);

    pthread_mutex_lock(&log->order);
    while (!log->is_stopping &&
           pthread_cond_timedwait(&log->wake, &log->order, &until) != ETIMEDOUT)
        ;
    bool goes_on = !log->is_stopping;
    pthread_mutex_unlock(&log->order);
    return goes_on;
}

bool log_has_work(struct commit_log *log)
{
    return atomic_load_explicit(&log->is_urgent, memory_order_relaxed) ||
           atomic_load_explicit(&log->appended_bytes, memory_order_relaxed) -
                   atomic_load_explicit(&log->settled_bytes, memory_order_relaxed) >=
               LOG_LAZY_BYTES;
}

static struct timespec from_now(uint64_t ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += (uint64_t)t.tv_nsec;
    return (struct timespec){t.tv_sec + (time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}
