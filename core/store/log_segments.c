/*
 * The housekeeping thread's half of the commit log: the segment that comes next, and those that
 * are not needed any more.
 *
 * A segment that was released becomes the next one where that is wanted: writing over blocks that
 * were written before needs no word to the file system, which makes each sync much cheaper than
 * one into new room.  What such a file still holds cannot pass for records of its new place.
 */
#include "core/base/assert.h"
#include "core/store/log_state.h"

#define FILL_FLUSH_BYTES 32768u /* smaller flushes than this: syncs are what costs */

static bool wants_next_segment(struct commit_log *log);
static bool syncs_dominate(struct commit_log *log);
static bool forget(struct commit_log *log, uint64_t base, uint64_t *size);
static enum sl_err give_back(struct commit_log *log, uint64_t base, uint64_t size);
static enum sl_err recycle(struct commit_log *log, uint64_t base);

enum sl_err commit_log_prepare(struct commit_log *log)
{
    enum sl_err err = SL_OK;

    pthread_mutex_lock(&log->segments);
    if (!commit_log_has_failed(log) && log->prepared.file == NULL && wants_next_segment(log)) {
        err = segment_create(&log->options.files, log->start_number, log->next_base,
                             log_usual_size(log), syncs_dominate(log), &log->prepared);
        atomic_store_explicit(&log->is_out_of_room, err == SL_EFULL, memory_order_relaxed);
        if (err == SL_OK) {
            log->is_recycling = false;
            atomic_fetch_add_explicit(&log->disk_bytes, log->prepared.size, memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&log->segments);
    return err == SL_OK || err == SL_EFULL ? err : log_give_up(log);
}

size_t commit_log_segments(struct commit_log *log, struct log_segment *out, size_t room)
{
    pthread_mutex_lock(&log->names);
    size_t closed = log->set.count - 1; /* the last one is being written */
    for (size_t i = 0; i < closed && i < room; i++)
        out[i] = log->set.segments[i];
    pthread_mutex_unlock(&log->names);
    return closed;
}

enum sl_err commit_log_release(struct commit_log *log, const uint64_t *bases, size_t n)
{
    enum sl_err err = SL_OK;
    uint64_t size;

    if (commit_log_has_failed(log))
        return SL_EIO;
    for (size_t i = 0; i < n && err == SL_OK; i++)
        if (forget(log, bases[i], &size))
            err = give_back(log, bases[i], size);
    if (err == SL_OK && n != 0)
        err = log->options.files.sync_dir(log->options.files.self);
    return err == SL_OK ? SL_OK : log_give_up(log);
}

uint64_t commit_log_disk_bytes(struct commit_log *log)
{
    return atomic_load_explicit(&log->disk_bytes, memory_order_relaxed);
}

uint64_t commit_log_start_number(const struct commit_log *log)
{
    return log->start_number;
}

enum sl_err log_give_up(struct commit_log *log)
{
    atomic_store_explicit(&log->has_failed, true, memory_order_release);
    pthread_mutex_lock(&log->order); /* not between its look at has_failed and its sleep */
    pthread_mutex_unlock(&log->order);
    pthread_cond_signal(&log->wake);
    return SL_EIO;
}

/* Under the segment lock.  While segments are released as fast as they are filled, one of them
 * will do, unless it comes late. */
static bool wants_next_segment(struct commit_log *log)
{
    uint64_t used = commit_log_durable(log).v - log->current.base;
    uint64_t enough = log->is_recycling ? log->current.size - log->current.size / 8
                                        : log->current.size / 2;

    return log->current_is_sealed || used > enough;
}

/* Under the segment lock.  A sync of room that was only reserved has to note in the file system
 * that it is used now, which costs more than writing little; but filling a segment with zeros
 * costs its size, which pays where a segment sees many syncs. */
static bool syncs_dominate(struct commit_log *log)
{
    uint64_t used = commit_log_durable(log).v - log->current.base;
    uint64_t flushes = atomic_load_explicit(&log->flushes, memory_order_relaxed);

    return flushes * FILL_FLUSH_BYTES > used;
}

/* No reader finds it from now on.  false: it is not there, or is being written. */
static bool forget(struct commit_log *log, uint64_t base, uint64_t *size)
{
    size_t index;

    pthread_mutex_lock(&log->names);
    bool is_closed = segment_set_find(&log->set, (sl_lsn){base}, &index) &&
                     log->set.segments[index].base == base && index + 1 < log->set.count;
    if (is_closed) {
        *size = log->set.segments[index].size;
        segment_set_forget(&log->set, index);
    }
    pthread_mutex_unlock(&log->names);
    return is_closed;
}

static enum sl_err give_back(struct commit_log *log, uint64_t base, uint64_t size)
{
    char name[SEGMENT_NAME_ROOM];

    pthread_mutex_lock(&log->segments);
    bool is_wanted = log->prepared.file == NULL && size == log_usual_size(log);
    enum sl_err err = is_wanted ? recycle(log, base) : SL_OK;
    pthread_mutex_unlock(&log->segments);
    if (is_wanted)
        return err;
    segment_name(base, name);
    err = log->options.files.remove(log->options.files.self, name);
    atomic_fetch_sub_explicit(&log->disk_bytes, size, memory_order_relaxed);
    return err;
}

/* Under the segment lock. */
static enum sl_err recycle(struct commit_log *log, uint64_t base)
{
    SL_TRY(segment_use_again(&log->options.files, log->start_number, base, log->next_base,
                             &log->prepared));
    log->is_recycling = true;
    atomic_store_explicit(&log->is_out_of_room, false, memory_order_relaxed);
    return SL_OK;
}
