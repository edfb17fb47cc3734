/*
 * preload_medium.h - what comes of the calls that preload_disk.c catches: they are slow, fail, are
 * the process's last ones, and are noted (preload_notes.h).
 *
 * Thread: any.
 */
#ifndef SLUICE_TESTS_SUPPORT_PRELOAD_MEDIUM_H
#define SLUICE_TESTS_SUPPORT_PRELOAD_MEDIUM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define PATH_ROOM 4400u /* the directory, and a name */

enum call { CALL_WRITE, CALL_SYNC, CALL_OPEN, CALL_ALLOCATE, CALL_READ, CALL_CHANGE, CALLS };

enum name_change { /* what the process does to names, by what it is for */
                   NAME_OTHER,
                   NAME_CHECKPOINT, /* the next one becomes the checkpoint */
                   NAME_SEGMENT,    /* the next segment gets its name */
                   NAME_RECYCLE,    /* a segment loses its name, to become the next one */
                   NAME_REMOVE,     /* a segment is removed */
};

struct disk_control { /* machine.py has the same; every field is a little-endian u64 */
    uint64_t sync_delay_ms;
    uint64_t fail_call;  /* an enum call */
    uint64_t fail_first; /* counted from 1 in calls[]; 0: nothing fails */
    uint64_t fail_last;
    uint64_t fail_errno; /* 0: a write is cut short, and that is all */
    uint64_t failed;     /* how often something did */
    uint64_t die_at;     /* an enum name_change: the process is killed at it */
    uint64_t die_in;     /* at this one of them, counted down from here on; 0: it is not */
    uint64_t die_after;  /* 1: when it is made, 0: when it is not */
    uint64_t calls[CALLS];
};

void medium_use(struct disk_control *shared, const char *directory, uint64_t directory_inode);
bool medium_has(const char *path); /* is it one that lies there, and is no lock or socket? */
bool medium_is_watched(int fd);
bool medium_is_directory(int fd);
void medium_path(char path[PATH_ROOM], const char *name); /* of that name in the directory */

int medium_open(const char *path, int flags, mode_t mode);
void medium_close(int fd);
/* Files that are watched. */
ssize_t medium_write(int fd, const struct iovec *iov, int n, off_t at, bool is_placed);
ssize_t medium_read(int fd, const struct iovec *iov, int n, off_t at, bool is_placed);
int medium_sync(int fd, long call);
int medium_resize(int fd, off_t len);
int medium_allocate(int fd, int mode, off_t at, off_t len);
/* Any path. */
int medium_rename(const char *from, const char *to);
int medium_unlink(const char *path);

#endif
