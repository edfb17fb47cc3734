#include "core/store/checkpoint.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/random.h"

#include <stdlib.h>

/*
 *   byte 0          8         12        16             24     32        40     48     56        64
 *        +----------+---------+---------+--------------+------+---------+------+------+---------+-
 *        | magic    | version | crc32c  | start number | from | durable | next | time | body    |
 *        | "SLUICP" | u32     | u32     | u64          | u64  | u64     | u64  | u64  | len u64 |
 *        +----------+---------+---------+--------------+------+---------+------+------+---------+-
 *   salt u64, zeros up to byte 4096; then parts of PART_BYTES, the last one shorter:
 *   crc32c u32, length u32, bytes.
 *
 * The header's checksum is that of a segment's header; a part's is seeded with the salt, which is
 * drawn for each checkpoint, and the part's number.
 */
#define HEADER_BYTES 4096u
#define PART_BYTES (1024u * 1024)
#define PART_HEAD_BYTES 8u
#define PART_BODY_BYTES (PART_BYTES - PART_HEAD_BYTES)
#define CHECKPOINT_VERSION 1u

struct page_header {
    char magic[8];
    uint32_t version;
    uint32_t crc32c;
    uint64_t start_number;
    uint64_t from;
    uint64_t durable;
    uint64_t next;
    uint64_t time;
    uint64_t body_len;
    uint64_t salt;
};
_Static_assert(sizeof(struct page_header) == 72, "see the drawing");

struct checkpoint_writer {
    struct sl_file_ops files;
    struct sl_file *file;
    uint8_t *part; /* aligned, PART_BYTES */
    uint32_t used; /* of its body */
    uint64_t body_len;
    uint64_t salt;
};

static const char MAGIC[8] = "SLUICP"; /* and two NULs */

static enum sl_err write_part(struct checkpoint_writer *w);
static enum sl_err write_header(struct checkpoint_writer *w,
                                const struct checkpoint_header *header);
static void dispose(struct checkpoint_writer *w);
static enum sl_err read_file(const struct sl_file_ops *files, struct sl_file *file,
                             struct checkpoint_header *header, uint8_t **body, size_t *len);
static enum sl_err read_header(const struct sl_file_ops *files, struct sl_file *file,
                               struct page_header *h);
static enum sl_err read_parts(const struct sl_file_ops *files, struct sl_file *file,
                              const struct page_header *h, uint8_t *body);
static uint32_t header_checksum(const uint8_t page[HEADER_BYTES]);
static uint32_t part_checksum(uint64_t salt, uint64_t number, struct sl_bytes body);
static uint64_t file_bytes(uint64_t body_len);

enum sl_err checkpoint_begin(const struct sl_file_ops *files, struct checkpoint_writer **out)
{
    struct checkpoint_writer *w = calloc(1, sizeof *w);

    if (w == NULL)
        return SL_ENOMEM;
    w->files = *files;
    w->salt = sl_random_u64();
    w->part = aligned_alloc(LOG_PAGE_BYTES, PART_BYTES);
    enum sl_err err = w->part == NULL ? SL_ENOMEM : files->remove(files->self, CHECKPOINT_NAME_NEW);
    if (err == SL_OK || err == SL_ENOENT)
        err = files->open(files->self, CHECKPOINT_NAME_NEW, true, &w->file);
    if (err != SL_OK) {
        dispose(w);
        return err;
    }
    *out = w;
    return SL_OK;
}

enum sl_err checkpoint_write(struct checkpoint_writer *w, struct sl_bytes bytes)
{
    while (bytes.len != 0) {
        size_t room = PART_BODY_BYTES - w->used;
        size_t n = bytes.len < room ? bytes.len : room;
        memcpy(w->part + PART_HEAD_BYTES + w->used, bytes.at, n);
        w->used += (uint32_t)n;
        bytes = sl_bytes_skip(bytes, n);
        if (w->used == PART_BODY_BYTES)
            SL_TRY(write_part(w));
    }
    return SL_OK;
}

enum sl_err checkpoint_end(struct checkpoint_writer *w, const struct checkpoint_header *header)
{
    enum sl_err err = w->used == 0 ? SL_OK : write_part(w);

    if (err == SL_OK)
        err = write_header(w, header);
    if (err == SL_OK)
        err = w->files.sync(w->file);
    if (err == SL_OK)
        err = w->files.rename(w->files.self, CHECKPOINT_NAME_NEW, CHECKPOINT_NAME);
    if (err == SL_OK)
        err = w->files.sync_dir(w->files.self);
    if (err != SL_OK)
        checkpoint_abandon(w);
    else
        dispose(w);
    return err;
}

void checkpoint_abandon(struct checkpoint_writer *w)
{
    struct sl_file_ops files = w->files;

    dispose(w);
    (void)files.remove(files.self, CHECKPOINT_NAME_NEW); /* or the next one, or the next start */
}

