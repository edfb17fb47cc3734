#include "core/store/segment_set.h"

#include "core/base/assert.h"

#include <stdlib.h>

static void note_name(void *context, const char *name);
static int compare_bases(const void *a, const void *b);

enum sl_err segment_set_init(struct segment_set *set, const struct sl_file_ops *files)
{
    *set = (struct segment_set){.files = files};
    enum sl_err err = files->list(files->self, note_name, set);
    if (err != SL_OK) {
        segment_set_deinit(set);
        return err;
    }
    if (set->count != 0)
        qsort(set->bases, set->count, sizeof *set->bases, compare_bases);
    return SL_OK;
}

void segment_set_deinit(struct segment_set *set)
{
    free(set->bases);
    set->bases = NULL;
    set->count = set->room = 0;
}

void segment_set_add(struct segment_set *set, uint64_t base)
{
    if (set->count == set->room) {
        set->room = set->room == 0 ? 16 : set->room * 2;
        set->bases = realloc(set->bases, set->room * sizeof *set->bases);
        SL_ASSERT(set->bases != NULL);
    }
    set->bases[set->count++] = base;
}

bool segment_set_find(const struct segment_set *set, sl_lsn place, size_t *index)
{
    size_t from = 0;
    size_t to = set->count; /* bases[from - 1] <= place < bases[to] */

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (set->bases[middle] <= place.v)
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
        segment_name(set->bases[set->count - 1], name);
        SL_TRY(set->files->remove(set->files->self, name));
        set->count--;
    }
    return set->files->sync_dir(set->files->self);
}

static void note_name(void *context, const char *name)
{
    uint64_t base;

    if (segment_parse_name(name, &base))
        segment_set_add(context, base);
}

static int compare_bases(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}
