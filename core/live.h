/*
 * live.h - how much of the log a shard's queues still need, by place.
 *
 * The log is looked at in stretches as long as a segment; segments begin at multiples of that.
 * A record that several queues share counts a part in each.  Only its shard knows a count; the
 * keeper learns it with a checkpoint, and a stretch in which a checkpoint finds nothing live
 * stays so, because what is new goes to the end of the log.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_LIVE_H
#define SLUICE_CORE_LIVE_H

#include "core/backlog.h"
#include "core/store/commit_log.h"

struct live_stretch {
    uint64_t bytes;   /* of records, each queue's part */
    uint64_t entries; /* places in queues, and index records */
};

struct live {                       /* zeroed is empty */
    struct live_stretch *stretches; /* a ring that slides forward: number % room */
    uint64_t first;                 /* number of the first: place / stretch_bytes */
    uint64_t count;
    uint64_t room;
    uint64_t stretch_bytes;    /* of a segment; set before the first use */
    struct live_stretch *last; /* that was looked for: mostly the next one, too */
    uint64_t last_from;        /* it is from there */
    uint64_t last_bytes;       /* so long; 0: there is none */
};

/* What an entry counts at its place: its part of the record that its queues share. */
static inline uint64_t live_entry_bytes(const struct entry *entry)
{
    return entry->record_len / (entry->copies == 0 ? 1u : entry->copies);
}

/* Of that number, from first on, less than count of them. */
static inline const struct live_stretch *live_at(const struct live *l, uint64_t number)
{
    return &l->stretches[number % l->room];
}

void live_deinit(struct live *l);
static inline void live_add(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries);
static inline void live_sub(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries);

/* The same in any stretch. */
void live_add_anywhere(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries);
void live_sub_anywhere(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries);

static inline void live_add(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries)
{
    if (place.v - l->last_from >= l->last_bytes) {
        live_add_anywhere(l, place, bytes, entries);
        return;
    }
    l->last->bytes += bytes;
    l->last->entries += entries;
}

/* The last entry of a stretch may let the ring slide. */
static inline void live_sub(struct live *l, sl_lsn place, uint64_t bytes, uint64_t entries)
{
    if (place.v - l->last_from >= l->last_bytes || l->last->entries <= entries ||
        l->last->bytes < bytes) {
        live_sub_anywhere(l, place, bytes, entries);
        return;
    }
    l->last->bytes -= bytes;
    l->last->entries -= entries;
}

#endif
