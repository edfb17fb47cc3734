/*
 * preload_disk.c - a slow, failing and forgetful disk under the real binary (LD_PRELOAD).
 *
 *   DISK_DIR      only what lies directly in this directory is touched; locks and sockets never
 *   DISK_CONTROL  a file of sizeof(struct disk_control) bytes, shared with the test: what the
 *                 disk does wrong can change while the process runs
 *   DISK_UNDO     a directory on the same file system, outside DISK_DIR; absent: nothing is kept
 *                 (preload_notes.h)
 *
 * Here is what the process calls; preload_medium.h says what comes of it.
 */
#include "preload_medium.h"
#include "preload_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void set_up(void) __attribute__((constructor));
static int openat_any(int at, const char *path, int flags, mode_t mode);

#define MODE_OF(flags, mode)                                                                       \
    mode_t mode = 0;                                                                               \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                  \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return medium_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return medium_open(path, flags, mode);
}

static int openat_any(int at, const char *path, int flags, mode_t mode)
{
    char full[PATH_ROOM];

    if (path[0] != '/' && medium_is_directory(at)) {
        medium_path(full, path);
        return medium_open(full, flags, mode);
    }
    if (path[0] == '/' || at == AT_FDCWD)
        return medium_open(path, flags, mode);
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return openat_any(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return openat_any(at, path, flags, mode);
}

int close(int fd)
{
    medium_close(fd);
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *from, size_t len)
{
    struct iovec all = {(void *)(uintptr_t)from, len};

    return medium_is_watched(fd) ? medium_write(fd, &all, 1, 0, false)
                                 : syscall(SYS_write, fd, from, len);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    return medium_is_watched(fd) ? medium_write(fd, iov, n, 0, false)
                                 : syscall(SYS_writev, fd, iov, n);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
    struct iovec all = {(void *)(uintptr_t)from, len};

    return medium_is_watched(fd) ? medium_write(fd, &all, 1, at, true)
                                 : syscall(SYS_pwrite64, fd, from, len, at);
}

ssize_t pwrite64(int fd, const void *from, size_t len, off64_t at)
{
    return pwrite(fd, from, len, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return medium_is_watched(fd) ? medium_write(fd, iov, n, at, true)
                                 : syscall(SYS_pwritev, fd, iov, n, at, 0);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    return pwritev(fd, iov, n, at);
}

ssize_t read(int fd, void *into, size_t len)
{
    struct iovec all = {into, len};

    return medium_is_watched(fd) ? medium_read(fd, &all, 1, 0, false)
                                 : syscall(SYS_read, fd, into, len);
}

ssize_t pread(int fd, void *into, size_t len, off_t at)
{
    struct iovec all = {into, len};

    return medium_is_watched(fd) ? medium_read(fd, &all, 1, at, true)
                                 : syscall(SYS_pread64, fd, into, len, at);
}

ssize_t pread64(int fd, void *into, size_t len, off64_t at)
{
    return pread(fd, into, len, at);
}

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t at)
{
    return medium_is_watched(fd) ? medium_read(fd, iov, n, at, true)
                                 : syscall(SYS_preadv, fd, iov, n, at, 0);
}

ssize_t preadv64(int fd, const struct iovec *iov, int n, off64_t at)
{
    return preadv(fd, iov, n, at);
}

int fsync(int fd)
{
    return medium_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return medium_sync(fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t len)
{
    return medium_is_watched(fd) ? medium_resize(fd, len) : (int)syscall(SYS_ftruncate, fd, len);
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return medium_is_watched(fd) ? medium_allocate(fd, mode, at, len)
                                 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    return fallocate(fd, mode, at, len);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    int before = errno;
    int status = fallocate(fd, 0, at, len) == 0 ? 0 : errno;

    errno = before;
    return status;
}

int posix_fallocate64(int fd, off64_t at, off64_t len)
{
    return posix_fallocate(fd, at, len);
}

int rename(const char *from, const char *to)
{
    return medium_rename(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char full_from[PATH_ROOM];
    char full_to[PATH_ROOM];

    if (!medium_is_watched(from_fd) || !medium_is_watched(to_fd))
        return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    medium_path(full_from, from);
    medium_path(full_to, to);
    return medium_rename(full_from, full_to);
}

int unlink(const char *path)
{
    return medium_unlink(path);
}

int unlinkat(int fd, const char *path, int flags)
{
    char full[PATH_ROOM];

    if (!medium_is_watched(fd) || flags != 0)
        return (int)syscall(SYS_unlinkat, fd, path, flags);
    medium_path(full, path);
    return medium_unlink(full);
}

static void set_up(void)
{
    const char *where = getenv("DISK_DIR");
    const char *shared = getenv("DISK_CONTROL");
    const char *undo = getenv("DISK_UNDO");
    struct stat st;

    if (where == NULL || shared == NULL || stat(where, &st) != 0)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
    void *map = mmap(NULL, sizeof(struct disk_control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || map == MAP_FAILED)
        notes_stop("no control file");
    medium_use(map, where, st.st_ino);
    syscall(SYS_close, fd);
    if (undo != NULL)
        notes_open(undo);
}
