/*
 * The log thread's half of the commit log.
 *
 * A flush takes the batch that was filled and writes it part by part, a part being what goes into
 * one segment: fill in sequences and checksums, gather, write, sync, move the durable cursor.
 *
 * A segment's end is synced before anything is written to the next one.  So whoever finds a good
 * batch in a later segment may rely on all of the earlier one.
 */
#include "core/base/assert.h"
#include "core/store/log_seal.h"

#include <stdlib.h>

#define GATHER_BYTES (256u * 1024) /* staged while still in the CPU's cache */
#define GATHER_PARTS 512u

static const uint8_t ZEROS[8];

static void take_batch(struct commit_log *log);
static void pad_to_page(struct commit_log *log, struct log_piece *last);
static enum sl_err flush_part(struct commit_log *log);
static enum sl_err enter_next_segment(struct commit_log *log, const struct log_piece *first);
static enum sl_err seal_current(struct commit_log *log, uint64_t sequence);
static enum sl_err get_next_segment(struct commit_log *log, uint64_t bytes, struct segment *next);
static struct log_piece *end_of_part(struct log_piece *first);
static enum sl_err write_pieces(struct commit_log *log, const struct log_piece *stop);
static void gather_piece(struct gather *g, const struct log_piece *piece);
static void gather_add(struct gather *g, const void *at, size_t len);
static enum sl_err stage_gathered(struct commit_log *log, uint64_t end);
static enum sl_err stage_bytes(struct commit_log *log, struct sl_bytes bytes);
static enum sl_err stage_pad(struct commit_log *log, const struct log_piece *piece);
static enum sl_err write_stage(struct commit_log *log);
static void announce(struct commit_log *log);
static enum sl_err fail(struct commit_log *log);
static enum sl_err final(enum sl_err err);

enum sl_err commit_log_flush(struct commit_log *log)
{
    if (commit_log_has_failed(log))
        return SL_EIO;
    take_batch(log);
    while (log->taken.first != NULL) {
        enum sl_err err = flush_part(log);
        if (err == SL_EFULL)
            return err;
        if (err != SL_OK)
            return fail(log);
    }
    return SL_OK;
}

void log_flush_farewell(struct commit_log *log)
{
    uint8_t batch[RECORD_BATCH_BYTES];
    uint64_t durable = commit_log_durable(log).v;
    uint64_t offset = log->at - log->current.base;

    if (log->recorded >= durable || log->current_is_sealed ||
        log->current.size - offset < RECORD_BATCH_BYTES + RECORD_END_BYTES)
        return;
    record_write_batch(batch, log->at_sequence, (struct record_batch){{durable}, log->at_time},
                       log->start_number, (sl_lsn){log->at});
    /* It says only what is known already, so nobody waits for it and nothing hangs on it. */
    if (log->options.files.write_at(log->current.file, offset, &(struct iovec){batch, sizeof batch},
                                    1) == SL_OK)
        (void)log->options.files.sync(log->current.file);
    log->at += sizeof batch;
}

/* The only touch of the order lock. */
static void take_batch(struct commit_log *log)
{
    pthread_mutex_lock(&log->order);
    struct piece_list more = log->filling;
    log->filling = (struct piece_list){NULL, NULL};
    log->at_sequence = log->next_sequence;
    log->at_time = log->time;
    if (more.first != NULL)
        pad_to_page(log, more.last);
    atomic_store_explicit(&log->is_urgent, false, memory_order_relaxed);
    pthread_mutex_unlock(&log->order);

    if (more.first == NULL)
        return;
    log->was_busy = true;
    if (log->taken.first == NULL)
        log->taken.first = more.first;
    else
        log->taken.last->next = more.first;
    log->taken.last = more.last;
}

/* Under the order lock: the batch is full, the next one starts at a page, if there is room. */
static void pad_to_page(struct commit_log *log, struct log_piece *last)
{
    uint32_t page = log->options.page_bytes;
    uint32_t pad = (uint32_t)(-log->filled_to % page);

    if (pad != 0 && pad < RECORD_HEADER_BYTES)
        pad += page;
    if (pad == 0 || pad > log->filled_limit - log->filled_to)
        return;
    last->pad = pad;
    last->pad_sequence = log->next_sequence;
    log->filled_to += pad;
    atomic_store_explicit(&log->end, log->filled_to, memory_order_release);
    atomic_fetch_add_explicit(&log->appended_bytes, pad, memory_order_relaxed);
}

