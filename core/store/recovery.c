/*
 * Reading forward: segment by segment, record by record, to the first one that is not whole.
 *
 * Then looking behind: every place a batch could start at, in the rest of that segment and in all
 * later ones, is tried.  Such a batch names the log's start number, which no peer knows, so
 * nothing that a peer published can pass for one.
 */
#include "core/store/recovery.h"

#include "core/store/window.h"

#include <stdarg.h>
#include <stdio.h>

#define PROGRESS_BYTES (16u * 1024 * 1024)
#define SEGMENT_BYTES_BELIEVED (1ull << 40) /* no segment is larger: nonsense in an END record */

struct reading {
    const struct segment_set *set;
    const struct log_visitor *visitor;
    struct log_findings *findings;
    struct recovery *out;
    struct window window;
    struct segment segment;
    uint64_t offset; /* of the record at hand, in its segment */
    uint64_t done;   /* bytes, of all segments so far */
    uint64_t all;
    uint64_t told;
};

struct behind {    /* what lies behind the end */
    sl_lsn cursor; /* the largest */
    uint64_t base; /* where it was found */
    uint64_t offset;
};

static enum sl_err add_up(struct reading *r);
static enum sl_err read_forward(struct reading *r);
static enum sl_err enter_segment(struct reading *r, size_t index, bool *is_good);
static enum sl_err read_segment(struct reading *r);
static enum sl_err next_record(struct reading *r, struct record *record, uint32_t *length);
static enum sl_err take_record(struct reading *r, const struct record *record, uint32_t length);
static enum sl_err take_batch(struct reading *r, const struct record *record);
static enum sl_err take_end(struct reading *r, const struct record *record, uint32_t length);
static enum sl_err take_group(struct reading *r, const struct record *record);
static enum sl_err visit(struct reading *r, const struct record *record, uint64_t offset);
static void note_sequence(struct reading *r, const struct record *record);
static void tell_progress(struct reading *r);
static enum sl_err look_behind(struct reading *r);
static enum sl_err scan_segment(struct reading *r, const struct segment *segment, uint64_t offset,
                                struct behind *behind);
static void try_batch(struct reading *r, struct sl_bytes at, const struct segment *segment,
                      uint64_t offset, struct behind *behind);
static enum sl_err refuse(struct reading *r, const char *format, ...) SL_PRINTF(2, 3);
static enum sl_err refuse_damage(struct reading *r, const struct behind *behind);

enum sl_err recovery_read(const struct segment_set *set, const struct log_visitor *visitor,
                          struct log_findings *findings, struct recovery *out)
{
    struct reading r = {.set = set, .visitor = visitor, .findings = findings, .out = out};

    *out = (struct recovery){0};
    enum sl_err err = add_up(&r);
    if (err == SL_OK)
        err = read_forward(&r);
    if (err == SL_OK)
        err = look_behind(&r);
    if (err == SL_EIO && findings->problem[0] == '\0')
        (void)refuse(&r, "reading failed");
    segment_close(set->files, &r.segment);
    window_deinit(&r.window);
    return err;
}

static enum sl_err add_up(struct reading *r)
{
    struct segment segment;

    for (size_t i = 0; i < r->set->count; i++) {
        SL_TRY(segment_open(r->set->files, r->set->bases[i], &segment));
        r->all += segment.size;
        segment_close(r->set->files, &segment);
    }
    r->findings->segments = r->set->count;
    return SL_OK;
}

/* Stops at the end with everything in r->out but is_torn. */
static enum sl_err read_forward(struct reading *r)
{
    struct recovery *out = r->out;
    bool is_good = false;

    for (size_t i = 0; i < r->set->count; i++) {
        /* The log starts at 0, and a segment where the one before said it would. */
        if (r->set->bases[i] != out->next_base) {
            segment_close(r->set->files, &r->segment);
            r->segment.base = out->next_base;
            r->offset = 0;
            break;
        }
        SL_TRY(enter_segment(r, i, &is_good));
        if (!is_good)
            break;
        out->tail = i;
        out->next_base = 0;
        SL_TRY(read_segment(r));
        r->done += r->segment.size;
        if (out->next_base == 0)
            break;
    }
    if (out->end.v == 0)
        return refuse(r, "the first segment of the log is missing or has no good header; "
                         "put it back from a copy");
    return SL_OK;
}

static enum sl_err enter_segment(struct reading *r, size_t index, bool *is_good)
{
    uint64_t start_number;
    uint32_t version;

