#include "gateway/disk_watch.h"

#include "core/base/log.h"

#define BACK_SHARE 8 /* it is over when this part of the limit is free above it */

static bool is_low(const struct disk_watch *w, uint64_t free_bytes, uint64_t limit);
static void say(struct disk_watch *w, uint64_t free_bytes, uint64_t limit);

void disk_watch_init(struct disk_watch *w, const struct sl_file_ops *files, struct broker *broker,
                     uint64_t chosen)
{
    *w = (struct disk_watch){.files = files, .broker = broker, .chosen = chosen};
}

void disk_watch_choose(struct disk_watch *w, uint64_t chosen)
{
    atomic_store_explicit(&w->chosen, chosen, memory_order_relaxed);
}

void disk_watch_look(struct disk_watch *w)
{
    uint64_t free_bytes;
    uint64_t total_bytes;

    if (w->files->room(w->files->self, &free_bytes, &total_bytes) != SL_OK) {
        if (!w->is_blind)
            sl_warn("disk.unknown", "reason=\"the system does not tell the free room\"");
        w->is_blind = true;
        return;
    }
    w->is_blind = false;
    uint64_t limit = atomic_load_explicit(&w->chosen, memory_order_relaxed);
    if (limit == 0)
        limit = disk_watch_limit(total_bytes);
    atomic_store_explicit(&w->free_bytes, free_bytes, memory_order_relaxed);
    atomic_store_explicit(&w->limit_bytes, limit, memory_order_relaxed);
    if (is_low(w, free_bytes, limit) != atomic_load(&w->is_low))
        say(w, free_bytes, limit);
}

uint64_t disk_watch_limit(uint64_t total_bytes)
{
    uint64_t limit = total_bytes / 5;

    if (limit > DISK_LIMIT_BYTES_MAX)
        limit = DISK_LIMIT_BYTES_MAX;
    return limit < DISK_LIMIT_SEGMENTS * LOG_SEGMENT_BYTES ? DISK_LIMIT_SEGMENTS * LOG_SEGMENT_BYTES
                                                           : limit;
}

static bool is_low(const struct disk_watch *w, uint64_t free_bytes, uint64_t limit)
{
    if (atomic_load(&w->is_low))
        return free_bytes < limit + limit / BACK_SHARE;
    return free_bytes < limit;
}

static void say(struct disk_watch *w, uint64_t free_bytes, uint64_t limit)
{
    bool was_low = atomic_load(&w->is_low);

    atomic_store(&w->is_low, !was_low);
    broker_set_disk_low(w->broker, !was_low);
    if (was_low)
        sl_info("disk.ok", "free=%llu limit=%llu action=\"publishers go on\"",
                (unsigned long long)free_bytes, (unsigned long long)limit);
    else
        sl_warn("disk.low", "free=%llu limit=%llu action=\"publishers are held\"",
                (unsigned long long)free_bytes, (unsigned long long)limit);
}
