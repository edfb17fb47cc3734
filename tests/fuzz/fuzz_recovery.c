/*
 * fuzz_recovery.c - whatever lies in the segments, a start says yes or no.
 *
 * The first byte says how the rest is meant.  Bit 0: it lies behind a good header, and is not the
 * whole file.  Bit 1: lengths and checksums are put right on the way, so that what records say is
 * tried, not only that they are whole.  Bit 2: the second half is a second segment.
 *
 * A start that refuses has changed nothing and says why.  After one that does not, another record
 * can be appended, and the next start sees all that this one saw, and that record.
 */
#include "core/base/assert.h"
#include "core/store/commit_log.h"
#include "core/store/segment.h"
#include "tests/support/file_faulty.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define START 42u
#define SEGMENT_BYTES (32u * 1024)
#define DATA_BYTES_MAX (SEGMENT_BYTES - SEGMENT_HEADER_BYTES)

static struct sl_file_ops ops;

static enum sl_err count(void *context, const struct record *record, sl_lsn place)
{
    uint64_t *seen = context;
    const volatile uint8_t *body = record->body.at;

    SL_ASSERT(place.v >= SEGMENT_HEADER_BYTES);
    if (record->body.len != 0) /* it can be read to its end */
        (void)(body[0] + body[record->body.len - 1]);
    *seen += 1;
    return SL_OK;
}

static void repair(uint8_t *at, size_t len, uint64_t place)
{
    while (len >= RECORD_BATCH_BYTES) {
        struct record_header h;
        memcpy(&h, at, sizeof h);
        h.kind %= 40;
        h.flags %= 2;
        h.zero &= h.flags; /* rarely a later format */
        h.length = RECORD_HEADER_BYTES + h.length % 256 / 8 * 8;
        if (h.kind == RECORD_BATCH)
            h.length = RECORD_BATCH_BYTES;
        if (h.kind == RECORD_END)
            h.length = RECORD_END_BYTES;
        if (h.length > len)
            return;
        memcpy(at, &h, sizeof h);
        if (h.kind == RECORD_BATCH)
            memcpy(at + RECORD_HEADER_BYTES + 8, &(uint64_t){START}, 8);
        h.crc32c = record_checksum(at, h.length, START, (sl_lsn){place});
        memcpy(at, &h, sizeof h.crc32c);
        at += h.length;
        len -= h.length;
        place += h.length;
    }
}

static void put_segment(struct faulty_disk *disk, uint64_t base, struct sl_bytes in, unsigned how)
{
    char name[SEGMENT_NAME_ROOM];
    struct segment segment;
    uint8_t *bytes;

    if (in.len > DATA_BYTES_MAX)
        in.len = DATA_BYTES_MAX;
    segment_name(base, name);
    if ((how & 1) == 0) {
        faulty_disk_put(disk, name, in);
        return;
    }
    SL_ASSERT(segment_create(&ops, START, base, SEGMENT_BYTES, false, &segment) == SL_OK);
    bytes = malloc(in.len + 1);
    if (in.len != 0)
        memcpy(bytes, in.at, in.len);
    if ((how & 2) != 0)
        repair(bytes, in.len, base + SEGMENT_HEADER_BYTES);
    SL_ASSERT(ops.write_at(segment.file, SEGMENT_HEADER_BYTES, &(struct iovec){bytes, in.len}, 1) ==
              SL_OK);
    free(bytes);
    segment_close(&ops, &segment);
}

static uint64_t start_and_append(void)
{
    uint64_t seen = 0;
    uint64_t checked = 0;
    struct log_visitor visitor = {.record = count, .context = &seen};
    struct log_options options = {.files = ops, .segment_bytes = SEGMENT_BYTES};
    struct log_findings findings;
    struct commit_log *log;
    struct log_run run = {0};

    enum sl_err said = commit_log_check(
        &ops, &(struct log_visitor){.record = count, .context = &checked}, &findings);
    enum sl_err err = commit_log_open(&options, &visitor, &findings, &log);
    SL_ASSERT(err == said && seen == checked);
    if (err != SL_OK) {
        SL_ASSERT(err == SL_ECORRUPT && findings.problem[0] != '\0');
        return UINT64_MAX;
    }
    memset(log_run_add(&run, RECORD_MESSAGE, 0, false, 10), 1, 10);
    (void)commit_log_append(log, &run, 1, 0, NULL, NULL);
    SL_ASSERT(commit_log_flush(log) == SL_OK);
    commit_log_close(log);
    log_run_clear(&run);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct faulty_disk *disk = faulty_disk_new();
    struct sl_bytes rest = {data + 1, size - 1};
    unsigned how = data[0];

    ops = faulty_disk_ops(disk);
    if ((how & 4) != 0) {
        struct sl_bytes second = sl_bytes_skip(rest, rest.len / 2);
        put_segment(disk, SEGMENT_BYTES, second, how);
        rest.len /= 2;
    }
    put_segment(disk, 0, rest, how);
    uint64_t seen = start_and_append();
    if (seen != UINT64_MAX)
        SL_ASSERT(start_and_append() == seen + 1);
    faulty_disk_free(disk);
    return 0;
}
