#include "gateway/housekeeping.h"

#include "core/base/log.h"

#include <time.h>

#define STEP_MS 5
#define LOOK_EVERY_MS 200 /* at the disk's room */
#define FULL_PAUSE_MS 100 /* between tries for a segment */
#define LAST_CHECKPOINT_MS 1500
#define HURRY_EVERY_MS 500 /* for checkpoints while room is wanted, and a rest of so many times */
#define HURRY_REST 5       /* what the last one took */

static void *run(void *context);
static void prepare(struct housekeeping *h, uint64_t now_ms);
static enum sl_err keep(struct housekeeping *h, uint64_t now_ms, bool *was_full);
static void look_for_room(struct housekeeping *h, uint64_t now_ms);
static void say_full(bool is_full, bool *was_full, const char *event, const char *action);
static void pause_ms(long ms);

enum sl_err housekeeping_init(struct housekeeping *h, struct log_thread *log,
                              uint64_t disk_free_limit)
{
    struct keeper_options options = {.files = log->files, .clock = &sl_clock_system};

    *h = (struct housekeeping){.log = log};
    disk_watch_init(&h->disk, &log->files, log->broker, disk_free_limit);
    disk_watch_look(&h->disk);
    h->keeper = keeper_new(log->broker, log->log, &options);
    return h->keeper == NULL ? SL_ENOMEM : SL_OK;
}

enum sl_err housekeeping_start(struct housekeeping *h)
{
    if (pthread_create(&h->thread, NULL, run, h) != 0)
        return SL_EIO;
    h->is_started = true;
    (void)pthread_setname_np(h->thread, "log-keep");
    return SL_OK;
}

void housekeeping_end(struct housekeeping *h, bool (*settle)(void *context), void *context)
{
    uint64_t until_ms = sl_clock_monotonic_ms(&sl_clock_system) + LAST_CHECKPOINT_MS;
    uint64_t now_ms;

    if (!h->is_started)
        return;
    atomic_store(&h->stop, true);
    pthread_join(h->thread, NULL);
    h->is_started = false;
    keeper_end(h->keeper);
    while ((now_ms = sl_clock_monotonic_ms(&sl_clock_system)) < until_ms) {
        enum sl_err err = keeper_step(h->keeper, now_ms);
        if (err == SL_EIO)
            log_thread_end_failed();
        if (err != SL_OK) {
            sl_warn("checkpoint.full",
                    "action=\"none before the stop; the next start reads more\"");
            return;
        }
        while (settle(context)) {
        }
        if (!keeper_is_busy(h->keeper))
            return;
        commit_log_hurry(h->log->log);
        pause_ms(1);
    }
    sl_warn("checkpoint.late",
            "reason=\"no checkpoint before the stop; the next start reads more\"");
}

void housekeeping_deinit(struct housekeeping *h)
{
    if (h->keeper != NULL)
        keeper_free(h->keeper);
    h->keeper = NULL;
}

struct keeper_status housekeeping_status(const struct housekeeping *h)
{
    return keeper_status(h->keeper);
}

static void *run(void *context)
{
    struct housekeeping *h = context;
    bool checkpoint_was_full = false;
    uint64_t look_ms = 0;

    while (!atomic_load(&h->stop)) {
        uint64_t now_ms = sl_clock_monotonic_ms(&sl_clock_system);
        if (now_ms >= look_ms) {
            disk_watch_look(&h->disk);
            look_ms = now_ms + LOOK_EVERY_MS;
        }
        prepare(h, now_ms);
        if (keep(h, now_ms, &checkpoint_was_full) == SL_EIO)
            log_thread_end_failed();
        pause_ms(STEP_MS);
    }
    return NULL;
}

/* To try for room that is not there takes time, in which the log thread waits: not at every step. */
static void prepare(struct housekeeping *h, uint64_t now_ms)
{
    if (now_ms < h->prepare_ms)
        return;
    enum sl_err err = commit_log_prepare(h->log->log); /* the flusher finds a failure out too */
    h->prepare_ms = err == SL_EFULL ? now_ms + FULL_PAUSE_MS : 0;
    say_full(err == SL_EFULL, &h->log_is_full, "disk.full", "publishers are held");
}

static enum sl_err keep(struct housekeeping *h, uint64_t now_ms, bool *was_full)
{
    if (h->log_is_full || atomic_load(&h->disk.is_low))
        look_for_room(h, now_ms);
    enum sl_err err = keeper_step(h->keeper, now_ms);

    say_full(err == SL_EFULL, was_full, "checkpoint.full", "it is tried again");
    return err;
}

/* While publishers are held the log hardly grows, so no checkpoint would become due; but only a
 * checkpoint releases what consumers have made free. */
static void look_for_room(struct housekeeping *h, uint64_t now_ms)
{
    sl_lsn end = commit_log_end(h->log->log);

    if (now_ms < h->hurry_ms || end.v == h->hurried_at.v || keeper_is_busy(h->keeper))
        return;
    keeper_hurry(h->keeper);
    h->hurried_at = end;
    h->hurry_ms = now_ms + HURRY_EVERY_MS +
                  HURRY_REST * keeper_status(h->keeper).last_checkpoint_ms;
}

/* Once for every time that the disk is full. */
static void say_full(bool is_full, bool *was_full, const char *event, const char *action)
{
    if (is_full && !*was_full)
        sl_warn(event, "action=\"%s\"", action);
    else if (*was_full && !is_full)
        sl_info("disk.freed", "action=\"what %s had stopped goes on\"", event);
    *was_full = is_full;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {0, ms * 1000000L};

    nanosleep(&pause, NULL);
}
