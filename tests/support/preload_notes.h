/*
 * preload_notes.h - the journal of a forgetful disk: every change, with the bytes it replaces.
 *
 * kill -9 loses nothing that was written: the page cache outlives the process.  So every change
 * is noted before it is made; a sync that succeeds is noted behind what it covers.
 * undo_unsynced.py reads that and takes back what no sync covers, as a power cut would.  After a
 * failed sync what it should have covered counts as lost for good, whatever a later sync says:
 * Linux marks such pages clean.
 *
 * Thread: the caller holds one lock around note and change, which keeps the journal in the order
 * of the changes; notes_last may be asked by anybody.
 */
#ifndef SLUICE_TESTS_SUPPORT_PRELOAD_NOTES_H
#define SLUICE_TESTS_SUPPORT_PRELOAD_NOTES_H

#include <stdbool.h>
#include <stdint.h>

enum note_kind {
    NOTE_WRITE = 1,
    NOTE_RESIZE,
    NOTE_CREATE,
    NOTE_RENAME,
    NOTE_UNLINK,
    NOTE_SYNC, /* notes of the file from len up to at are durable */
    NOTE_LOST, /* those up to at are not, unless a NOTE_SYNC before this one says so */
};

/* Goes on in the journal of that directory.  Without this call nothing is kept. */
void notes_open(const char *undo_directory);
bool notes_are_kept(void);
uint64_t notes_last(void);

/* What the range holds now, as far as the file reaches. */
void notes_range(int fd, uint64_t inode, uint64_t at, uint64_t len);
void notes_resize(int fd, uint64_t inode, uint64_t size);
/* Of a directory.  goes: a path whose file loses that name, and is kept under another; or NULL. */
void notes_names(enum note_kind kind, uint64_t directory_inode, const char *goes, const char *from,
                 const char *to);
/* The journal is emptied whenever nothing is unsynced. */
void notes_sync(uint64_t inode, uint64_t upto, bool has_failed);

uint64_t notes_size_of(int fd);
/* The layer itself cannot go on. */
void notes_stop(const char *what) __attribute__((noreturn));

#endif
