#include "core/store/id_file.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_SUFFIX ".ids"
#define VERSION 1u

struct file_header {
    char magic[8];
    uint32_t version;
    uint32_t crc32c;
    uint64_t start_number;
    uint64_t number;
};
_Static_assert(sizeof(struct file_header) == 32, "see the drawing");

static const char MAGIC[8] = "SLUICI"; /* and two NULs */

static uint32_t header_checksum(const struct file_header *h);
static uint32_t block_checksum(uint64_t start_number, struct id_file_ref place, const void *at,
                               uint32_t len);
static enum sl_err read_header(const struct sl_file_ops *files, struct sl_file *file,
                               uint64_t start_number, struct id_file_ref ref);
static enum sl_err read_block(const struct sl_file_ops *files, struct sl_file *file,
                              uint64_t start_number, struct id_file_ref place, uint64_t end,
                              uint8_t *room, struct sl_bytes *block);
static enum sl_err read_all(const struct sl_file_ops *files, struct sl_file *file, void *into,
                            uint64_t at, size_t len);

void id_file_name(uint64_t number, char name[ID_FILE_NAME_ROOM])
{
    snprintf(name, ID_FILE_NAME_ROOM, "%016llx" NAME_SUFFIX, (unsigned long long)number);
}

bool id_file_parse_name(const char *name, uint64_t *number)
{
    char again[ID_FILE_NAME_ROOM];

    *number = strtoull(name, NULL, 16);
    id_file_name(*number, again);
    return strcmp(name, again) == 0;
}

enum sl_err id_file_create(const struct sl_file_ops *files, uint64_t start_number, uint64_t number,
                           struct id_file *out)
{
    struct file_header h = {.version = VERSION, .start_number = start_number, .number = number};
    struct iovec all = {&h, sizeof h};
    char name[ID_FILE_NAME_ROOM];

    memcpy(h.magic, MAGIC, sizeof h.magic);
    h.crc32c = header_checksum(&h);
    id_file_name(number, name);
    *out = (struct id_file){.start_number = start_number, .ref = {number, sizeof h}};
    enum sl_err err = files->remove(files->self, name);
    if (err != SL_OK && err != SL_ENOENT)
        return err;
    SL_TRY(files->open(files->self, name, true, &out->file));
    err = files->write_at(out->file, 0, &all, 1);
    if (err == SL_OK)
        err = files->sync(out->file);
    if (err == SL_OK)
        err = files->sync_dir(files->self);
    if (err != SL_OK)
        id_file_close(files, out);
    return err;
}

enum sl_err id_file_append(const struct sl_file_ops *files, struct id_file *f,
                           struct sl_bytes block)
{
    SL_ASSERT(block.len <= ID_FILE_BLOCK_BYTES_MAX);
    uint32_t len = (uint32_t)block.len;
    uint32_t head[2] = {block_checksum(f->start_number, f->ref, block.at, len), len};
    struct iovec all[2] = {{head, sizeof head}, {(void *)(uintptr_t)block.at, block.len}};

    SL_TRY(files->write_at(f->file, f->ref.length, all, 2));
    f->ref.length += sizeof head + len;
    return SL_OK;
}

enum sl_err id_file_sync(const struct sl_file_ops *files, struct id_file *f)
{
    return files->sync(f->file);
}

void id_file_close(const struct sl_file_ops *files, struct id_file *f)
{
    if (f->file != NULL)
        files->close(f->file);
    f->file = NULL;
}

enum sl_err id_file_read(const struct sl_file_ops *files, uint64_t start_number,
                         struct id_file_ref ref,
                         enum sl_err (*on_block)(void *context, struct sl_bytes block),
                         void *context, uint64_t *at)
{
    char name[ID_FILE_NAME_ROOM];
    struct id_file_ref place = {ref.number, sizeof(struct file_header)};
    struct sl_file *file;
    struct sl_bytes block;

    *at = 0;
    id_file_name(ref.number, name);
    SL_TRY(files->open(files->self, name, false, &file));
    uint8_t *room = malloc(ID_FILE_BLOCK_BYTES_MAX);
    enum sl_err err = room == NULL ? SL_ENOMEM : read_header(files, file, start_number, ref);
    while (err == SL_OK && place.length < ref.length) {
        *at = place.length;
        err = read_block(files, file, start_number, place, ref.length, room, &block);
        if (err == SL_OK)
            err = on_block(context, block);
        place.length += 2 * sizeof(uint32_t) + block.len;
    }
    free(room);
    files->close(file);
    return err;
}

static uint32_t header_checksum(const struct file_header *h)
{
    struct file_header zeroed = *h;

    zeroed.crc32c = 0;
    return crc32c(0, &zeroed, sizeof zeroed);
}

static uint32_t block_checksum(uint64_t start_number, struct id_file_ref place, const void *at,
                               uint32_t len)
{
    uint64_t seed[4] = {start_number, place.number, place.length, len};

    return crc32c(crc32c(0, seed, sizeof seed), at, len);
}

static enum sl_err read_header(const struct sl_file_ops *files, struct sl_file *file,
                               uint64_t start_number, struct id_file_ref ref)
{
    struct file_header h;

    SL_TRY(read_all(files, file, &h, 0, sizeof h));
    if (memcmp(h.magic, MAGIC, sizeof MAGIC) != 0 || header_checksum(&h) != h.crc32c ||
        h.start_number != start_number || h.number != ref.number || ref.length < sizeof h)
        return SL_ECORRUPT;
    return h.version == VERSION ? SL_OK : SL_ECORRUPT;
}

static enum sl_err read_block(const struct sl_file_ops *files, struct sl_file *file,
                              uint64_t start_number, struct id_file_ref place, uint64_t end,
                              uint8_t *room, struct sl_bytes *block)
{
    uint32_t head[2];
    uint64_t left = end - place.length;

    *block = (struct sl_bytes){room, 0};
    if (left < sizeof head)
        return SL_ECORRUPT;
    SL_TRY(read_all(files, file, head, place.length, sizeof head));
    if (head[1] > left - sizeof head || head[1] > ID_FILE_BLOCK_BYTES_MAX)
        return SL_ECORRUPT;
    SL_TRY(read_all(files, file, room, place.length + sizeof head, head[1]));
    block->len = head[1];
    return block_checksum(start_number, place, room, head[1]) == head[0] ? SL_OK : SL_ECORRUPT;
}

static enum sl_err read_all(const struct sl_file_ops *files, struct sl_file *file, void *into,
                            uint64_t at, size_t len)
{
    size_t got;

    SL_TRY(files->read_at(file, at, into, len, &got));
    return got == len ? SL_OK : SL_ECORRUPT;
}
