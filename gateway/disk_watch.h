/*
 * disk_watch.h - keeps an eye on the free room of the data directory's file system.
 *
 * Below the limit publishers are held, so that room is left for what makes room: settlements,
 * checkpoints, and consumers that empty queues.  It clears by itself, a little above the limit.
 *
 * Thread: disk_watch_look one at a time; the figures any.
 */
#ifndef SLUICE_GATEWAY_DISK_WATCH_H
#define SLUICE_GATEWAY_DISK_WATCH_H

#include "core/broker.h"

#define DISK_LIMIT_BYTES_MAX (1ull << 30) /* unless it is chosen */
#define DISK_LIMIT_SEGMENTS 3             /* at least, unless it is chosen */

struct disk_watch {
    const struct sl_file_ops *files; /* borrowed, as the broker */
    struct broker *broker;
    _Atomic uint64_t chosen; /* limit in bytes; 0: from the size of the file system */
    bool is_blind;           /* the system does not say */
    _Atomic uint64_t free_bytes;
    _Atomic uint64_t limit_bytes;
    atomic_bool is_low;
};

void disk_watch_init(struct disk_watch *w, const struct sl_file_ops *files, struct broker *broker,
                     uint64_t chosen);
/* Looks, and tells the broker and the log when it changed. */
void disk_watch_look(struct disk_watch *w);
/* Another limit, from the next look on.  Any thread. */
void disk_watch_choose(struct disk_watch *w, uint64_t chosen);
/* What is kept free on a file system of that size. */
uint64_t disk_watch_limit(uint64_t total_bytes);

#endif
