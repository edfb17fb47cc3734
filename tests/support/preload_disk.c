/*
 * preload_disk.c - a slow, failing and forgetful disk under the real binary (LD_PRELOAD).
 *
 *   DISK_DIR      only what lies directly in this directory is touched; locks and sockets never
 *   DISK_CONTROL  a file of sizeof(struct disk_control) bytes, shared with the test: what the
 *                 disk does wrong can change while the process runs
 *   DISK_UNDO     a directory on the same file system, outside DISK_DIR; absent: nothing is kept
 *
 * kill -9 loses nothing that was written: the page cache outlives the process.  So every change
 * is noted in DISK_UNDO/journal before it is made, with the bytes it replaces; a sync that
 * succeeds is noted behind what it covers.  undo_unsynced.py reads that and takes back what no
 * sync covers, as a power cut would.  After a failed sync what it should have covered counts as
 * lost for good, whatever a later sync says: Linux marks such pages clean.
 *
 * One mutex around note and change keeps the journal in the order of the changes.  It is emptied
 * whenever nothing is unsynced.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call { CALL_WRITE, CALL_SYNC, CALL_OPEN, CALL_ALLOCATE, CALL_READ, CALL_CHANGE, CALLS };

struct disk_control { /* disk.py has the same; every field is a little-endian u64 */
    uint64_t sync_delay_ms;
    uint64_t fail_call;  /* an enum call */
    uint64_t fail_first; /* counted from 1 in calls[]; 0: nothing fails */
    uint64_t fail_last;
    uint64_t fail_errno; /* 0: a write is cut short, and that is all */
    uint64_t failed;     /* how often something did */
    uint64_t calls[CALLS];
};

enum note_kind {
    NOTE_WRITE = 1,
    NOTE_RESIZE,
    NOTE_CREATE,
    NOTE_RENAME,
    NOTE_UNLINK,
    NOTE_SYNC, /* notes of the file from len up to at are durable */
    NOTE_LOST, /* those up to at are not, unless a NOTE_SYNC before this one says so */
};

struct note { /* in the journal, payload bytes behind it */
    uint32_t magic;
    uint32_t kind;
    uint64_t number;
    uint64_t inode; /* of the file, or of the directory */
    uint64_t at;    /* place; new size; number of the link that keeps a file; last covered note */
    uint64_t len;   /* of the range; first covered note */
    uint64_t size_before;
    uint64_t payload;
};

#define NOTE_MAGIC 0x4f444e55u
#define FDS_MAX 4096
#define FILES_MAX 512
#define BLOCK_BYTES 4096u

struct file { /* by inode */
    uint64_t inode;
    uint64_t last_note;
    uint64_t synced; /* notes up to here are durable, but for those up to lost */
    uint64_t lost;
};

static struct disk_control nothing_wrong;
static struct disk_control *control = &nothing_wrong;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[4096];
static char undo_directory[4000];
static uint64_t directory_inode;
static int journal = -1;
static uint64_t journal_end;
static uint64_t last_note;
static uint64_t fd_inode[FDS_MAX]; /* 0: not ours */
static bool fd_is_sync[FDS_MAX];   /* opened with O_DSYNC or O_SYNC */
static bool fd_is_direct[FDS_MAX]; /* opened with O_DIRECT: whole blocks only */
static struct file files[FILES_MAX];
static size_t files_count;

static void set_up(void) __attribute__((constructor));
static void count_old_notes(void);
static bool is_ours(const char *path, char *full);
static bool is_watched(int fd);
static bool fails(enum call call);
static int open_any(const char *path, int flags, mode_t mode);
static void watch(int fd, int flags);
static ssize_t write_any(int fd, const struct iovec *iov, int n, off_t at, bool is_placed);
static size_t half_of(int fd, size_t len);
static ssize_t put(int fd, const struct iovec *iov, int n, off_t at);
static int sync_any(int fd, long call);
static int resize(int fd, off_t len);
static int allocate(int fd, int mode, off_t at, off_t len);
static int rename_any(const char *from, const char *to);
static int unlink_any(const char *path);
static ssize_t read_any(int fd, const struct iovec *iov, int n, off_t at, bool is_placed);
static void note_range(int fd, uint64_t at, uint64_t len);
static void note_resize(int fd, uint64_t size);
static void note_names(enum note_kind kind, uint64_t kept, const char *from, const char *to);
static void note(struct note n, const void *payload);
static void put_in_journal(const void *bytes, uint64_t len);
static void note_sync(uint64_t inode, uint64_t upto, bool has_failed);
static void forget_if_clean(void);
static struct file *file_of(uint64_t inode);
static uint64_t keep(const char *path);
static uint64_t size_of(int fd);
static void *old_bytes(int fd, uint64_t at, uint64_t len, uint64_t *got);
static void stop(const char *what) __attribute__((noreturn));

