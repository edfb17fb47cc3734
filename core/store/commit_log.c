#include "core/store/commit_log.h"

#include "core/base/assert.h"
#include "core/base/random.h"
#include "core/store/checkpoint.h"
#include "core/store/log_state.h"
#include "core/store/recovery.h"

#include <stdlib.h>

#define SMALLER_BY 64u /* of its size: two files and a checkpoint stay below two segments */

static enum sl_err open_log(struct commit_log *log, const struct log_visitor *visitor,
                            struct log_findings *findings);
static enum sl_err remove_unfinished_checkpoint(const struct sl_file_ops *files);
static enum sl_err start_empty(struct commit_log *log);
static void go_on_behind(struct commit_log *log, const struct recovery *r);
static void clear_rest(struct commit_log *log);
static void dispose(struct commit_log *log);
static void link_run(struct commit_log *log, struct log_run *r, uint64_t base);
static void begin_segment(struct commit_log *log, struct log_piece *first, uint64_t bytes);
static uint64_t round_to_page(uint64_t bytes);

enum sl_err commit_log_open(const struct log_options *options, const struct log_visitor *visitor,
                            struct log_findings *findings, struct commit_log **out)
{
    struct commit_log *log = aligned_alloc(_Alignof(struct commit_log), sizeof *log);
    pthread_condattr_t monotonic;

    *findings = (struct log_findings){.next = {1}};
    if (log == NULL)
        return SL_ENOMEM;
    *log = (struct commit_log){.options = *options};
    if (log->options.segment_bytes == 0)
        log->options.segment_bytes = LOG_SEGMENT_BYTES;
    log->options.segment_bytes = round_to_page(log->options.segment_bytes);
    if (log->options.page_bytes == 0)
        log->options.page_bytes = LOG_PAGE_BYTES;
    SL_ASSERT(log->options.segment_bytes > SEGMENT_HEADER_BYTES);
    SL_ASSERT(pthread_mutex_init(&log->order, NULL) == 0);
    SL_ASSERT(pthread_mutex_init(&log->segments, NULL) == 0);
    SL_ASSERT(pthread_mutex_init(&log->names, NULL) == 0);
    SL_ASSERT(pthread_condattr_init(&monotonic) == 0);
    SL_ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    SL_ASSERT(pthread_cond_init(&log->wake, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);

    log->stage.bytes = aligned_alloc(LOG_PAGE_BYTES, LOG_STAGE_BYTES);
    enum sl_err err = log->stage.bytes == NULL ? SL_ENOMEM : open_log(log, visitor, findings);
    if (err != SL_OK) {
        dispose(log);
        return err;
    }
    *out = log;
    return SL_OK;
}

enum sl_err commit_log_check(const struct sl_file_ops *files, const struct log_visitor *visitor,
                             struct log_findings *findings)
{
    struct segment_set set;
    struct recovery found;