    segment_close(r->set->files, &r->segment);
    r->offset = 0;
    SL_TRY(segment_open(r->set->files, r->set->bases[index], &r->segment));
    window_on(&r->window, r->set->files, &r->segment);
    enum sl_err err = segment_read_header(r->set->files, &r->segment, &start_number, &version);
    if (err == SL_ENOTIMPL)
        return refuse(r, "format version %u; this program reads version %u", version,
                      LOG_FORMAT_VERSION);
    if (err != SL_OK && err != SL_ECORRUPT)
        return err;
    if (index == 0)
        r->out->start_number = start_number;
    *is_good = err == SL_OK && start_number == r->out->start_number;
    return SL_OK;
}

static enum sl_err read_segment(struct reading *r)
{
    struct record record;
    uint32_t length;
    enum sl_err err;

    r->offset = SEGMENT_HEADER_BYTES;
    r->out->end.v = r->segment.base + r->offset;
    while ((err = next_record(r, &record, &length)) == SL_OK) {
        SL_TRY(take_record(r, &record, length));
        r->offset += length;
        r->out->end.v = r->segment.base + r->offset;
        r->findings->bytes += length;
        tell_progress(r);
        if (r->out->next_base != 0)
            return SL_OK;
    }
    if (err == SL_ENOTIMPL)
        return refuse(r, "a record of a later format; read it with a later version");
    return err == SL_ECORRUPT || err == SL_EAGAIN ? SL_OK : err;
}

/* Borrowed until the next call.  SL_ECORRUPT, SL_EAGAIN: none. */
static enum sl_err next_record(struct reading *r, struct record *record, uint32_t *length)
{
    sl_lsn place = {r->segment.base + r->offset};
    struct sl_bytes in;
    size_t wanted = RECORD_HEADER_BYTES;

    for (;;) {
        SL_TRY(window_look(&r->window, r->offset, wanted, &in));
        enum sl_err err = record_decode(in, r->out->start_number, place, record, length);
        if (err != SL_EAGAIN || in.len < wanted || wanted != RECORD_HEADER_BYTES)
            return err;
        memcpy(length, in.at + offsetof(struct record_header, length), sizeof *length);
        wanted = *length;
        if (wanted > r->segment.size - r->offset)
            return SL_ECORRUPT;
    }
}

static enum sl_err take_record(struct reading *r, const struct record *record, uint32_t length)
{
    r->out->is_covered = false;
    if (record->kind != RECORD_END && record->kind != RECORD_PAD)
        note_sequence(r, record);
    switch (record->kind) {
    case RECORD_BATCH: return take_batch(r, record);
    case RECORD_END: return take_end(r, record, length);
    case RECORD_GROUP: return take_group(r, record);
    case RECORD_PAD: return SL_OK;
    default: return visit(r, record, r->offset);
    }
}

static enum sl_err take_batch(struct reading *r, const struct record *record)
{
    uint64_t place = r->segment.base + r->offset;
    struct record_batch batch;

    if (!record_read_batch(record, r->out->start_number, &batch) || batch.durable.v > place)
        return refuse(r, "a whole batch record that makes no sense");
    if (batch.durable.v > r->out->recorded.v)
        r->out->recorded = batch.durable;
    if (batch.time > r->findings->time)
        r->findings->time = batch.time;
    r->out->is_covered = batch.durable.v == place;
    return SL_OK;
}

static enum sl_err take_end(struct reading *r, const struct record *record, uint32_t length)
{
    uint64_t place = r->segment.base + r->offset;
    uint64_t next_base;

    if (!record_read_end(record, &next_base) || next_base < place + length ||
        next_base - r->segment.base > SEGMENT_BYTES_BELIEVED)
        return refuse(r, "a whole end record that makes no sense");
    r->out->next_base = next_base;
    return SL_OK;
}

static enum sl_err take_group(struct reading *r, const struct record *record)
{
    struct record inner;
    struct sl_bytes rest = record->body;
    bool makes_sense = true;

    while (makes_sense && record_next_in_group(&rest, &inner))
        makes_sense = inner.kind >= RECORD_DECLARE_EXCHANGE; /* not one of the log's own */
    if (!makes_sense || rest.len != 0)
        return refuse(r, "a whole group of records that makes no sense");
    rest = record->body;
    for (;;) {
        uint64_t offset = r->offset + RECORD_HEADER_BYTES + (record->body.len - rest.len);
        if (!record_next_in_group(&rest, &inner))
            return SL_OK;
        note_sequence(r, &inner);
        SL_TRY(visit(r, &inner, offset));
    }
}

static enum sl_err visit(struct reading *r, const struct record *record, uint64_t offset)
{
    enum sl_err err = SL_OK;

    r->findings->records++;
    if (r->visitor->record != NULL)
        err = r->visitor->record(r->visitor->context, record, (sl_lsn){r->segment.base + offset});
    if (err != SL_OK && r->findings->problem[0] == '\0')
        (void)refuse(r, "a whole record of kind %u that cannot be carried out", record->kind);
    return err;
}

