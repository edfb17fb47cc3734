#include "gateway/housekeeping.h"

#include "core/base/log.h"

#include <time.h>

#define STEP_MS 10
#define LOOK_EVERY_MS 200 /* at the disk's room */

static void *run(void *context);
static void prepare(struct housekeeping *h, bool *was_full);

void housekeeping_init(struct housekeeping *h, struct log_thread *log, uint64_t disk_free_limit)
{
    *h = (struct housekeeping){.log = log};
    disk_watch_init(&h->disk, &log->files, log->broker, disk_free_limit);
    disk_watch_look(&h->disk);
}

enum sl_err housekeeping_start(struct housekeeping *h)
{
    if (pthread_create(&h->thread, NULL, run, h) != 0)
        return SL_EIO;
    h->is_started = true;
    (void)pthread_setname_np(h->thread, "log-keep");
    return SL_OK;
}

void housekeeping_stop(struct housekeeping *h)
{
    if (!h->is_started)
        return;
    atomic_store(&h->stop, true);
    pthread_join(h->thread, NULL);
    h->is_started = false;
}

static void *run(void *context)
{
    static const struct timespec pause = {0, STEP_MS * 1000000L};
    struct housekeeping *h = context;
    bool was_full = false;
    uint64_t look_ms = 0;

    while (!atomic_load(&h->stop)) {
        uint64_t now_ms = sl_clock_monotonic_ms(&sl_clock_system);
        if (now_ms >= look_ms) {
            disk_watch_look(&h->disk);
            look_ms = now_ms + LOOK_EVERY_MS;
        }
        prepare(h, &was_full);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void prepare(struct housekeeping *h, bool *was_full)
{
    bool is_full = commit_log_prepare(h->log->log) ==
                   SL_EFULL; /* a failure the flusher finds too */

    if (is_full && !*was_full)
        sl_warn("disk.full", "action=\"publishers are held\"");
    else if (*was_full && !is_full)
        sl_info("disk.freed", "action=\"publishers go on\"");
    *was_full = is_full;
}