    *findings = (struct log_findings){.next = {1}};
    SL_TRY(segment_set_init(&set, files));
    enum sl_err err = recovery_read(&set, visitor, findings, &found);
    segment_set_deinit(&set);
    return err;
}

void commit_log_close(struct commit_log *log)
{
    if (log == NULL)
        return;
    if (commit_log_flush(log) == SL_OK) {
        log_flush_farewell(log);
        clear_rest(log);
    }
    dispose(log);
}

struct log_place commit_log_append(struct commit_log *log, struct log_run *r, uint64_t count,
                                   uint64_t now,
                                   void (*ordered)(void *context, struct log_place place),
                                   void *context)
{
    SL_ASSERT(r->group == NULL);

    pthread_mutex_lock(&log->order);
    struct log_place place = {.base = log->next_sequence};
    log->next_sequence += count;
    if (now > log->time)
        log->time = now;
    place.time = log->time;
    bool was_empty = log->filling.first == NULL;
    if (r->first != NULL)
        link_run(log, r, place.base);
    log->must_begin_batch |= r->ends_batch;
    place.end.v = log->filled_to;
    place.start.v = log->filled_to - r->bytes;
    if (ordered != NULL)
        ordered(context, place);
    bool must_wake = log->is_asleep && r->first != NULL && (was_empty || log_has_work(log));
    if (must_wake)
        log->is_asleep = false;
    pthread_mutex_unlock(&log->order);

    if (must_wake)
        pthread_cond_signal(&log->wake);
    r->first = r->last = NULL;
    r->bytes = 0;
    r->records = 0;
    return place;
}

void commit_log_hurry(struct commit_log *log)
{
    if (atomic_load_explicit(&log->is_urgent, memory_order_relaxed))
        return;
    pthread_mutex_lock(&log->order);
    bool must_wake = false;
    if (log->filling.first != NULL) {
        atomic_store_explicit(&log->is_urgent, true, memory_order_relaxed);
        must_wake = log->is_asleep;
        log->is_asleep = false;
    }
    pthread_mutex_unlock(&log->order);
    if (must_wake)
        pthread_cond_signal(&log->wake);
}

sl_lsn commit_log_durable(const struct commit_log *log)
{
    return (sl_lsn){atomic_load_explicit(&log->durable, memory_order_acquire)};
}

sl_lsn commit_log_end(struct commit_log *log)
{
    return (sl_lsn){atomic_load_explicit(&log->end, memory_order_acquire)};
}

bool commit_log_has_failed(const struct commit_log *log)
{
    return atomic_load_explicit(&log->has_failed, memory_order_acquire);
}

uint64_t commit_log_segment_bytes(const struct commit_log *log)
{
    return log->options.segment_bytes;
}

bool commit_log_is_behind(const struct commit_log *log)
{
    uint64_t settled = atomic_load_explicit(&log->settled_bytes, memory_order_acquire);
    uint64_t appended = atomic_load_explicit(&log->appended_bytes, memory_order_relaxed);

    return appended - settled > LOG_BATCH_BYTES_HIGH;
}

uint64_t commit_log_left(struct commit_log *log)
{
    pthread_mutex_lock(&log->order);
    uint64_t left = log->filled_limit - log->filled_to;
    pthread_mutex_unlock(&log->order);
    return left;
}

bool commit_log_is_out_of_room(const struct commit_log *log)
{
    return atomic_load_explicit(&log->is_out_of_room, memory_order_relaxed);
}

uint64_t log_usual_size(const struct commit_log *log)
{
    uint64_t left_out = log->options.segment_bytes / SMALLER_BY;

    return log->options.segment_bytes - left_out / LOG_PAGE_BYTES * LOG_PAGE_BYTES;
}

uint64_t log_next_base(const struct commit_log *log, uint64_t place)
{
    uint64_t bytes = log->options.segment_bytes;

    return (place + bytes - 1) / bytes * bytes;
}

static enum sl_err open_log(struct commit_log *log, const struct log_visitor *visitor,
                            struct log_findings *findings)
{
    struct recovery found;

    SL_TRY(segment_set_init(&log->set, &log->options.files));
    SL_TRY(recovery_read(&log->set, visitor, findings, &found));
    SL_TRY(remove_unfinished_checkpoint(&log->options.files));
    if (log->set.count == 0)
        return start_empty(log);
    SL_TRY(recovery_mend(&log->set, &found, log_usual_size(log), &log->current));
    log->next_sequence = findings->next.v;
    log->time = findings->time;
    go_on_behind(log, &found);
    return SL_OK;
}

static enum sl_err remove_unfinished_checkpoint(const struct sl_file_ops *files)
{
    enum sl_err err = files->remove(files->self, CHECKPOINT_NAME_NEW);