static enum sl_err flush_part(struct commit_log *log)
{
    struct log_piece *first = log->taken.first;

    if (first->segment_bytes != 0) {
        SL_TRY(enter_next_segment(log, first));
        first->segment_bytes = 0;
    }
    struct log_piece *stop = end_of_part(first);
    uint64_t from = log->at;
    SL_TRY(final(write_pieces(log, stop)));
    SL_TRY(final(log->options.files.sync(log->current.file)));
    atomic_fetch_add_explicit(&log->flushes, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->settled_bytes, log->at - from, memory_order_release);
    log->taken.first = stop;
    atomic_store_explicit(&log->durable, log->at, memory_order_release);
    announce(log);
    log_piece_release(first, stop);
    return SL_OK;
}

/* SL_EFULL: there is no room for it yet; may be tried again. */
static enum sl_err enter_next_segment(struct commit_log *log, const struct log_piece *first)
{
    struct segment next;

    SL_TRY(final(seal_current(log, first->base)));
    pthread_mutex_lock(&log->segments);
    enum sl_err err = get_next_segment(log, first->segment_bytes, &next);
    atomic_store_explicit(&log->is_out_of_room, err == SL_EFULL, memory_order_relaxed);
    if (err == SL_OK) {
        segment_close(&log->options.files, &log->current);
        log->current = next;
        log->next_base = log_next_base(log, next.base + next.size);
        log->current_is_sealed = false;
        pthread_mutex_lock(&log->names);
        segment_set_add(&log->set, next.base, next.size);
        pthread_mutex_unlock(&log->names);
    }
    pthread_mutex_unlock(&log->segments);
    if (err != SL_OK)
        return err;
    atomic_store_explicit(&log->flushes, 0, memory_order_relaxed);
    log->at = next.base + SEGMENT_HEADER_BYTES;
    return SL_OK;
}

static enum sl_err seal_current(struct commit_log *log, uint64_t sequence)
{
    uint8_t end[RECORD_END_BYTES];

    if (log->current_is_sealed)
        return SL_OK;
    record_write_end(end, sequence, log->next_base, log->start_number, (sl_lsn){log->at});
    SL_TRY(log->options.files.write_at(log->current.file, log->at - log->current.base,
                                       &(struct iovec){end, sizeof end}, 1));
    SL_TRY(log->options.files.sync(log->current.file));
    pthread_mutex_lock(&log->segments);
    log->current_is_sealed = true;
    pthread_mutex_unlock(&log->segments);
    /* So that the next segment's first batch answers for the end of this one. */
    atomic_store_explicit(&log->durable, log->next_base, memory_order_release);
    return SL_OK;
}

/* Under the segment lock.  The prepared one, or if there is none or it is too small, what it
 * takes. */
static enum sl_err get_next_segment(struct commit_log *log, uint64_t bytes, struct segment *next)
{
    uint64_t base = log->next_base;

    if (log->prepared.file == NULL) {
        SL_TRY(segment_create(&log->options.files, log->start_number, base, bytes, false,
                              &log->prepared));
        log->is_recycling = false;
        atomic_fetch_add_explicit(&log->disk_bytes, bytes, memory_order_relaxed);
    }
    if (log->prepared.size < bytes) {
        uint64_t more = bytes - log->prepared.size;
        SL_TRY(segment_grow(&log->options.files, &log->prepared, bytes));
        atomic_fetch_add_explicit(&log->disk_bytes, more, memory_order_relaxed);
    }
    SL_ASSERT(log->prepared.base == base && log->prepared.size == bytes);
    *next = log->prepared;
    log->prepared.file = NULL;
    return SL_OK;
}

static struct log_piece *end_of_part(struct log_piece *first)
{
    struct log_piece *piece = first->next;

    while (piece != NULL && piece->segment_bytes == 0)
        piece = piece->next;
    return piece;
}

static enum sl_err write_pieces(struct commit_log *log, const struct log_piece *stop)
{
    struct sealing s = {.log = log, .at = log->at};

