/*
 * Reading forward: segment by segment, record by record, to the first one that is not whole.
 */
#include "core/store/recovery.h"

#include "core/store/log_read.h"
#include "core/store/log_state.h"
#include "core/store/window.h"

#include <stdarg.h>
#include <stdio.h>

#define PROGRESS_BYTES (16u * 1024 * 1024)
#define SEGMENT_BYTES_BELIEVED (1ull << 40) /* no segment is larger: nonsense in an END record */

struct reading {
    const struct segment_set *set;
    struct recovery_start start;
    struct log_reader *reader; /* for the visitor */
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

static enum sl_err begin(struct reading *r);
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
static enum sl_err judge_end(struct reading *r);
static enum sl_err refuse(struct reading *r, const char *format, ...) SL_PRINTF(2, 3);
static enum sl_err refuse_damage(struct reading *r, const struct recovery_behind *behind);

enum sl_err recovery_read(struct segment_set *set, const struct log_visitor *visitor,
                          struct log_findings *findings, struct recovery *out)
{
    struct reading r = {.set = set, .visitor = visitor, .findings = findings, .out = out};

    *out = (struct recovery){0};
    enum sl_err err = segment_set_measure(set);
    if (err == SL_OK)
        err = recovery_find_start(set, &r.start, findings);
    if (err == SL_OK)
        err = begin(&r);
    if (err == SL_OK && set->count != 0)
        err = read_forward(&r);
    if (err == SL_OK && set->count != 0)
        err = judge_end(&r);
    if (err == SL_EIO && findings->problem[0] == '\0')
        (void)refuse(&r, "reading failed");
    log_reader_free(r.reader);
    recovery_start_deinit(&r.start);
    segment_close(set->files, &r.segment);
    window_deinit(&r.window);
    return err;
}

/* Takes over what the checkpoint knows, and tells the visitor. */
static enum sl_err begin(struct reading *r)
{
    const struct checkpoint_header *header = &r->start.header;
    bool is_good = false;
    enum sl_err err = SL_OK;

    for (size_t i = r->start.first; i < r->set->count; i++)
        r->all += r->set->segments[i].size;
    r->findings->segments = r->set->count;
    if (r->start.has_checkpoint) {
        r->out->start_number = header->start_number;
        r->out->recorded = header->durable;
        r->out->next_base = r->set->segments[r->start.first].base;
        if (header->next.v > r->findings->next.v)
            r->findings->next = header->next;
        r->findings->time = header->time;
        if (r->visitor->time != NULL) /* until a batch says it */
            *r->visitor->time = header->time;
    } else if (r->set->count != 0) {
        SL_TRY(enter_segment(r, 0, &is_good));
    }
    if (r->visitor->checkpoint == NULL)
        return SL_OK;
    r->reader = log_reader_over(r->set, r->out->start_number);
    if (r->reader == NULL)
        return SL_ENOMEM;
    err = r->visitor->checkpoint(r->visitor->context,
                                 (struct sl_bytes){r->start.body, r->start.len}, r->reader);
    if (err == SL_ECORRUPT && r->findings->problem[0] == '\0')
        snprintf(r->findings->problem, sizeof r->findings->problem,
                 "file %s: it is whole, but cannot be carried out", CHECKPOINT_NAME);
    return err;
}

/* Stops at the end with everything in r->out but is_torn. */
static enum sl_err read_forward(struct reading *r)
{
    struct recovery *out = r->out;
    bool is_good = false;

    for (size_t i = r->start.first; i < r->set->count; i++) {
        /* A segment begins where the one before said it would. */
        if (r->set->segments[i].base != out->next_base) {
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
        return refuse(r,
                      "the first segment of the log%s has no good header; "
                      "put it back from a copy",
                      r->start.has_checkpoint ? " that the checkpoint needs" : "");
    return SL_OK;
}

static enum sl_err enter_segment(struct reading *r, size_t index, bool *is_good)
{
    uint64_t start_number = 0;
    uint32_t version;

    segment_close(r->set->files, &r->segment);
    r->offset = 0;
    SL_TRY(segment_open(r->set->files, r->set->segments[index].base, &r->segment));
    window_on(&r->window, r->set->files, &r->segment);
    enum sl_err err = segment_read_header(r->set->files, &r->segment, &start_number, &version);
    if (err == SL_ENOTIMPL)
        return refuse(r, "format version %u; this program reads version %u", version,
                      LOG_FORMAT_VERSION);
    if (err != SL_OK && err != SL_ECORRUPT)
        return err;
    if (index == 0 && !r->start.has_checkpoint)
        r->out->start_number = start_number;
    *is_good = err == SL_OK && start_number == r->out->start_number;
    return SL_OK;
}

static enum sl_err read_segment(struct reading *r)
{
    struct record record;
    uint32_t length;
    enum sl_err err;

    uint64_t from = r->start.header.from.v; /* 0: no checkpoint */

    r->offset = from > r->segment.base ? from - r->segment.base : 0;
    if (r->offset < SEGMENT_HEADER_BYTES)
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
    if (r->visitor->time != NULL)
        *r->visitor->time = r->findings->time;
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
static enum sl_err judge_end(struct reading *r)
{
    struct recovery *out = r->out;
    struct recovery_behind behind = {0};

    SL_TRY(recovery_look_behind(r->set, out, &r->window, &behind));
    r->findings->cut_bytes = behind.cut_bytes;
    if (behind.cursor.v > out->end.v)
        return refuse_damage(r, &behind);
    if (out->end.v < r->start.header.durable.v)
        return refuse(r,
                      "the log ends here, but the checkpoint says that it was durable up to %llu, "
                      "which is behind this place (%llu): confirmed data is damaged or missing. "
                      "Put this segment and the later ones, or the whole directory, back from a "
                      "copy; nothing was changed",
                      (unsigned long long)r->start.header.durable.v,
                      (unsigned long long)out->end.v);
    return SL_OK;
}

static enum sl_err refuse(struct reading *r, const char *format, ...)
{
    char *text = r->findings->problem;
    size_t room = sizeof r->findings->problem;
    va_list arguments;

    int n = snprintf(
        text, room, "%ssegment %016llx.log, offset %llu: ",
        r->start.is_damaged ? "the checkpoint is damaged, so that all of the log is needed; " : "",
        (unsigned long long)r->segment.base, (unsigned long long)r->offset);
    va_start(arguments, format);
    vsnprintf(text + n, room - (size_t)n, format, arguments);
    va_end(arguments);
    return SL_ECORRUPT;
}

static enum sl_err refuse_damage(struct reading *r, const struct recovery_behind *behind)
{
    return refuse(r,
                  "no good record here, but the batch in segment %016llx.log, offset %llu, says "
                  "that the log was durable up to %llu, which is behind this place (%llu): "
                  "confirmed data is damaged or missing. Put this segment, or the whole "
                  "directory, back from a copy; nothing was changed",
                  (unsigned long long)behind->base, (unsigned long long)behind->offset,
                  (unsigned long long)behind->cursor.v, (unsigned long long)r->out->end.v);
}
