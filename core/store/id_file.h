/*
 * id_file.h - files beside the log that are only ever added to: the ids that queues remember
 * (core/id_keeping.h).
 *
 * A checkpoint names the files and how long each is; what lies behind that in a file was written
 * for a checkpoint that never came to be, and does not count.  So a file is synced before the
 * checkpoint that names it is renamed in, and one that no checkpoint names any more may go.
 *
 *   byte 0        8         12        16             24        32
 *        +--------+---------+---------+--------------+---------+--------
 *        | magic  | version | crc32c  | start number | number  | blocks
 *        | SLUICI | u32     | u32     | u64          | u64     |
 *        +--------+---------+---------+--------------+---------+--------
 *
 * A block is crc32c u32, length u32, bytes; little endian.  Its checksum is seeded with the log's
 * start number, the file's and the place of the block in it.
 *
 * Thread: one at a time.
 */
#ifndef SLUICE_CORE_STORE_ID_FILE_H
#define SLUICE_CORE_STORE_ID_FILE_H

#include "core/store/file.h"

#define ID_FILE_NAME_ROOM 32
#define ID_FILE_BLOCK_BYTES_MAX (1024u * 1024)

struct id_file_ref { /* as a checkpoint names it */
    uint64_t number; /* growing; never 0 */
    uint64_t length;
};

struct id_file { /* zeroed is closed */
    struct sl_file *file;
    uint64_t start_number;
    struct id_file_ref ref;
};

void id_file_name(uint64_t number, char name[ID_FILE_NAME_ROOM]);
bool id_file_parse_name(const char *name, uint64_t *number);

/* Its name is durable, nothing is in it.  One that was there is replaced.  SL_EIO, SL_EFULL,
 * SL_ENOMEM. */
SL_MUST_CHECK enum sl_err id_file_create(const struct sl_file_ops *files, uint64_t start_number,
                                         uint64_t number, struct id_file *out);
/* One block, of at most ID_FILE_BLOCK_BYTES_MAX.  SL_EFULL: it is as long as before. */
SL_MUST_CHECK enum sl_err id_file_append(const struct sl_file_ops *files, struct id_file *f,
                                         struct sl_bytes block);
SL_MUST_CHECK enum sl_err id_file_sync(const struct sl_file_ops *files, struct id_file *f);
void id_file_close(const struct sl_file_ops *files, struct id_file *f);

/* Reads all blocks; an error of on_block ends it with that.  SL_ENOENT, SL_ECORRUPT, SL_EIO,
 * SL_ENOMEM; *at is the place in the file that is meant. */
SL_MUST_CHECK enum sl_err
id_file_read(const struct sl_file_ops *files, uint64_t start_number, struct id_file_ref ref,
             enum sl_err (*on_block)(void *context, struct sl_bytes block), void *context,
             uint64_t *at);

#endif
