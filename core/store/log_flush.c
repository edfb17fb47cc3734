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
#include "core/base/crc32c.h"
#include "core/store/log_state.h"

#include <stdlib.h>

#define GATHER_BYTES (256u * 1024) /* staged while still in the CPU's cache */
#define GATHER_PARTS 512u

static const uint8_t ZEROS[8];

struct sealing { /* on the way through the pieces of a part */
    struct commit_log *log;
    uint64_t at;    /* lsn of the record at hand */
    uint64_t base;  /* sequence of offset 0 */
    uint8_t *group; /* the open group's header, NULL: none */
    uint32_t group_left;
    uint32_t group_sum;
};

static void take_batch(struct commit_log *log);
static void pad_to_page(struct commit_log *log, struct log_piece *last);
static enum sl_err flush_part(struct commit_log *log);
static enum sl_err enter_next_segment(struct commit_log *log, const struct log_piece *first);
static enum sl_err seal_current(struct commit_log *log, uint64_t sequence);
static enum sl_err get_next_segment(struct commit_log *log, uint64_t bytes, struct segment *next);
static struct log_piece *end_of_part(struct log_piece *first);
static enum sl_err write_pieces(struct commit_log *log, const struct log_piece *stop);
static void seal_piece(struct sealing *s, struct log_piece *piece);
static void seal_batch(struct sealing *s, const struct log_piece *piece);
static uint32_t seal_record(struct sealing *s, uint8_t *at, uint32_t room,
                            const struct log_piece *piece);
static uint32_t begin_group(struct sealing *s, uint8_t *at, uint32_t length);
static void end_whole_group(struct sealing *s);
static uint32_t sum_record(uint32_t sum, const uint8_t *at, uint32_t len, bool has_lent,
                           const struct log_piece *piece);
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
        seal_piece(&s, piece);
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

/* Gives each record its sequence and its checksum. */
static void seal_piece(struct sealing *s, struct log_piece *piece)
{
    if (piece->begins_run)
        s->base = piece->base;
    if (piece->begins_batch)
        seal_batch(s, piece);
    for (uint32_t done = 0; done < piece->used;)
        done += seal_record(s, piece->at + done, piece->used - done, piece);
}

static void seal_batch(struct sealing *s, const struct log_piece *piece)
{
    struct commit_log *log = s->log;

    log->recorded = commit_log_durable(log).v;
    record_write_batch(piece->at - RECORD_BATCH_BYTES, piece->base,
                       (struct record_batch){{log->recorded}, log->at_time}, log->start_number,
                       (sl_lsn){s->at});
    s->at += RECORD_BATCH_BYTES;
}

/* Returns how much of the piece's bytes it was. */
static uint32_t seal_record(struct sealing *s, uint8_t *at, uint32_t room,
                            const struct log_piece *piece)
{
    struct record_header h;

    memcpy(&h, at, sizeof h);
    if (h.crc32c == LOG_SEQUENCE_RELATIVE)
        h.sequence += s->base;
    h.crc32c = 0;
    memcpy(at, &h, sizeof h);

    if (h.kind == RECORD_GROUP)
        return begin_group(s, at, h.length);

    bool has_lent = h.length > room; /* then it is the piece's last record */
    uint32_t here = has_lent ? room : h.length;
    uint32_t seed = record_checksum_seed(s->log->start_number, (sl_lsn){s->at});
    h.crc32c = sum_record(seed, at + 4, here - 4, has_lent, piece);
    memcpy(at, &h.crc32c, sizeof h.crc32c);
    if (s->group != NULL) { /* its checksum covers the records as they lie there */
        s->group_sum = sum_record(s->group_sum, at, here, has_lent, piece);
        s->group_left -= h.length;
        end_whole_group(s);
    }
    s->at += h.length;
    return here;
}

/* Only its header; what is inside comes as records, in this piece and the next ones. */
static uint32_t begin_group(struct sealing *s, uint8_t *at, uint32_t length)
{
    uint32_t seed = record_checksum_seed(s->log->start_number, (sl_lsn){s->at});

    s->group = at;
    s->group_left = length - RECORD_HEADER_BYTES;
    s->group_sum = crc32c(seed, at + 4, RECORD_HEADER_BYTES - 4);
    s->at += RECORD_HEADER_BYTES;
    end_whole_group(s);
    return RECORD_HEADER_BYTES;
}

static void end_whole_group(struct sealing *s)
{
    if (s->group_left != 0)
        return;
    memcpy(s->group, &s->group_sum, sizeof s->group_sum);
    s->group = NULL;
}

static uint32_t sum_record(uint32_t sum, const uint8_t *at, uint32_t len, bool has_lent,
                           const struct log_piece *piece)
{
    sum = crc32c(sum, at, len);
    if (!has_lent)
        return sum;
    sum = crc32c(sum, piece->lent.at, piece->lent.len);
    return crc32c(sum, ZEROS, piece->lent_padding);
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
