#include "core/store/log_read.h"

#include "core/base/assert.h"
#include "core/store/log_state.h"
#include "core/store/window.h"

#include <stdlib.h>

#define ALONE_BYTES (4u * 1024) /* read at once far from the last read */
#define READ_PER_WANTED 16u     /* so much may be read for what is wanted of it */

struct log_reader {
    struct sl_file_ops files;
    struct commit_log *log;        /* NULL: it is being opened, and */
    const struct segment_set *set; /* this is what it has */
    uint64_t start_number;
    struct segment segment; /* file NULL: none */
    struct window window;
    uint64_t wanted; /* bytes of records lent from what the window holds */
};

static enum sl_err read_record(struct log_reader *r, sl_lsn place, uint32_t length,
                               struct record *record);
static bool is_on_its_way(struct commit_log *log, sl_lsn place, uint32_t length);
static bool find_segment(struct log_reader *r, sl_lsn place, struct log_segment *found);
static enum sl_err enter_segment(struct log_reader *r, uint64_t base);
static enum sl_err bound_window(struct log_reader *r, uint64_t offset, uint32_t length);
static void choose_ahead(struct log_reader *r, uint64_t offset, uint32_t length);

struct log_reader *log_reader_new(struct commit_log *log)
{
    struct log_reader *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    r->files = log->options.files;
    r->log = log;
    r->start_number = log->start_number;
    return r;
}

struct log_reader *log_reader_over(const struct segment_set *set, uint64_t start_number)
{
    struct log_reader *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    r->files = *set->files;
    r->set = set;
    r->start_number = start_number;
    return r;
}

void log_reader_free(struct log_reader *r)
{
    if (r == NULL)
        return;
    segment_close(&r->files, &r->segment);
    window_deinit(&r->window);
    free(r);
}

uint64_t log_reader_start_number(const struct log_reader *r)
{
    return r->start_number;
}

const struct sl_file_ops *log_reader_files(const struct log_reader *r)
{
    return &r->files;
}

enum sl_err log_reader_read(struct log_reader *r, sl_lsn place, uint32_t length,
                            struct record *record)
{
    struct log_segment found;
    enum sl_err err = read_record(r, place, length, record);

    /* It may have been released meanwhile, and be another segment now. */
    if (err == SL_ECORRUPT && !find_segment(r, place, &found))
        return SL_ENOENT;
    return err;
}

static enum sl_err read_record(struct log_reader *r, sl_lsn place, uint32_t length,
                               struct record *record)
{
    struct log_segment found;
    struct sl_bytes in;
    uint32_t is_long;

    if (length < RECORD_HEADER_BYTES || length > RECORD_BYTES_MAX)
        return SL_ECORRUPT;
    if (r->log != NULL && is_on_its_way(r->log, place, length))
        return SL_EAGAIN; /* nor is there a segment, perhaps */
    if (!find_segment(r, place, &found))
        return SL_ENOENT;
    if (r->segment.file == NULL || r->segment.base != found.base)
        SL_TRY(enter_segment(r, found.base));
    uint64_t offset = place.v - found.base;
    SL_TRY(bound_window(r, offset, length));
    choose_ahead(r, offset, length);
    SL_TRY(window_look(&r->window, offset, length, &in));
    if (in.len > length)
        in.len = length;
    enum sl_err err = record_decode(in, r->start_number, place, record, &is_long);
    return err == SL_OK && is_long == length ? SL_OK : SL_ECORRUPT;
}

static bool is_on_its_way(struct commit_log *log, sl_lsn place, uint32_t length)
{
    return place.v + length <= commit_log_end(log).v &&
           place.v + length > commit_log_durable(log).v;
}

static bool find_segment(struct log_reader *r, sl_lsn place, struct log_segment *found)
{
    const struct segment_set *set = r->log == NULL ? r->set : &r->log->set;
    size_t index;

    if (r->log != NULL)
        pthread_mutex_lock(&r->log->names);
    bool is_there = segment_set_find(set, place, &index);
    if (is_there)
        *found = set->segments[index];
    if (r->log != NULL)
        pthread_mutex_unlock(&r->log->names);
    return is_there && place.v - found->base < found->size;
}

static enum sl_err enter_segment(struct log_reader *r, uint64_t base)
{
    segment_close(&r->files, &r->segment);
    SL_TRY(segment_open(&r->files, base, &r->segment));
    window_on(&r->window, &r->files, &r->segment);
    return SL_OK;
}

/* What is read from beyond the durable cursor may not be what will be there: it is not kept. */
static enum sl_err bound_window(struct log_reader *r, uint64_t offset, uint32_t length)
{
    if (r->log == NULL)
        return SL_OK;
    uint64_t durable = commit_log_durable(r->log).v;
    r->window.limit = durable > r->segment.base ? durable - r->segment.base : 0;
    return r->window.limit >= offset + length ? SL_OK : SL_EAGAIN;
}

/* Twice as much as the last time where that was of use and what is wanted now lies near behind it,
 * half as much where it was not. */
static void choose_ahead(struct log_reader *r, uint64_t offset, uint32_t length)
{
    struct window *w = &r->window;
    uint64_t end = w->at + w->len;

    if (offset >= w->at && offset + length <= end) {
        r->wanted += length;
        return;
    }
    bool is_near = w->len != 0 && offset >= w->at && offset <= end + w->ahead;
    bool was_used = r->wanted * READ_PER_WANTED >= w->len;
    size_t next = !is_near ? ALONE_BYTES : was_used ? w->ahead * 2 : w->ahead / 2;
    w->ahead = next < ALONE_BYTES ? ALONE_BYTES : next > WINDOW_BYTES ? WINDOW_BYTES : next;
    r->wanted = length;
}
