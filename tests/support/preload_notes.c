#include "preload_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
#define FILES_MAX 512

struct file { /* by inode */
    uint64_t inode;
    uint64_t last_note;
    uint64_t synced; /* notes up to here are durable, but for those up to lost */
    uint64_t lost;
};

static char undo_directory[4000];
static int journal = -1;
static uint64_t journal_end;
static uint64_t last_note;
static struct file files[FILES_MAX];
static size_t files_count;

static void count_old_notes(void);
static void note(struct note n, const void *payload);
static void put_in_journal(const void *bytes, uint64_t len);
static void forget_if_clean(void);
static struct file *file_of(uint64_t inode);
static uint64_t keep(const char *path);
static void *old_bytes(int fd, uint64_t at, uint64_t len, uint64_t *got);

void notes_open(const char *undo)
{
    char name[4096];

    snprintf(undo_directory, sizeof undo_directory, "%s", undo);
    snprintf(name, sizeof name, "%s/journal", undo);
    journal = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal < 0)
        notes_stop("no journal");
    count_old_notes();
}

bool notes_are_kept(void)
{
    return journal >= 0;
}

uint64_t notes_last(void)
{
    return __atomic_load_n(&last_note, __ATOMIC_ACQUIRE);
}

void notes_range(int fd, uint64_t inode, uint64_t at, uint64_t len)
{
    struct note n = {.kind = NOTE_WRITE, .inode = inode, .at = at, .len = len};

    if (journal < 0)
        return;
    n.size_before = notes_size_of(fd);
    void *old = old_bytes(fd, at, len, &n.payload);
    note(n, old);
    free(old);
}

void notes_resize(int fd, uint64_t inode, uint64_t size)
{
    struct note n = {.kind = NOTE_RESIZE, .inode = inode, .at = size};
    void *old = NULL;

    if (journal < 0)
        return;
    n.size_before = notes_size_of(fd);
    if (size < n.size_before)
        old = old_bytes(fd, size, n.size_before - size, &n.payload);
    note(n, old);
    free(old);
}

void notes_names(enum note_kind kind, uint64_t directory_inode, const char *goes, const char *from,
                 const char *to)
{
    struct note n = {.kind = kind, .inode = directory_inode};
    char names[2 * 4096 + 600];

    if (journal < 0)
        return;
    n.at = goes == NULL ? 0 : keep(goes);
    int len = snprintf(names, sizeof names, "%s%c%s", from, '\0', to);
    n.payload = (uint64_t)len + 1;
    note(n, names);
}

void notes_sync(uint64_t inode, uint64_t upto, bool has_failed)
{
    struct file *file = file_of(inode);

    if (has_failed) {
        file->lost = upto;
        note((struct note){.kind = NOTE_LOST, .inode = inode, .at = upto}, NULL);
        return;
    }
    file->synced = upto;
    note((struct note){.kind = NOTE_SYNC, .inode = inode, .at = upto, .len = file->lost + 1}, NULL);
    forget_if_clean();
}

uint64_t notes_size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void notes_stop(const char *what)
{
    dprintf(STDERR_FILENO, "preload_disk: %s: %s\n", what, strerror(errno));
    _exit(99);
}

/* A process before us may have left notes: numbers go on, and so do files with something lost.
 * A half written note at the end belongs to a change that was never made. */
static void count_old_notes(void)
{
    struct note n;

    while (syscall(SYS_pread64, journal, &n, sizeof n, journal_end) == sizeof n &&
           n.magic == NOTE_MAGIC && journal_end + sizeof n + n.payload <= notes_size_of(journal)) {
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

static void note(struct note n, const void *payload)
{
    struct file *file = file_of(n.inode);

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
            notes_stop("the journal cannot be written");
        done += (uint64_t)n;
        journal_end += (uint64_t)n;
    }
}

static void forget_if_clean(void)
{
    for (size_t i = 0; i < files_count; i++)
        if (files[i].last_note > files[i].synced || files[i].lost != 0)
            return;
    if (syscall(SYS_ftruncate, journal, 0) != 0)
        notes_stop("the journal cannot be emptied");
    journal_end = 0;
}

static struct file *file_of(uint64_t inode)
{
    for (size_t i = 0; i < files_count; i++)
        if (files[i].inode == inode)
            return &files[i];
    if (files_count == FILES_MAX)
        notes_stop("too many files");
    files[files_count] = (struct file){.inode = inode};
    return &files[files_count++];
}

/* A second name for a file whose first one goes away; 0: there is none. */
static uint64_t keep(const char *path)
{
    char name[sizeof undo_directory + 40];
    uint64_t number = last_note + 1;

    snprintf(name, sizeof name, "%s/kept-%llu", undo_directory, (unsigned long long)number);
    return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, name, 0) == 0 ? number : 0;
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
        notes_stop("a file cannot be opened for reading");
    if (posix_memalign(&old, 4096, (len + 4095) / 4096 * 4096 + 4096) != 0)
        notes_stop("no memory");
    for (*got = 0; *got < len; *got += (uint64_t)n) {
        n = syscall(SYS_pread64, reader, (char *)old + *got, len - *got, at + *got);
        if (n < 0)
            notes_stop("old bytes cannot be read");
        if (n == 0)
            break;
    }
    while (*got > 0 && ((char *)old)[*got - 1] == 0)
        --*got;
    syscall(SYS_close, reader);
    return old;
}
