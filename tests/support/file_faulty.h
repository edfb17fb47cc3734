/*
 * file_faulty.h - a disk in memory that loses, tears and reorders what was not synced.
 *
 * Every file has what a reader sees and what the medium has; in between lie changes in the order
 * in which they were made.  A sync brings a file's changes to the medium.  A crash brings a random
 * part of them there, by sectors and now and then cut inside one, and the reader then sees what
 * the medium has.  Names are kept in the same way, with sync_dir for a sync.
 *
 * Calls can be made to fail by their number, and the power to go out at one.  After a failed sync
 * pages may look clean: what was not synced is readable until the crash, and no later sync brings
 * it to the medium.
 *
 * Thread: any; one lock.
 */
#ifndef SLUICE_TESTS_SUPPORT_FILE_FAULTY_H
#define SLUICE_TESTS_SUPPORT_FILE_FAULTY_H

#include "core/store/file.h"

enum faulty_op {
    FAULTY_OPEN,
    FAULTY_WRITE,
    FAULTY_READ,
    FAULTY_SYNC,
    FAULTY_ALLOCATE,
    FAULTY_TRUNCATE,
    FAULTY_SIZE,
    FAULTY_REMOVE,
    FAULTY_RENAME,
    FAULTY_SYNC_DIR,
    FAULTY_LIST,
    FAULTY_ROOM,
    FAULTY_OPS,
    FAULTY_ANY = FAULTY_OPS, /* for faulty_disk_fail: whatever the call is */
};

struct faulty_disk;

struct faulty_disk *faulty_disk_new(void);
void faulty_disk_free(struct faulty_disk *disk); /* all files are closed */

/* Borrowed for the disk's life. */
struct sl_file_ops faulty_disk_ops(struct faulty_disk *disk);

/* The n-th call of that kind from now (1: the next) fails with err; 0: none does. */
void faulty_disk_fail(struct faulty_disk *disk, enum faulty_op op, uint64_t n, enum sl_err err);
/* From now on every call of that kind fails, until SL_OK is given. */
void faulty_disk_fail_always(struct faulty_disk *disk, enum faulty_op op, enum sl_err err);
/* What a failed sync leaves: true, pages that look clean; false (at first), changes that may still
 * reach the medium. */
void faulty_disk_set_clean_looking(struct faulty_disk *disk, bool is_clean_looking);

/* The n-th changing call from now (write, sync, allocate, truncate, remove, rename, sync_dir,
 * creating open) is the last one that does anything, half of it perhaps; it and all later calls
 * fail with SL_EIO.  0: never. */
void faulty_disk_power_off_at(struct faulty_disk *disk, uint64_t n);
void faulty_disk_power_off(struct faulty_disk *disk); /* now */
/* Meanwhile every call does what it says, with the power off too, and is not counted: for who
 * looks at the disk from outside. */
void faulty_disk_pause(struct faulty_disk *disk, bool is_paused);
bool faulty_disk_is_off(struct faulty_disk *disk);

/* All files are closed.  Power is on again and no fault is set. */
void faulty_disk_crash(struct faulty_disk *disk, uint64_t seed);

/* What the medium says it has free, and in all; very much at first.  Nothing is held to it. */
void faulty_disk_set_room(struct faulty_disk *disk, uint64_t free_bytes, uint64_t total_bytes);

/* How many calls of that kind there were; FAULTY_ANY: changing calls. */
uint64_t faulty_disk_calls(struct faulty_disk *disk, enum faulty_op op);

/* Called before each call, on its thread and without the lock: a place to wait. */
void faulty_disk_set_hook(struct faulty_disk *disk,
                          void (*before)(void *context, enum faulty_op op), void *context);

/* What a reader sees of a file, borrowed until the next call; at NULL: there is none, or it is
 * empty. */
struct sl_bytes faulty_disk_get(struct faulty_disk *disk, const char *name);
/* Makes or replaces a file, on the medium too. */
void faulty_disk_put(struct faulty_disk *disk, const char *name, struct sl_bytes bytes);
/* Removes it, on the medium too. */
void faulty_disk_drop(struct faulty_disk *disk, const char *name);

#endif