/* ---- what the process calls ---- */

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
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_any(path, flags, mode);
}

static int openat_any(int at, const char *path, int flags, mode_t mode)
{
    char full[sizeof directory + 300];

    if (path[0] != '/' && is_watched(at) && fd_inode[at] == directory_inode) {
        snprintf(full, sizeof full, "%s/%s", directory, path);
        return open_any(full, flags, mode);
    }
    if (path[0] == '/' || at == AT_FDCWD)
        return open_any(path, flags, mode);
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
    if (is_watched(fd))
        fd_inode[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *from, size_t len)
{
    struct iovec all = {(void *)(uintptr_t)from, len};

    return is_watched(fd) ? write_any(fd, &all, 1, 0, false) : syscall(SYS_write, fd, from, len);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    return is_watched(fd) ? write_any(fd, iov, n, 0, false) : syscall(SYS_writev, fd, iov, n);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
    struct iovec all = {(void *)(uintptr_t)from, len};

    return is_watched(fd) ? write_any(fd, &all, 1, at, true)
                          : syscall(SYS_pwrite64, fd, from, len, at);
}

ssize_t pwrite64(int fd, const void *from, size_t len, off64_t at)
{
    return pwrite(fd, from, len, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return is_watched(fd) ? write_any(fd, iov, n, at, true)
                          : syscall(SYS_pwritev, fd, iov, n, at, 0);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    return pwritev(fd, iov, n, at);
}

ssize_t read(int fd, void *into, size_t len)
{
    struct iovec all = {into, len};

    return is_watched(fd) ? read_any(fd, &all, 1, 0, false) : syscall(SYS_read, fd, into, len);
}

ssize_t pread(int fd, void *into, size_t len, off_t at)
{
    struct iovec all = {into, len};

    return is_watched(fd) ? read_any(fd, &all, 1, at, true)
                          : syscall(SYS_pread64, fd, into, len, at);
}

ssize_t pread64(int fd, void *into, size_t len, off64_t at)
{
    return pread(fd, into, len, at);
}

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t at)
{
    return is_watched(fd) ? read_any(fd, iov, n, at, true) : syscall(SYS_preadv, fd, iov, n, at, 0);
}

ssize_t preadv64(int fd, const struct iovec *iov, int n, off64_t at)
{
    return preadv(fd, iov, n, at);
}

int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t len)
{
    return is_watched(fd) ? resize(fd, len) : (int)syscall(SYS_ftruncate, fd, len);
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return is_watched(fd) ? allocate(fd, mode, at, len)
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
    return rename_any(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char full_from[sizeof directory + 300];
    char full_to[sizeof directory + 300];

    if (!is_watched(from_fd) || !is_watched(to_fd))
        return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    snprintf(full_from, sizeof full_from, "%s/%s", directory, from);
    snprintf(full_to, sizeof full_to, "%s/%s", directory, to);
    return rename_any(full_from, full_to);
}

int unlink(const char *path)
{
    return unlink_any(path);
}

int unlinkat(int fd, const char *path, int flags)
{
    char full[sizeof directory + 300];

    if (!is_watched(fd) || flags != 0)
        return (int)syscall(SYS_unlinkat, fd, path, flags);
    snprintf(full, sizeof full, "%s/%s", directory, path);
    return unlink_any(full);
}

/* ---- setting up ---- */

static void set_up(void)
{
    const char *where = getenv("DISK_DIR");
    const char *shared = getenv("DISK_CONTROL");
    const char *undo = getenv("DISK_UNDO");
    struct stat st;

    if (where == NULL || shared == NULL || stat(where, &st) != 0)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || map == MAP_FAILED)
        stop("no control file");
    control = map;
    syscall(SYS_close, fd);
    directory_inode = st.st_ino;
    snprintf(directory, sizeof directory, "%s", where);
    if (undo == NULL)
        return;
    char name[4096];
    snprintf(undo_directory, sizeof undo_directory, "%s", undo);
    snprintf(name, sizeof name, "%s/journal", undo);
    journal = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal < 0)
        stop("no journal");
    count_old_notes();
}

/* A process before us may have left notes: numbers go on, and so do files with something lost.
 * A half written note at the end belongs to a change that was never made. */
static void count_old_notes(void)
{
    struct note n;

    while (syscall(SYS_pread64, journal, &n, sizeof n, journal_end) == sizeof n &&
           n.magic == NOTE_MAGIC && journal_end + sizeof n + n.payload <= size_of(journal)) {
        struct file *file = file_of(n.inode);
        last_note = n.number;
        if (n.kind == NOTE_SYNC)
            file->synced = n.at;
        else if (n.kind == NOTE_LOST)
            file->lost = n.at;
        else
            file->last_note = n.number;
        journal_end += sizeof n + n.payload;
    }
}

