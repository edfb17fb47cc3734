#include "core/store/segment_set.h"

#include "core/base/assert.h"

#include <stdlib.h>

static void note_name(void *context, const char *name);
static int compare(const void *a, const void *b);

enum sl_err segment_set_init(struct segment_set *set, const struct sl_file_ops *files)
{
    *set = (struct segment_set){.files = files};
    enum sl_err err = files->list(files->self, note_name, set);
    if (err != SL_OK) {
        segment_set_deinit(set);
        return err;
    }
    if (set->count != 0)
        qsort(set->segments, set->count, sizeof *set->segments, compare);
    return SL_OK;
}

void segment_set_deinit(struct segment_set *set)
{
    free(set->segments);
    set->segments = NULL;
    set->count = set->room = 0;
}

enum sl_err segment_set_measure(struct segment_set *set)
{
    struct segment segment;

    for (size_t i = 0; i < set->count; i++) {
        SL_TRY(segment_open(set->files, set->segments[i].base, &segment));
        set->segments[i].size = segment.size;
        segment_close(set->files, &segment);
    }
    return SL_OK;
}

void segment_set_add(struct segment_set *set, uint64_t base, uint64_t size)
{
    if (set->count == set->room) {
        set->room = set->room == 0 ? 16 : set->room * 2;
        set->segments = realloc(set->segments, set->room * sizeof *set->segments);
        SL_ASSERT(set->segments != NULL);
    }
    set->segments[set->count++] = (struct log_segment){base, size};
}

void segment_set_forget(struct segment_set *set, size_t index)
{
    set->count--;
    memmove(set->segments + index, set->segments + index + 1,
            (set->count - index) * sizeof *set->segments);
}

bool segment_set_find(const struct segment_set *set, sl_lsn place, size_t *index)
{
    size_t from = 0;
    size_t to = set->count; /* base of from - 1 <= place < base of to */

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (set->segments[middle].base <= place.v)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == 0)
        return false;
    *index = from - 1;
    return true;
}

enum sl_err segment_set_remove_from(struct segment_set *set, size_t index)
{
    char name[SEGMENT_NAME_ROOM];

    /* From the back, so that what a crash leaves is still without a gap. */
    while (set->count > index) {
        segment_name(set->segments[set->count - 1].base, name);
        SL_TRY(set->files->remove(set->files->self, name));
        set->count--;
    }
    return set->files->sync_dir(set->files->self);
}

static void note_name(void *context, const char *name)
{
    uint64_t base;

    if (segment_parse_name(name, &base))
        segment_set_add(context, base, 0);
}

static int compare(const void *a, const void *b)
{
    const struct log_segment *x = a;
    const struct log_segment *y = b;

    return (x->base > y->base) - (x->base < y->base);
}
