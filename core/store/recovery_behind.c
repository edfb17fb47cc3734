/*
 * Looking behind the end: every place a batch could start at, in the rest of that segment and in
 * all later ones, is tried.  Such a batch names the log's start number, which no peer knows, so
 * nothing that a peer published can pass for one; and it lies where it was written to, so nothing
 * that a segment held in a former life can.
 */
#include "core/store/recovery.h"

struct looking {
    const struct sl_file_ops *files;
    struct window *window;
    uint64_t start_number;
    struct recovery_behind *behind;
};

static enum sl_err scan_segment(struct looking *l, const struct segment *segment, uint64_t offset);
static void try_batch(struct looking *l, struct sl_bytes at, const struct segment *segment,
                      uint64_t offset);

enum sl_err recovery_look_behind(const struct segment_set *set, struct recovery *found,
                                 struct window *window, struct recovery_behind *behind)
{
    struct looking l = {set->files, window, found->start_number, behind};
    struct segment segment;

    *behind = (struct recovery_behind){0};
    SL_TRY(segment_open(set->files, set->segments[found->tail].base, &segment));
    enum sl_err err = scan_segment(&l, &segment, found->end.v - segment.base);
    segment_close(set->files, &segment);
    for (size_t i = found->tail + 1; i < set->count && err == SL_OK; i++) {
        SL_TRY(segment_open(set->files, set->segments[i].base, &segment));
        err = scan_segment(&l, &segment, SEGMENT_HEADER_BYTES);
        segment_close(set->files, &segment);
    }
    found->is_torn = behind->cut_bytes != 0;
    return err;
}

static enum sl_err scan_segment(struct looking *l, const struct segment *segment, uint64_t offset)
{
    uint64_t from = offset;
    uint64_t last = offset; /* behind the last byte that is not zero */
    struct sl_bytes in;

    window_on(l->window, l->files, segment);
    while (offset < segment->size) {
        SL_TRY(window_look(l->window, offset, WINDOW_BYTES, &in));
        size_t overlap = offset + in.len < segment->size ? RECORD_BATCH_BYTES : 0;
        if (in.len <= overlap)
            return SL_EIO; /* the file became shorter */
        for (size_t i = 0; i + overlap < in.len; i += 8) {
            uint64_t word = 0;
            memcpy(&word, in.at + i, in.len - i < 8 ? in.len - i : 8);
            if (word == 0)
                continue;
            last = offset + i + (in.len - i < 8 ? in.len - i : 8);
            try_batch(l, sl_bytes_skip(in, i), segment, offset + i);
        }
        if (overlap == 0)
            break;
        offset += (in.len - overlap) / 8 * 8;
    }
    l->behind->cut_bytes += last - from;
    return SL_OK;
}

static void try_batch(struct looking *l, struct sl_bytes at, const struct segment *segment,
                      uint64_t offset)
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
    if (record_decode(at, l->start_number, place, &record, &length) != SL_OK ||
        !record_read_batch(&record, l->start_number, &batch))
        return;
    if (batch.durable.v > l->behind->cursor.v && batch.durable.v <= place.v) {
        l->behind->cursor = batch.durable;
        l->behind->base = segment->base;
        l->behind->offset = offset;
    }
}