enum sl_err checkpoint_read(const struct sl_file_ops *files, struct checkpoint_header *header,
                            uint8_t **body, size_t *len)
{
    struct sl_file *file;

    *body = NULL;
    *len = 0;
    SL_TRY(files->open(files->self, CHECKPOINT_NAME, false, &file));
    enum sl_err err = read_file(files, file, header, body, len);
    files->close(file);
    if (err != SL_OK) {
        free(*body);
        *body = NULL;
        *len = 0;
    }
    return err;
}

static enum sl_err write_part(struct checkpoint_writer *w)
{
    uint64_t number = w->body_len / PART_BODY_BYTES;
    uint32_t head[2] = {
        part_checksum(w->salt, number, (struct sl_bytes){w->part + PART_HEAD_BYTES, w->used}),
        w->used};
    struct iovec all = {w->part, PART_HEAD_BYTES + w->used};

    memcpy(w->part, head, sizeof head);
    w->body_len += w->used;
    w->used = 0;
    return w->files.write_at(w->file, HEADER_BYTES + number * PART_BYTES, &all, 1);
}

static enum sl_err write_header(struct checkpoint_writer *w, const struct checkpoint_header *header)
{
    struct page_header h = {
        .version = CHECKPOINT_VERSION,
        .start_number = header->start_number,
        .from = header->from.v,
        .durable = header->durable.v,
        .next = header->next.v,
        .time = header->time,
        .body_len = w->body_len,
        .salt = w->salt,
    };

    memcpy(h.magic, MAGIC, sizeof h.magic);
    memset(w->part, 0, HEADER_BYTES);
    memcpy(w->part, &h, sizeof h);
    h.crc32c = header_checksum(w->part);
    memcpy(w->part, &h, sizeof h);
    return w->files.write_at(w->file, 0, &(struct iovec){w->part, HEADER_BYTES}, 1);
}

static void dispose(struct checkpoint_writer *w)
{
    if (w->file != NULL)
        w->files.close(w->file);
    free(w->part);
    free(w);
}

static enum sl_err read_file(const struct sl_file_ops *files, struct sl_file *file,
                             struct checkpoint_header *header, uint8_t **body, size_t *len)
{
    struct page_header h;
    uint64_t size;

    SL_TRY(read_header(files, file, &h));
    SL_TRY(files->size(file, &size));
    if (h.body_len > size || size < file_bytes(h.body_len) || h.durable < h.from)
        return SL_ECORRUPT;
    *body = malloc(h.body_len + 1);
    if (*body == NULL)
        return SL_ENOMEM;
    *len = h.body_len;
    SL_TRY(read_parts(files, file, &h, *body));
    *header = (struct checkpoint_header){
        .start_number = h.start_number,
        .from = {h.from},
        .durable = {h.durable},
        .next = {h.next},
        .time = h.time,
    };
    return SL_OK;
}

static enum sl_err read_header(const struct sl_file_ops *files, struct sl_file *file,
                               struct page_header *h)
{
    uint8_t page[HEADER_BYTES];
    size_t got;

    SL_TRY(files->read_at(file, 0, page, sizeof page, &got));
    if (got < sizeof page)
        return SL_ECORRUPT;
    memcpy(h, page, sizeof *h);
    if (memcmp(h->magic, MAGIC, sizeof MAGIC) != 0 || header_checksum(page) != h->crc32c)
        return SL_ECORRUPT;
    return h->version == CHECKPOINT_VERSION ? SL_OK : SL_ENOTIMPL;
}

static enum sl_err read_parts(const struct sl_file_ops *files, struct sl_file *file,
                              const struct page_header *h, uint8_t *body)
{
    uint64_t number = 0;
    uint32_t head[2];
    size_t got;

    for (uint64_t done = 0; done < h->body_len; number++) {
        uint64_t at = HEADER_BYTES + number * PART_BYTES;
        uint64_t left = h->body_len - done;
        size_t n = left < PART_BODY_BYTES ? (size_t)left : PART_BODY_BYTES;

        SL_TRY(files->read_at(file, at, head, sizeof head, &got));
        if (got < sizeof head || head[1] != n)
            return SL_ECORRUPT;
        SL_TRY(files->read_at(file, at + PART_HEAD_BYTES, body + done, n, &got));
        if (got < n || part_checksum(h->salt, number, (struct sl_bytes){body + done, n}) != head[0])
            return SL_ECORRUPT;
        done += n;
    }
    return SL_OK;
}

static uint32_t header_checksum(const uint8_t page[HEADER_BYTES])
{
    size_t before = offsetof(struct page_header, crc32c);
    size_t after = before + sizeof(uint32_t);

    return crc32c(crc32c(0, page, before), page + after, HEADER_BYTES - after);
}

static uint32_t part_checksum(uint64_t salt, uint64_t number, struct sl_bytes body)
{
    uint64_t seed[2] = {salt, number};

    return crc32c(crc32c(0, seed, sizeof seed), body.at, body.len);
}

static uint64_t file_bytes(uint64_t body_len)
{
    uint64_t parts = (body_len + PART_BODY_BYTES - 1) / PART_BODY_BYTES;

    return HEADER_BYTES + parts * PART_HEAD_BYTES + body_len;
}
