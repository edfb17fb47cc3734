#include "core/store/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h> /* renameat */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

struct sl_file {
    int fd;
    int direct_fd; /* past the page cache; -1: this file system has no such thing */
};

struct directory {
    int fd;
};

static enum sl_err open_in(void *self, const char *name, bool create, struct sl_file **out);
static void close_file(struct sl_file *file);
static enum sl_err write_at(struct sl_file *file, uint64_t at, const struct iovec *iov, int n);
static enum sl_err write_rest(int fd, uint64_t at, const uint8_t *bytes, size_t len);
static enum sl_err read_at(struct sl_file *file, uint64_t at, void *into, size_t len, size_t *got);
static enum sl_err sync_file(struct sl_file *file);
static enum sl_err allocate(struct sl_file *file, uint64_t len);
static enum sl_err truncate_to(struct sl_file *file, uint64_t len);
static enum sl_err size_of(struct sl_file *file, uint64_t *len);
static enum sl_err remove_in(void *self, const char *name);
static enum sl_err rename_in(void *self, const char *from, const char *to);
static enum sl_err sync_dir(void *self);
static enum sl_err list_in(void *self, void (*found)(void *context, const char *name),
                           void *context);
static enum sl_err room_of(void *self, uint64_t *free_bytes, uint64_t *total_bytes);
static enum sl_err error_of(int number);

enum sl_err file_posix_open(const char *path, struct sl_file_ops *ops)
{
    struct directory *dir = malloc(sizeof *dir);

    if (dir == NULL)
        return SL_ENOMEM;
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        enum sl_err err = error_of(errno);
        free(dir);
        return err;
    }
    *ops = (struct sl_file_ops){
        .open = open_in,
        .close = close_file,
        .write_at = write_at,
        .read_at = read_at,
        .sync = sync_file,
        .allocate = allocate,
        .truncate = truncate_to,
        .size = size_of,
        .remove = remove_in,
        .rename = rename_in,
        .sync_dir = sync_dir,
        .list = list_in,
        .room = room_of,
        .self = dir,
    };
    return SL_OK;
}

void file_posix_close(struct sl_file_ops *ops)
{
    struct directory *dir = ops->self;

    if (dir == NULL)
        return;
    close(dir->fd);
    free(dir);
    ops->self = NULL;
}

static enum sl_err open_in(void *self, const char *name, bool create, struct sl_file **out)
{
    const struct directory *dir = self;
    struct sl_file *file = malloc(sizeof *file);

    if (file == NULL)
        return SL_ENOMEM;
    file->fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
    if (file->fd < 0) {
        enum sl_err err = error_of(errno);
        free(file);
        return err;
    }
    /* A log is written once and not read again for long: its pages in the cache would only push
     * others out, and taking them costs more than the copy. */
    file->direct_fd = openat(dir->fd, name, O_WRONLY | O_CLOEXEC | O_DIRECT);
    *out = file;
    return SL_OK;
}

static void close_file(struct sl_file *file)
{
    if (file->direct_fd >= 0)
        close(file->direct_fd);
    close(file->fd);
    free(file);
}

static bool is_direct(const struct sl_file *file, uint64_t at, const struct iovec *iov, int n)
{
    return file->direct_fd >= 0 && n == 1 && at % PAGE_BYTES == 0 &&
           iov->iov_len % PAGE_BYTES == 0 && (uintptr_t)iov->iov_base % PAGE_BYTES == 0;
}

