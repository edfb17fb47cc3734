#include "preload_medium.h"

#include "preload_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 4096
#define BLOCK_BYTES 4096u

static struct disk_control nothing_wrong;
static struct disk_control *control = &nothing_wrong;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* around note and change */
static char directory[4096];
static uint64_t directory_inode;
static uint64_t fd_inode[FDS_MAX]; /* 0: not ours */
static bool fd_is_sync[FDS_MAX];   /* opened with O_DSYNC or O_SYNC */
static bool fd_is_direct[FDS_MAX]; /* opened with O_DIRECT: whole blocks only */

static bool fails(enum call call);
static enum name_change meaning_of(const char *from, const char *to);
static const char *name_in(const char *path);
static bool ends_with(const char *name, const char *end);
static void die(enum name_change change, bool is_made);
static void watch(int fd, int flags);
static size_t half_of(int fd, size_t len);
static ssize_t put(int fd, const struct iovec *iov, int n, off_t at);

void medium_use(struct disk_control *shared, const char *where, uint64_t inode)
{
    control = shared;
    directory_inode = inode;
    snprintf(directory, sizeof directory, "%s", where);
}

bool medium_has(const char *path)
{
    size_t len = strlen(directory);
    const char *name;

    if (len == 0 || strncmp(path, directory, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return false;
    name = name_in(path);
    /* "." is opened for listing, and closed where we do not see it. */
    return strchr(name, '/') == NULL && strstr(name, ".lock") == NULL &&
           strstr(name, ".sock") == NULL && strcmp(name, ".") != 0;
}

bool medium_is_watched(int fd)
{
    return fd >= 0 && fd < FDS_MAX && fd_inode[fd] != 0;
}

bool medium_is_directory(int fd)
{
    return medium_is_watched(fd) && fd_inode[fd] == directory_inode;
}

void medium_path(char path[PATH_ROOM], const char *name)
{
    snprintf(path, PATH_ROOM, "%s/%s", directory, name);
}

int medium_open(const char *path, int flags, mode_t mode)
{
    struct stat st;
    bool is_new = false;

    if (!medium_has(path))
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fails(CALL_OPEN))
        return -1;
    pthread_mutex_lock(&lock);
    if ((flags & O_CREAT) != 0 && stat(path, &st) != 0 && errno == ENOENT) {
        is_new = true;
        notes_names(NOTE_CREATE, directory_inode, NULL, path, "");
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~O_TRUNC, mode);
    if (fd >= 0)
        watch(fd, flags);
    pthread_mutex_unlock(&lock);
    if (fd >= 0 && !is_new && (flags & O_TRUNC) != 0 && medium_is_watched(fd) &&
        medium_resize(fd, 0) != 0)
        notes_stop("truncate at open");
    return fd;
}

void medium_close(int fd)
{
    if (medium_is_watched(fd))
        fd_inode[fd] = 0;
}

ssize_t medium_write(int fd, const struct iovec *iov, int n, off_t at, bool is_placed)
{
    struct iovec half[1];
    uint64_t len = 0;

    if (fails(CALL_WRITE)) {
        if (errno != 0)
            return -1;
        half[0] = (struct iovec){iov->iov_base, half_of(fd, iov->iov_len)};
        iov = half;
        n = 1;
    }
    for (int i = 0; i < n; i++)
        len += iov[i].iov_len;
    pthread_mutex_lock(&lock);
    if (!is_placed)
        at = lseek(fd, 0, SEEK_CUR);
    notes_range(fd, fd_inode[fd], (uint64_t)at, len);
    ssize_t done = put(fd, iov, n, at);
    int why = errno;
    if (!is_placed && done > 0)
        lseek(fd, at + done, SEEK_SET);
    pthread_mutex_unlock(&lock);
    if (fd_is_sync[fd] && medium_sync(fd, SYS_fdatasync) != 0)
        return -1;
    errno = why;
    return done;
}

ssize_t medium_read(int fd, const struct iovec *iov, int n, off_t at, bool is_placed)
{
    if (fails(CALL_READ))
        return -1;
    if (!is_placed)
        return syscall(SYS_readv, fd, iov, n);
    return syscall(SYS_preadv, fd, iov, n, at, 0);
}

/* With a journal the real sync is left out: it decides nothing, and rounds are quicker. */
int medium_sync(int fd, long call)
{
    struct timespec pause;

    if (!medium_is_watched(fd))
        return (int)syscall(call, fd);
    bool has_failed = fails(CALL_SYNC);
    int why = errno;
    uint64_t upto = notes_last();
    uint64_t ms = control->sync_delay_ms;
    pause = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    if (ms != 0)
        nanosleep(&pause, NULL);
    if (notes_are_kept()) {
        pthread_mutex_lock(&lock);
        notes_sync(fd_inode[fd], upto, has_failed);
        pthread_mutex_unlock(&lock);
    } else if (!has_failed)
        return (int)syscall(call, fd);
    errno = why;
    return has_failed ? -1 : 0;
}

int medium_resize(int fd, off_t len)
{
    if (fails(CALL_CHANGE))
        return -1;
    pthread_mutex_lock(&lock);
    notes_resize(fd, fd_inode[fd], (uint64_t)len);
    int status = (int)syscall(SYS_ftruncate, fd, len);
    pthread_mutex_unlock(&lock);
    return status;
}

int medium_allocate(int fd, int mode, off_t at, off_t len)
{
    if (fails(CALL_ALLOCATE))
        return -1;
    pthread_mutex_lock(&lock);
    if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0)
        notes_range(fd, fd_inode[fd], (uint64_t)at, (uint64_t)len);
    else if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && (uint64_t)(at + len) > notes_size_of(fd))
        notes_resize(fd, fd_inode[fd], (uint64_t)(at + len));
    int status = (int)syscall(SYS_fallocate, fd, mode, at, len);
    pthread_mutex_unlock(&lock);
    return status;
}