    for (struct log_piece *piece = log->taken.first; piece != stop; piece = piece->next) {
        log_seal_piece(&s, piece);
        gather_piece(&log->gather, piece);
        /* A group's checksum lies in front of it and is known behind it. */
        if (s.group == NULL &&
            (log->gather.bytes >= GATHER_BYTES || log->gather.count >= GATHER_PARTS))
            SL_TRY(stage_gathered(log, s.at));
        if (piece->pad != 0) {
            SL_TRY(stage_gathered(log, s.at));
            SL_TRY(stage_pad(log, piece));
            s.at = log->at;
        }
    }
    SL_ASSERT(s.group == NULL);
    SL_TRY(stage_gathered(log, s.at));
    return write_stage(log);
}

static void gather_piece(struct gather *g, const struct log_piece *piece)
{
    uint32_t front = piece->begins_batch ? RECORD_BATCH_BYTES : 0;

    gather_add(g, piece->at - front, piece->used + front);
    if (piece->lent.len == 0)
        return;
    gather_add(g, piece->lent.at, piece->lent.len);
    if (piece->lent_padding != 0)
        gather_add(g, ZEROS, piece->lent_padding);
}

static void gather_add(struct gather *g, const void *at, size_t len)
{
    if (g->count == g->room) {
        g->room = g->room == 0 ? GATHER_PARTS : g->room * 2;
        g->parts = realloc(g->parts, g->room * sizeof *g->parts);
        SL_ASSERT(g->parts != NULL);
    }
    g->parts[g->count++] = (struct iovec){(void *)(uintptr_t)at, len};
    g->bytes += len;
}

static enum sl_err stage_gathered(struct commit_log *log, uint64_t end)
{
    struct gather *g = &log->gather;

    SL_ASSERT(log->at + g->bytes == end);
    SL_ASSERT(end - log->current.base <= log->current.size - RECORD_END_BYTES);
    for (size_t i = 0; i < g->count; i++)
        SL_TRY(stage_bytes(log, (struct sl_bytes){g->parts[i].iov_base, g->parts[i].iov_len}));
    g->count = 0;
    g->bytes = 0;
    return SL_OK;
}

/* Copies, and writes whenever the stage is full: a batch may be larger than the stage, and the
 * parts of a batch are nowhere near the alignment that the disk likes. */
static enum sl_err stage_bytes(struct commit_log *log, struct sl_bytes bytes)
{
    struct stage *st = &log->stage;

    while (bytes.len != 0) {
        if (st->len == 0)
            st->at = log->at;
        /* What follows a first write in the middle of a page is aligned again. */
        size_t room = LOG_STAGE_BYTES - (size_t)(st->at % LOG_PAGE_BYTES) - st->len;
        size_t n = bytes.len < room ? bytes.len : room;
        memcpy(st->bytes + st->len, bytes.at, n);
        st->len += n;
        log->at += n;
        bytes = sl_bytes_skip(bytes, n);
        if (n == room)
            SL_TRY(write_stage(log));
    }
    return SL_OK;
}

static enum sl_err stage_pad(struct commit_log *log, const struct log_piece *piece)
{
    uint8_t pad[LOG_PAGE_BYTES + RECORD_HEADER_BYTES] = {0};
    struct sl_bytes zeros = {pad + RECORD_HEADER_BYTES, piece->pad - RECORD_HEADER_BYTES};

    record_write(pad, RECORD_PAD, piece->pad_sequence, zeros, log->start_number, (sl_lsn){log->at});
    return stage_bytes(log, (struct sl_bytes){pad, piece->pad});
}

static enum sl_err write_stage(struct commit_log *log)
{
    struct stage *st = &log->stage;
    struct iovec part = {st->bytes, st->len};

    if (st->len == 0)
        return SL_OK;
    st->len = 0;
    return log->options.files.write_at(log->current.file, st->at - log->current.base, &part, 1);
}

static void announce(struct commit_log *log)
{
    if (log->options.announce != NULL)
        log->options.announce(log->options.announce_context);
}

/* The system may have dropped what it held and call the next sync a success: there is no next. */
static enum sl_err fail(struct commit_log *log)
{
    atomic_store_explicit(&log->has_failed, true, memory_order_release);
    announce(log);
    return SL_EIO;
}

/* Inside a segment, having no room is as bad as any other failed write. */
static enum sl_err final(enum sl_err err)
{
    return err == SL_EFULL ? SL_EIO : err;
}