static bool is_ours(const char *path, char *full)
{
    size_t len = strlen(directory);
    const char *name;

    if (len == 0 || strncmp(path, directory, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return false;
    name = path[len] == '/' ? path + len + 1 : path + len;
    /* "." is opened for listing, and closed where we do not see it. */
    if (strchr(name, '/') != NULL || strstr(name, ".lock") != NULL ||
        strstr(name, ".sock") != NULL || strcmp(name, ".") == 0)
        return false;
    snprintf(full, sizeof directory + 300, "%s", path);
    return true;
}

static bool is_watched(int fd)
{
    return fd >= 0 && fd < FDS_MAX && fd_inode[fd] != 0;
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

/* ---- the calls ---- */

static int open_any(const char *path, int flags, mode_t mode)
{
    char full[sizeof directory + 300];
    struct stat st;
    bool is_new = false;

    if (!is_ours(path, full))
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fails(CALL_OPEN))
        return -1;
    pthread_mutex_lock(&lock);
    if ((flags & O_CREAT) != 0 && stat(path, &st) != 0 && errno == ENOENT) {
        is_new = true;
        note_names(NOTE_CREATE, 0, path, "");
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~O_TRUNC, mode);
    if (fd >= 0)
        watch(fd, flags);
    pthread_mutex_unlock(&lock);
    if (fd >= 0 && !is_new && (flags & O_TRUNC) != 0 && is_watched(fd) && resize(fd, 0) != 0)
        stop("truncate at open");
    return fd;
}

static void watch(int fd, int flags)
{
    struct stat st;

    if (fd >= FDS_MAX)
        stop("too many descriptors");
    if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && st.st_ino != directory_inode))
        return;
    fd_is_sync[fd] = (flags & O_DSYNC) != 0;
    fd_is_direct[fd] = (flags & O_DIRECT) != 0;
    fd_inode[fd] = st.st_ino;
}

static ssize_t write_any(int fd, const struct iovec *iov, int n, off_t at, bool is_placed)
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
    note_range(fd, (uint64_t)at, len);
    ssize_t done = put(fd, iov, n, at);
    int why = errno;
    if (!is_placed && done > 0)
        lseek(fd, at + done, SEEK_SET);
    pthread_mutex_unlock(&lock);
    if (fd_is_sync[fd] && sync_any(fd, SYS_fdatasync) != 0)
        return -1;
    errno = why;
    return done;
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

/* With a journal the real sync is left out: it decides nothing, and rounds are quicker. */
static int sync_any(int fd, long call)
{
    struct timespec pause;

    if (!is_watched(fd))
        return (int)syscall(call, fd);
    bool has_failed = fails(CALL_SYNC);
    int why = errno;
    uint64_t upto = __atomic_load_n(&last_note, __ATOMIC_ACQUIRE);
    uint64_t ms = control->sync_delay_ms;
    pause = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    if (ms != 0)
        nanosleep(&pause, NULL);
    if (journal >= 0)
        note_sync(fd_inode[fd], upto, has_failed);
    else if (!has_failed)
        return (int)syscall(call, fd);
    errno = why;
    return has_failed ? -1 : 0;
}

static int resize(int fd, off_t len)
{
    if (fails(CALL_CHANGE))
        return -1;
    pthread_mutex_lock(&lock);
    note_resize(fd, (uint64_t)len);
    int status = (int)syscall(SYS_ftruncate, fd, len);
    pthread_mutex_unlock(&lock);
    return status;
}

static int allocate(int fd, int mode, off_t at, off_t len)
{
    if (fails(CALL_ALLOCATE))
        return -1;
    pthread_mutex_lock(&lock);
    if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0)
        note_range(fd, (uint64_t)at, (uint64_t)len);
    else if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && (uint64_t)(at + len) > size_of(fd))
        note_resize(fd, (uint64_t)(at + len));
    int status = (int)syscall(SYS_fallocate, fd, mode, at, len);
    pthread_mutex_unlock(&lock);
    return status;
}

static int rename_any(const char *from, const char *to)
{
    char full[sizeof directory + 300];

    if (!is_ours(from, full) || !is_ours(to, full))
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (fails(CALL_CHANGE))
        return -1;
    pthread_mutex_lock(&lock);
    note_names(NOTE_RENAME, keep(to), from, to);
    int status = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_unlock(&lock);
    return status;
}

static int unlink_any(const char *path)
{
    char full[sizeof directory + 300];

    if (!is_ours(path, full))
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (fails(CALL_CHANGE))
        return -1;
    pthread_mutex_lock(&lock);
    note_names(NOTE_UNLINK, keep(path), path, "");
    int status = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_unlock(&lock);
    return status;
}

static ssize_t read_any(int fd, const struct iovec *iov, int n, off_t at, bool is_placed)
{
    if (fails(CALL_READ))
        return -1;
    if (!is_placed)
        return syscall(SYS_readv, fd, iov, n);
    return syscall(SYS_preadv, fd, iov, n, at, 0);
}

