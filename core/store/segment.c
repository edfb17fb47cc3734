#include "core/store/segment.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/store/commit_log.h"

#include <stdio.h>
#include <stdlib.h>

#define FILL_BYTES (256u * 1024)
#define NAME_SUFFIX ".log"

struct segment_header {
    char magic[8];
    uint32_t version;
    uint32_t crc32c;
    uint64_t start_number;
    uint64_t base;
};
_Static_assert(sizeof(struct segment_header) == 32, "see the drawing");
_Static_assert(offsetof(struct segment_header, crc32c) == 12, "see the drawing");
_Static_assert(offsetof(struct segment_header, base) == 24, "see the drawing");

static const char MAGIC[8] = "SLUICE"; /* and two NULs */

static enum sl_err make_empty(const struct sl_file_ops *files, uint64_t start_number, uint64_t base,
                              uint64_t size, bool is_filled, struct sl_file *file);
static enum sl_err fill_with_zeros(const struct sl_file_ops *files, struct sl_file *file,
                                   uint64_t size);
static enum sl_err write_header(const struct sl_file_ops *files, struct sl_file *file,
                                uint64_t start_number, uint64_t base);
static uint32_t header_checksum(const uint8_t page[SEGMENT_HEADER_BYTES]);

void segment_name(uint64_t base, char name[SEGMENT_NAME_ROOM])
{
    snprintf(name, SEGMENT_NAME_ROOM, "%016llx" NAME_SUFFIX, (unsigned long long)base);
}

bool segment_parse_name(const char *name, uint64_t *base)
{
    char again[SEGMENT_NAME_ROOM];

    *base = strtoull(name, NULL, 16);
    segment_name(*base, again); /* exactly this spelling, no other */
    return strcmp(name, again) == 0;
}

enum sl_err segment_create(const struct sl_file_ops *files, uint64_t start_number, uint64_t base,
                           uint64_t size, bool is_filled, struct segment *out)
{
    char name[SEGMENT_NAME_ROOM];
    struct sl_file *file;

    enum sl_err err = files->remove(files->self, SEGMENT_NAME_NEW); /* of a try that was cut off */
    if (err != SL_OK && err != SL_ENOENT)
        return err;
    SL_TRY(files->open(files->self, SEGMENT_NAME_NEW, true, &file));
    err = make_empty(files, start_number, base, size, is_filled, file);
    segment_name(base, name);
    if (err == SL_OK)
        err = files->rename(files->self, SEGMENT_NAME_NEW, name);
    if (err == SL_OK)
        err = files->sync_dir(files->self);
    if (err == SL_OK) {
        *out = (struct segment){file, base, size, false};
        return SL_OK;
    }
    files->close(file);
    if (files->remove(files->self, SEGMENT_NAME_NEW) != SL_OK && err == SL_EFULL)
        err = SL_EIO; /* room cannot even be given back */
    return err;
}

enum sl_err segment_use_again(const struct sl_file_ops *files, uint64_t start_number,
                              uint64_t old_base, uint64_t base, struct segment *out)
{
    char name[SEGMENT_NAME_ROOM];

    *out = (struct segment){.base = base, .is_used_again = true};
    enum sl_err err = files->remove(files->self, SEGMENT_NAME_NEW);
    if (err != SL_OK && err != SL_ENOENT)
        return err;
    segment_name(old_base, name);
    SL_TRY(files->rename(files->self, name, SEGMENT_NAME_NEW));
    SL_TRY(files->sync_dir(files->self)); /* before it is anything else, the old name is gone */
    SL_TRY(files->open(files->self, SEGMENT_NAME_NEW, false, &out->file));
    err = files->size(out->file, &out->size);
    if (err == SL_OK)
        err = write_header(files, out->file, start_number, base);
    if (err == SL_OK)
        err = files->sync(out->file);
    segment_name(base, name);
    if (err == SL_OK)
        err = files->rename(files->self, SEGMENT_NAME_NEW, name);
    if (err == SL_OK)
        err = files->sync_dir(files->self);
    if (err != SL_OK)
        segment_close(files, out);
    return err;
}

enum sl_err segment_open(const struct sl_file_ops *files, uint64_t base, struct segment *out)
{
    char name[SEGMENT_NAME_ROOM];

    segment_name(base, name);
    *out = (struct segment){.base = base};
    SL_TRY(files->open(files->self, name, false, &out->file));
    enum sl_err err = files->size(out->file, &out->size);
    if (err != SL_OK)
        segment_close(files, out);
    return err;
}

void segment_close(const struct sl_file_ops *files, struct segment *segment)
{
    if (segment->file != NULL)
        files->close(segment->file);
    segment->file = NULL;
}

enum sl_err segment_grow(const struct sl_file_ops *files, struct segment *segment, uint64_t size)
{
    SL_TRY(files->allocate(segment->file, size));
    SL_TRY(files->sync(segment->file));
    segment->size = size;
    return SL_OK;
}

enum sl_err segment_read_header(const struct sl_file_ops *files, const struct segment *segment,
                                uint64_t *start_number, uint32_t *version)
{
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header h;
    size_t got;

    SL_TRY(files->read_at(segment->file, 0, page, sizeof page, &got));
    if (got < sizeof page)
        return SL_ECORRUPT;
    memcpy(&h, page, sizeof h);
    if (memcmp(h.magic, MAGIC, sizeof MAGIC) != 0)
        return SL_ECORRUPT;
    *version = h.version;
    if (h.version != LOG_FORMAT_VERSION)
        return SL_ENOTIMPL;
    if (header_checksum(page) != h.crc32c || h.base != segment->base)
        return SL_ECORRUPT;
    *start_number = h.start_number;
    return SL_OK;
}

static enum sl_err make_empty(const struct sl_file_ops *files, uint64_t start_number, uint64_t base,
                              uint64_t size, bool is_filled, struct sl_file *file)
{
    SL_TRY(files->allocate(file, size));
    if (is_filled)
        SL_TRY(fill_with_zeros(files, file, size));
    SL_TRY(write_header(files, file, start_number, base));
    return files->sync(file);
}

static enum sl_err fill_with_zeros(const struct sl_file_ops *files, struct sl_file *file,
                                   uint64_t size)
{
    uint8_t *zeros = aligned_alloc(LOG_PAGE_BYTES, FILL_BYTES);
    enum sl_err err = SL_OK;

    SL_ASSERT(zeros != NULL);
    memset(zeros, 0, FILL_BYTES);
    for (uint64_t at = SEGMENT_HEADER_BYTES; at < size && err == SL_OK; at += FILL_BYTES) {
        uint64_t n = size - at < FILL_BYTES ? size - at : FILL_BYTES;
        err = files->write_at(file, at, &(struct iovec){zeros, n}, 1);
    }
    free(zeros);
    return err;
}

static enum sl_err write_header(const struct sl_file_ops *files, struct sl_file *file,
                                uint64_t start_number, uint64_t base)
{
    uint8_t page[SEGMENT_HEADER_BYTES] = {0};
    struct segment_header h = {
        .version = LOG_FORMAT_VERSION, .start_number = start_number, .base = base};

    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(page, &h, sizeof h);
    h.crc32c = header_checksum(page);
    memcpy(page, &h, sizeof h);
    return files->write_at(file, 0, &(struct iovec){page, sizeof page}, 1);
}

static uint32_t header_checksum(const uint8_t page[SEGMENT_HEADER_BYTES])
{
    size_t before = offsetof(struct segment_header, crc32c);
    size_t after = before + sizeof(uint32_t);

    return crc32c(crc32c(0, page, before), page + after, SEGMENT_HEADER_BYTES - after);
}
