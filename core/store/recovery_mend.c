/*
 * Making the end of a log safe to go on from.
 *
 * The page cache may show what a failed sync never brought to the disk.  So what nobody has on
 * record as durable is written again, byte by byte the same, and synced: after that it is durable,
 * or the start fails.  A crash on the way leaves the same work to the next start.
 */
#include "core/store/recovery.h"

#include "core/store/window.h"

static enum sl_err cut(const struct sl_file_ops *files, const struct recovery *found,
                       uint64_t segment_bytes, struct segment *tail);
static enum sl_err write_again(const struct segment_set *set, const struct recovery *found,
                               struct window *window);
static enum sl_err write_segment_again(const struct sl_file_ops *files, struct segment *segment,
                                       uint64_t from, uint64_t to, struct window *window);

enum sl_err recovery_mend(struct segment_set *set, const struct recovery *found,
                          uint64_t segment_bytes, struct segment *tail)
{
    struct window window = {0};

    SL_TRY(segment_open(set->files, set->segments[found->tail].base, tail));
    enum sl_err err = cut(set->files, found, segment_bytes, tail);
    if (err == SL_OK)
        err = write_again(set, found, &window);
    if (err == SL_OK)
        err = segment_set_remove_from(set, found->tail + 1);
    set->segments[found->tail].size = tail->size;
    window_deinit(&window);
    if (err != SL_OK)
        segment_close(set->files, tail);
    return err;
}

/* A sealed segment has nothing behind its end that would ever be read. */
static enum sl_err cut(const struct sl_file_ops *files, const struct recovery *found,
                       uint64_t segment_bytes, struct segment *tail)
{
    uint64_t used = found->end.v - tail->base + RECORD_END_BYTES; /* it must still be closed */
    uint64_t size = tail->size > segment_bytes ? tail->size : segment_bytes;

    if (size < used)
        size = used;
    if (found->next_base != 0)
        return SL_OK;
    if (found->is_torn) {
        SL_TRY(files->truncate(tail->file, used - RECORD_END_BYTES));
        tail->size = 0;
    }
    return tail->size == size ? SL_OK : segment_grow(files, tail, size); /* and sync */
}

static enum sl_err write_again(const struct segment_set *set, const struct recovery *found,
                               struct window *window)
{
    size_t index;

    if (!segment_set_find(set, found->recorded, &index))
        index = 0;
    for (; index <= found->tail; index++) {
        struct segment segment;
        uint64_t base = set->segments[index].base;
        uint64_t from = found->recorded.v > base ? found->recorded.v - base : 0;

        SL_TRY(segment_open(set->files, base, &segment));
        uint64_t to = found->end.v - base < segment.size ? found->end.v - base : segment.size;
        enum sl_err err = write_segment_again(set->files, &segment, from, to, window);
        segment_close(set->files, &segment);
        SL_TRY(err);
    }
    return SL_OK;
}

static enum sl_err write_segment_again(const struct sl_file_ops *files, struct segment *segment,
                                       uint64_t from, uint64_t to, struct window *window)
{
    struct sl_bytes in;

    window_on(window, files, segment);
    for (uint64_t at = from; at < to; at += in.len) {
        SL_TRY(window_look(window, at, 1, &in));
        if (in.len == 0)
            return SL_EIO; /* the file became shorter */
        if (in.len > to - at)
            in.len = to - at;
        SL_TRY(files->write_at(segment->file, at, &(struct iovec){(void *)(uintptr_t)in.at, in.len},
                               1));
    }
    return files->sync(segment->file);
}