static void note_sequence(struct reading *r, const struct record *record)
{
    /* A batch tells the next number, the others one that is used. */
    uint64_t next = record->sequence.v + (record->kind != RECORD_BATCH);

    if (next > r->findings->next.v)
        r->findings->next.v = next;
}

static void tell_progress(struct reading *r)
{
    uint64_t done = r->done + r->offset;

    if (r->visitor->progress == NULL || done - r->told < PROGRESS_BYTES)
        return;
    r->told = done;
    r->visitor->progress(r->visitor->context, done, r->all);
}

/* Torn, or damaged? */
static enum sl_err look_behind(struct reading *r)
{
    struct recovery *out = r->out;
    struct behind behind = {0};
    struct segment segment;

    SL_TRY(segment_open(r->set->files, r->set->bases[out->tail], &segment));
    enum sl_err err = scan_segment(r, &segment, out->end.v - segment.base, &behind);
    segment_close(r->set->files, &segment);
    for (size_t i = out->tail + 1; i < r->set->count && err == SL_OK; i++) {
        SL_TRY(segment_open(r->set->files, r->set->bases[i], &segment));
        err = scan_segment(r, &segment, SEGMENT_HEADER_BYTES, &behind);
        segment_close(r->set->files, &segment);
    }
    SL_TRY(err);
    out->is_torn = r->findings->cut_bytes != 0;
    if (behind.cursor.v > out->end.v)
        return refuse_damage(r, &behind);
    return SL_OK;
}

static enum sl_err scan_segment(struct reading *r, const struct segment *segment, uint64_t offset,
                                struct behind *behind)
{
    uint64_t from = offset;
    uint64_t last = offset; /* behind the last byte that is not zero */
    struct sl_bytes in;

    window_on(&r->window, r->set->files, segment);
    while (offset < segment->size) {
        SL_TRY(window_look(&r->window, offset, WINDOW_BYTES, &in));
        size_t overlap = offset + in.len < segment->size ? RECORD_BATCH_BYTES : 0;
        if (in.len <= overlap)
            return SL_EIO; /* the file became shorter */
        for (size_t i = 0; i + overlap < in.len; i += 8) {
            uint64_t word = 0;
            memcpy(&word, in.at + i, in.len - i < 8 ? in.len - i : 8);
            if (word == 0)
                continue;
            last = offset + i + (in.len - i < 8 ? in.len - i : 8);
            try_batch(r, sl_bytes_skip(in, i), segment, offset + i, behind);
        }
        if (overlap == 0)
            break;
        offset += (in.len - overlap) / 8 * 8;
    }
    r->findings->cut_bytes += last - from;
    return SL_OK;
}

static void try_batch(struct reading *r, struct sl_bytes at, const struct segment *segment,
                      uint64_t offset, struct behind *behind)
{
    struct record_header h;
    struct record record;
    uint32_t length;
    sl_lsn place = {segment->base + offset};
    struct record_batch batch;

    if (at.len < RECORD_BATCH_BYTES)
        return;
    memcpy(&h, at.at, sizeof h);
    if (h.length != RECORD_BATCH_BYTES || h.kind != RECORD_BATCH)
        return;
    if (record_decode(at, r->out->start_number, place, &record, &length) != SL_OK ||
        !record_read_batch(&record, r->out->start_number, &batch))
        return;
    if (batch.durable.v > behind->cursor.v && batch.durable.v <= place.v)
        *behind = (struct behind){batch.durable, segment->base, offset};
}

static enum sl_err refuse(struct reading *r, const char *format, ...)
{
    char *text = r->findings->problem;
    size_t room = sizeof r->findings->problem;
    va_list arguments;

    int n = snprintf(text, room,
                     "segment %016llx.log, offset %llu: ", (unsigned long long)r->segment.base,
                     (unsigned long long)r->offset);
    va_start(arguments, format);
    vsnprintf(text + n, room - (size_t)n, format, arguments);
    va_end(arguments);
    return SL_ECORRUPT;
}

static enum sl_err refuse_damage(struct reading *r, const struct behind *behind)
{
    return refuse(r,
                  "no good record here, but the batch in segment %016llx.log, offset %llu, says "
                  "that the log was durable up to %llu, which is behind this place (%llu): "
                  "confirmed data is damaged or missing. Put this segment, or the whole "
                  "directory, back from a copy; nothing was changed",
                  (unsigned long long)behind->base, (unsigned long long)behind->offset,
                  (unsigned long long)behind->cursor.v, (unsigned long long)r->out->end.v);
}
