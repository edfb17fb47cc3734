/*
 * data_dir.h - the directory that belongs to one process.
 *
 * Ownership is a lock on the file sluice.lock in it, which also holds the owner's process id;
 * the lock goes with the process however it ends.
 */
#ifndef SLUICE_GATEWAY_DATA_DIR_H
#define SLUICE_GATEWAY_DATA_DIR_H

#include "core/base/text.h"

/* Where it is when nobody says: under the user's state directory. */
void data_dir_default(struct text *path);

/* Makes the directory if it is missing and locks it.  *fd holds the lock until it is closed.
 * SL_ELOCKED: another process has it, why names it.  SL_EIO with why. */
SL_MUST_CHECK enum sl_err data_dir_lock(const char *path, int *fd, struct text *why);

#endif