static enum sl_err write_at(struct sl_file *file, uint64_t at, const struct iovec *iov, int n)
{
    if (is_direct(file, at, iov, n))
        return write_rest(file->direct_fd, at, iov->iov_base, iov->iov_len);
    while (n > 0) {
        int some = n < IOV_MAX ? n : IOV_MAX;
        ssize_t put = pwritev(file->fd, iov, some, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_of(errno);
        at += (uint64_t)put;
        size_t left = (size_t)put;
        for (; n > 0 && left >= iov->iov_len; iov++, n--)
            left -= iov->iov_len;
        if (left != 0) { /* stopped inside a part: the rest of it first */
            SL_TRY(write_rest(file->fd, at, (const uint8_t *)iov->iov_base + left,
                              iov->iov_len - left));
            at += iov->iov_len - left;
            iov++, n--;
        } else if (put == 0 && n > 0) {
            return SL_EIO;
        }
    }
    return SL_OK;
}

static enum sl_err write_rest(int fd, uint64_t at, const uint8_t *bytes, size_t len)
{
    while (len != 0) {
        ssize_t put = pwrite(fd, bytes, len, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put == 0 ? SL_EIO : error_of(errno);
        at += (uint64_t)put;
        bytes += put;
        len -= (size_t)put;
    }
    return SL_OK;
}

static enum sl_err read_at(struct sl_file *file, uint64_t at, void *into, size_t len, size_t *got)
{
    uint8_t *bytes = into;

    *got = 0;
    while (*got < len) {
        ssize_t n = pread(file->fd, bytes + *got, len - *got, (off_t)(at + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of(errno);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return SL_OK;
}

static enum sl_err sync_file(struct sl_file *file)
{
    return fdatasync(file->fd) == 0 ? SL_OK : SL_EIO;
}

static enum sl_err allocate(struct sl_file *file, uint64_t len)
{
    while (fallocate(file->fd, 0, 0, (off_t)len) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EOPNOTSUPP)
            return error_of(errno);
        /* The C library writes to every block then. */
        int number = posix_fallocate(file->fd, 0, (off_t)len);
        return number == 0 ? SL_OK : error_of(number);
    }
    return SL_OK;
}

static enum sl_err truncate_to(struct sl_file *file, uint64_t len)
{
    while (ftruncate(file->fd, (off_t)len) != 0)
        if (errno != EINTR)
            return error_of(errno);
    return SL_OK;
}

static enum sl_err size_of(struct sl_file *file, uint64_t *len)
{
    struct stat st;

    if (fstat(file->fd, &st) != 0)
        return error_of(errno);
    *len = (uint64_t)st.st_size;
    return SL_OK;
}

static enum sl_err remove_in(void *self, const char *name)
{
    const struct directory *dir = self;

    return unlinkat(dir->fd, name, 0) == 0 ? SL_OK : error_of(errno);
}

static enum sl_err rename_in(void *self, const char *from, const char *to)
{
    const struct directory *dir = self;

    return renameat(dir->fd, from, dir->fd, to) == 0 ? SL_OK : error_of(errno);
}

static enum sl_err sync_dir(void *self)
{
    const struct directory *dir = self;

    return fsync(dir->fd) == 0 ? SL_OK : SL_EIO;
}

static enum sl_err list_in(void *self, void (*found)(void *context, const char *name),
                           void *context)
{
    const struct directory *dir = self;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (entries == NULL) {
        enum sl_err err = error_of(errno);
        if (fd >= 0)
            close(fd);
        return err;
    }
    while (errno = 0, (entry = readdir(entries)) != NULL)
        found(context, entry->d_name);
    enum sl_err err = errno == 0 ? SL_OK : error_of(errno);
    closedir(entries);
    return err;
}

static enum sl_err room_of(void *self, uint64_t *free_bytes, uint64_t *total_bytes)
{
    const struct directory *dir = self;
    struct statvfs st;

    while (fstatvfs(dir->fd, &st) != 0)
        if (errno != EINTR)
            return error_of(errno);
    *free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    *total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    return SL_OK;
}

static enum sl_err error_of(int number)
{
    switch (number) {
    case ENOENT: return SL_ENOENT;
    case ENOSPC:
    case EDQUOT: return SL_EFULL;
    case ENOMEM: return SL_ENOMEM;
    default: return SL_EIO;
    }
}