    return err == SL_ENOENT ? SL_OK : err;
}

static enum sl_err start_empty(struct commit_log *log)
{
    log->start_number = sl_random_u64();
    SL_TRY(segment_create(&log->options.files, log->start_number, 0, log_usual_size(log), true,
                          &log->current));
    segment_set_add(&log->set, 0, log->current.size);
    log->next_sequence = 1;
    go_on_behind(log, &(struct recovery){.start_number = log->start_number,
                                         .end = {SEGMENT_HEADER_BYTES},
                                         .is_covered = true});
    return SL_OK;
}

static void go_on_behind(struct commit_log *log, const struct recovery *r)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < log->set.count; i++)
        bytes += log->set.segments[i].size;
    atomic_store_explicit(&log->disk_bytes, bytes, memory_order_relaxed);
    log->start_number = r->start_number;
    log->current_is_sealed = r->next_base != 0;
    log->segment_base = log->current.base;
    log->next_base = log_next_base(log, log->current.base + log->current.size);
    log->filled_to = log->at = r->end.v;
    log->filled_limit = log->segment_base + log->current.size - RECORD_END_BYTES;
    if (log->current_is_sealed) { /* the next append begins the next segment */
        log->next_base = r->next_base;
        log->filled_to = log->filled_limit = r->end.v - RECORD_END_BYTES;
    }
    log->segment_next = log->next_base;
    log->at_sequence = log->next_sequence;
    log->at_time = log->time;
    log->recorded = r->is_covered ? r->end.v : r->recorded.v;
    atomic_store_explicit(&log->end, log->filled_to, memory_order_release);
    atomic_store_explicit(&log->durable, r->end.v, memory_order_release);
}

/* A stop in order leaves nothing behind the end that looks like a torn tail. */
static void clear_rest(struct commit_log *log)
{
    const struct sl_file_ops *files = &log->options.files;

    if (!log->current.is_used_again || log->current_is_sealed)
        return;
    if (files->truncate(log->current.file, log->at - log->current.base) != SL_OK ||
        segment_grow(files, &log->current, log->current.size) != SL_OK)
        return; /* the next start does it */
}

static void dispose(struct commit_log *log)
{
    log_piece_release(log->taken.first, NULL);
    log_piece_release(log->filling.first, NULL);
    segment_close(&log->options.files, &log->current);
    segment_close(&log->options.files, &log->prepared);
    segment_set_deinit(&log->set);
    free(log->gather.parts);
    free(log->stage.bytes);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->names);
    pthread_mutex_destroy(&log->segments);
    pthread_mutex_destroy(&log->order);
    free(log);
}

/* Under the order lock: whatever the run holds, this is all that is done for it.  What is read
 * back has the time that its shard was told: where that went on, a batch begins.  A run never
 * straddles segments; one that is larger than a segment gets a segment of its own size. */
static void link_run(struct commit_log *log, struct log_run *r, uint64_t base)
{
    struct log_piece *first = r->first;
    uint64_t bytes = r->bytes;

    first->begins_run = true;
    first->base = base;
    first->begins_batch = log->filling.first == NULL || log->must_begin_batch ||
                          log->time != log->batch_time;
    if (first->begins_batch)
        bytes += RECORD_BATCH_BYTES;
    if (bytes > log->filled_limit - log->filled_to) {
        bytes = r->bytes + RECORD_BATCH_BYTES;
        begin_segment(log, first, bytes);
    }
    first->time = log->batch_time = log->time;
    log->must_begin_batch = false;
    if (log->filling.first == NULL)
        log->filling.first = first;
    else
        log->filling.last->next = first;
    log->filling.last = r->last;
    log->filled_to += bytes;
    atomic_store_explicit(&log->end, log->filled_to, memory_order_release);
    uint64_t sum = atomic_load_explicit(&log->appended_bytes, memory_order_relaxed);
    atomic_store_explicit(&log->appended_bytes, sum + bytes, memory_order_relaxed);
}

static void begin_segment(struct commit_log *log, struct log_piece *first, uint64_t bytes)
{
    uint64_t needed = round_to_page(SEGMENT_HEADER_BYTES + bytes + RECORD_END_BYTES);
    uint64_t usual = log_usual_size(log);
    uint64_t size = needed > usual ? needed : usual;

    log->segment_base = log->segment_next;
    log->segment_next = log_next_base(log, log->segment_base + size);
    log->filled_to = log->segment_base + SEGMENT_HEADER_BYTES;
    log->filled_limit = log->segment_base + size - RECORD_END_BYTES;
    first->begins_batch = true;
    first->segment_bytes = size;
}

static uint64_t round_to_page(uint64_t bytes)
{
    return (bytes + SEGMENT_HEADER_BYTES - 1) / SEGMENT_HEADER_BYTES * SEGMENT_HEADER_BYTES;
}
