/*
 * segment.h - one file of the log: a header page, then records, then zeros.
 *
 *   byte 0          8         12        16               24               32          4096
 *        +----------+---------+---------+----------------+----------------+-----------+--- - -
 *        | magic    | version | crc32c  | start number   | base lsn       | zero      | records
 *        | "SLUICE" | u32 le  | u32 le  | u64 le         | u64 le         |           |
 *        +----------+---------+---------+----------------+----------------+-----------+--- - -
 *        |<------ covered ---->|        |<---------- covered by crc32c -------------->|
 *
 * An lsn is a place in the whole log, headers and unused ends of segments included: byte x of a
 * segment's file has lsn base + x.  The file is named after its base.
 *
 * The start number is drawn at random when a directory becomes a log, and seeds every checksum.
 *
 * A segment comes into being under another name, allocated, with its header synced, and is then
 * renamed: whatever carries a segment's name has a good header, or was damaged.  One that is used
 * again takes the same way, and behind its header still has what it held: the place in each
 * checksum keeps that apart.
 *
 * Thread: one at a time.
 */
#ifndef SLUICE_CORE_STORE_SEGMENT_H
#define SLUICE_CORE_STORE_SEGMENT_H

#include "core/base/ids.h"
#include "core/store/file.h"

#define SEGMENT_HEADER_BYTES 4096u
#define SEGMENT_NAME_ROOM 32u /* with the NUL */
#define SEGMENT_NAME_NEW "segment.new"

struct segment {
    struct sl_file *file;
    uint64_t base;
    uint64_t size;      /* of the file */
    bool is_used_again; /* behind what was written lies what it held before */
};

/* Writes the file name of the segment at base. */
void segment_name(uint64_t base, char name[SEGMENT_NAME_ROOM]);
/* false: not the name of a segment. */
bool segment_parse_name(const char *name, uint64_t *base);

/* Gives an empty segment, synced, also in the directory.  is_filled: with zeros written rather
 * than room merely reserved, which makes every later sync cheaper.  SL_EFULL leaves nothing. */
SL_MUST_CHECK enum sl_err segment_create(const struct sl_file_ops *files, uint64_t start_number,
                                         uint64_t base, uint64_t size, bool is_filled,
                                         struct segment *out);
/* Makes the next segment of one that nobody needs, of its size, synced, also in the directory.  A
 * crash leaves the one or the other, or a file under the name of one in the making. */
SL_MUST_CHECK enum sl_err segment_use_again(const struct sl_file_ops *files, uint64_t start_number,
                                            uint64_t old_base, uint64_t base, struct segment *out);
/* Gives a segment that exists; reads nothing but its size. */
SL_MUST_CHECK enum sl_err segment_open(const struct sl_file_ops *files, uint64_t base,
                                       struct segment *out);
void segment_close(const struct sl_file_ops *files, struct segment *segment); /* idempotent */

/* Makes an empty one larger. */
SL_MUST_CHECK enum sl_err segment_grow(const struct sl_file_ops *files, struct segment *segment,
                                       uint64_t size);

/* SL_ECORRUPT: no good header, or that of another segment.  SL_ENOTIMPL: another format version,
 * which is *version.  SL_EIO. */
SL_MUST_CHECK enum sl_err segment_read_header(const struct sl_file_ops *files,
                                              const struct segment *segment, uint64_t *start_number,
                                              uint32_t *version);

#endif