int medium_rename(const char *from, const char *to)
{
    enum name_change change = meaning_of(from, to);

    if (!medium_has(from) || !medium_has(to))
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (fails(CALL_CHANGE))
        return -1;
    pthread_mutex_lock(&lock);
    die(change, false);
    notes_names(NOTE_RENAME, directory_inode, to, from, to);
    int status = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    die(change, true);
    pthread_mutex_unlock(&lock);
    return status;
}

int medium_unlink(const char *path)
{
    enum name_change change = meaning_of(path, NULL);

    if (!medium_has(path))
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (fails(CALL_CHANGE))
        return -1;
    pthread_mutex_lock(&lock);
    die(change, false);
    notes_names(NOTE_UNLINK, directory_inode, path, path, "");
    int status = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    die(change, true);
    pthread_mutex_unlock(&lock);
    return status;
}

/* Counts, and says whether this one is to fail; errno is set then. */
static bool fails(enum call call)
{
    uint64_t number = __atomic_add_fetch(&control->calls[call], 1, __ATOMIC_RELAXED);

    if (control->fail_first == 0 || control->fail_call != call || number < control->fail_first ||
        number > control->fail_last)
        return false;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
    errno = (int)control->fail_errno;
    return true;
}

/* to: NULL for a name that goes. */
static enum name_change meaning_of(const char *from, const char *to)
{
    bool was_segment = ends_with(from, ".log");

    if (to == NULL)
        return was_segment ? NAME_REMOVE : NAME_OTHER;
    if (strcmp(name_in(to), "checkpoint") == 0)
        return NAME_CHECKPOINT;
    if (was_segment)
        return NAME_RECYCLE;
    return ends_with(to, ".log") ? NAME_SEGMENT : NAME_OTHER;
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name);

    return len >= strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

/* Under the lock.  Nothing of the process comes behind this: others may be in their calls, and end
 * with it. */
static void die(enum name_change change, bool is_made)
{
    if (control->die_in == 0 || control->die_at != (uint64_t)change ||
        (control->die_after != 0) != is_made || --control->die_in != 0)
        return;
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void watch(int fd, int flags)
{
    struct stat st;

    if (fd >= FDS_MAX)
        notes_stop("too many descriptors");
    if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && st.st_ino != directory_inode))
        return;
    fd_is_sync[fd] = (flags & O_DSYNC) != 0;
    fd_is_direct[fd] = (flags & O_DIRECT) != 0;
    fd_inode[fd] = st.st_ino;
}

static size_t half_of(int fd, size_t len)
{
    size_t half = fd_is_direct[fd] ? len / 2 / BLOCK_BYTES * BLOCK_BYTES : len / 2;

    return half == 0 ? len : half;
}

static ssize_t put(int fd, const struct iovec *iov, int n, off_t at)
{
    return syscall(SYS_pwritev, fd, iov, n, at, 0);
}
