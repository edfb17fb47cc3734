/*
 * file.h - the store's whole view of a disk, as a vtable.
 *
 * file_posix.c is the real one; tests/support/file_faulty.c loses, tears and reorders what was
 * not synced, and fails the n-th call.  Offsets are absolute: there is no hidden cursor.
 *
 * After a failed write or sync a file is dead: nobody retries, because the page cache may have
 * dropped what it held and call the next sync a success.
 */
#ifndef SLUICE_CORE_STORE_FILE_H
#define SLUICE_CORE_STORE_FILE_H

#include "core/base/bytes.h"
#include "core/base/err.h"

#include <sys/uio.h>

struct sl_file; /* the implementation's */

struct sl_file_ops {
    /* Opens dir/name for reading and writing.  create: it must not exist yet.  Gives *out.
     * SL_ENOENT, SL_EIO, SL_ENOMEM. */
    enum sl_err (*open)(void *self, const char *name, bool create, struct sl_file **out);
    void (*close)(struct sl_file *file);

    /* Whole pages of 4 KiB from memory that is aligned so go straight to the medium where the
     * system can do that; anything else goes through the page cache.
     * All of it or an error: SL_EIO; SL_EFULL when the medium has no room (ENOSPC, EDQUOT). */
    enum sl_err (*write_at)(struct sl_file *file, uint64_t at, const struct iovec *iov, int n);
    /* Reads up to len bytes; *got is less only at the end of the file. */
    enum sl_err (*read_at)(struct sl_file *file, uint64_t at, void *into, size_t len, size_t *got);
    enum sl_err (*sync)(struct sl_file *file); /* data and size */
    /* Takes room on the medium for [0, len) without changing what is there. */
    enum sl_err (*allocate)(struct sl_file *file, uint64_t len);
    enum sl_err (*truncate)(struct sl_file *file, uint64_t len);
    enum sl_err (*size)(struct sl_file *file, uint64_t *len);

    enum sl_err (*remove)(void *self, const char *name);
    enum sl_err (*rename)(void *self, const char *from, const char *to); /* replaces */
    enum sl_err (*sync_dir)(void *self);
    /* Calls found for each name in the directory. */
    enum sl_err (*list)(void *self, void (*found)(void *context, const char *name), void *context);
    /* What the medium has free for us, and in all. */
    enum sl_err (*room)(void *self, uint64_t *free_bytes, uint64_t *total_bytes);
    void *self;
};

/* The real one, on the directory at path, which exists.  Gives ops->self. */
SL_MUST_CHECK enum sl_err file_posix_open(const char *path, struct sl_file_ops *ops);
void file_posix_close(struct sl_file_ops *ops);

#endif