/* ---- the journal; the caller holds the lock ---- */

/* What the range holds now, as far as the file reaches. */
static void note_range(int fd, uint64_t at, uint64_t len)
{
    struct note n = {.kind = NOTE_WRITE, .inode = fd_inode[fd], .at = at, .len = len};

    if (journal < 0)
        return;
    n.size_before = size_of(fd);
    void *old = old_bytes(fd, at, len, &n.payload);
    note(n, old);
    free(old);
}

static void note_resize(int fd, uint64_t size)
{
    struct note n = {.kind = NOTE_RESIZE, .inode = fd_inode[fd], .at = size};
    void *old = NULL;

    if (journal < 0)
        return;
    n.size_before = size_of(fd);
    if (size < n.size_before)
        old = old_bytes(fd, size, n.size_before - size, &n.payload);
    note(n, old);
    free(old);
}

static void note_names(enum note_kind kind, uint64_t kept, const char *from, const char *to)
{
    struct note n = {.kind = kind, .inode = directory_inode, .at = kept};
    char names[2 * sizeof directory + 600];

    int len = snprintf(names, sizeof names, "%s%c%s", from, '\0', to);
    n.payload = (uint64_t)len + 1;
    note(n, names);
}

static void note(struct note n, const void *payload)
{
    struct file *file = file_of(n.inode);

    if (journal < 0)
        return;
    n.magic = NOTE_MAGIC;
    n.number = last_note + 1;
    put_in_journal(&n, sizeof n);
    put_in_journal(payload, n.payload);
    if (n.kind != NOTE_SYNC && n.kind != NOTE_LOST)
        file->last_note = n.number;
    __atomic_store_n(&last_note, n.number, __ATOMIC_RELEASE);
}

static void put_in_journal(const void *bytes, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        ssize_t n =
            syscall(SYS_pwrite64, journal, (const char *)bytes + done, len - done, journal_end);
        if (n <= 0)
            stop("the journal cannot be written");
        done += (uint64_t)n;
        journal_end += (uint64_t)n;
    }
}

static void note_sync(uint64_t inode, uint64_t upto, bool has_failed)
{
    pthread_mutex_lock(&lock);
    struct file *file = file_of(inode);
    if (has_failed) {
        file->lost = upto;
        note((struct note){.kind = NOTE_LOST, .inode = inode, .at = upto}, NULL);
    } else {
        file->synced = upto;
        note((struct note){.kind = NOTE_SYNC, .inode = inode, .at = upto, .len = file->lost + 1},
             NULL);
        forget_if_clean();
    }
    pthread_mutex_unlock(&lock);
}

static void forget_if_clean(void)
{
    for (size_t i = 0; i < files_count; i++)
        if (files[i].last_note > files[i].synced || files[i].lost != 0)
            return;
    if (syscall(SYS_ftruncate, journal, 0) != 0)
        stop("the journal cannot be emptied");
    journal_end = 0;
}

static struct file *file_of(uint64_t inode)
{
    for (size_t i = 0; i < files_count; i++)
        if (files[i].inode == inode)
            return &files[i];
    if (files_count == FILES_MAX)
        stop("too many files");
    files[files_count] = (struct file){.inode = inode};
    return &files[files_count++];
}

/* A second name for a file whose first one goes away; 0: there is none. */
static uint64_t keep(const char *path)
{
    char name[sizeof undo_directory + 40];
    uint64_t number = last_note + 1;

    if (journal < 0)
        return 0;
    snprintf(name, sizeof name, "%s/kept-%llu", undo_directory, (unsigned long long)number);
    return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, name, 0) == 0 ? number : 0;
}

static uint64_t size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Aligned, for files opened with O_DIRECT.  Zeros at the end are not counted. */
static void *old_bytes(int fd, uint64_t at, uint64_t len, uint64_t *got)
{
    char name[64];
    void *old;
    ssize_t n;

    /* The process may have opened the file for writing only. */
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int reader = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (reader < 0)
        stop("a file cannot be opened for reading");
    if (posix_memalign(&old, 4096, (len + 4095) / 4096 * 4096 + 4096) != 0)
        stop("no memory");
    for (*got = 0; *got < len; *got += (uint64_t)n) {
        n = syscall(SYS_pread64, reader, (char *)old + *got, len - *got, at + *got);
        if (n < 0)
            stop("old bytes cannot be read");
        if (n == 0)
            break;
    }
    while (*got > 0 && ((char *)old)[*got - 1] == 0)
        --*got;
    syscall(SYS_close, reader);
    return old;
}

static void stop(const char *what)
{
    dprintf(STDERR_FILENO, "preload_disk: %s: %s\n", what, strerror(errno));
    _exit(99);
}
