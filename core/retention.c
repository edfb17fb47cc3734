#include "core/retention.h"

#include "core/base/assert.h"

#include <stdlib.h>

struct candidate {
    struct log_segment segment;
    uint64_t live; /* bytes of its records */
    uint64_t entries;
};

static void add_up(const struct snapshot *s, struct candidate *c);
static void choose_victims(struct retention *r, struct candidate *candidates, size_t n,
                           uint64_t log_bytes, uint64_t segment_bytes);
static int by_share(const void *a, const void *b);

void retention_deinit(struct retention *r)
{
    free(r->dead);
    free(r->victims);
    *r = (struct retention){0};
}

void retention_add_up(struct retention *r, const struct snapshot *s, struct commit_log *log,
                      sl_lsn from)
{
    size_t room = commit_log_segments(log, NULL, 0);
    struct log_segment *segments = calloc(room + 1, sizeof *segments);
    struct candidate *candidates = calloc(room + 1, sizeof *candidates);
    size_t count = 0;

    retention_deinit(r);
    r->dead = calloc(room + 1, sizeof *r->dead);
    r->victims = calloc(room + 1, sizeof *r->victims);
    SL_ASSERT(segments != NULL && candidates != NULL && r->dead != NULL && r->victims != NULL);
    r->live_bytes = snapshot_live_bytes(s);
    uint64_t log_bytes = commit_log_disk_bytes(log);
    size_t closed = commit_log_segments(log, segments, room);
    for (size_t i = 0; i < closed && i < room; i++) {
        struct candidate c = {.segment = segments[i]};
        if (c.segment.base + c.segment.size > from.v)
            continue;
        add_up(s, &c);
        if (c.entries != 0)
            candidates[count++] = c;
        else {
            r->dead[r->dead_count++] = c.segment.base;
            log_bytes -= c.segment.size < log_bytes ? c.segment.size : log_bytes;
        }
    }
    choose_victims(r, candidates, count, log_bytes, commit_log_segment_bytes(log));
    free(segments);
    free(candidates);
}

enum sl_err retention_release(struct retention *r, struct commit_log *log, uint64_t *released)
{
    size_t n = r->dead_count;

    *released = 0;
    r->dead_count = 0;
    if (n == 0)
        return SL_OK;
    SL_TRY(commit_log_release(log, r->dead, n));
    *released = n;
    return SL_OK;
}

/* A stretch that reaches into it counts as a whole. */
static void add_up(const struct snapshot *s, struct candidate *c)
{
    for (uint32_t i = 0; i < snapshot_shards(s); i++) {
        const struct live *live = snapshot_live(s, i);
        uint64_t first = c->segment.base / live->stretch_bytes;
        uint64_t last = (c->segment.base + c->segment.size - 1) / live->stretch_bytes;
        for (uint64_t n = first; n <= last; n++) {
            if (n < live->first || n - live->first >= live->count)
                continue;
            c->live += live_at(live, n)->bytes;
            c->entries += live_at(live, n)->entries;
        }
    }
}

static void choose_victims(struct retention *r, struct candidate *candidates, size_t n,
                           uint64_t log_bytes, uint64_t segment_bytes)
{
    uint64_t wanted = 2 * r->live_bytes + segment_bytes;

    if (n > 1)
        qsort(candidates, n, sizeof candidates[0], by_share);
    for (size_t i = 0; i < n && log_bytes > wanted; i++) {
        const struct candidate *c = &candidates[i];
        if (c->live >= c->segment.size / 2)
            return;
        r->victims[r->victims_count++] = (struct retention_victim){c->segment, c->live};
        log_bytes -= c->segment.size - c->live;
    }
}

static int by_share(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    double l = (double)left->live / (double)left->segment.size;
    double r = (double)right->live / (double)right->segment.size;

    return l < r ? -1 : l > r;
}
