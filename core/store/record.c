#include "core/store/record.h"

#include "core/base/crc32c.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the disk is little endian, as we are");
_Static_assert(RECORD_BATCH_BYTES == RECORD_HEADER_BYTES + 24, "three numbers");
_Static_assert(RECORD_END_BYTES == RECORD_HEADER_BYTES + 8, "one number");

static bool read_numbers(struct sl_bytes body, uint64_t *numbers, size_t n);

uint32_t record_checksum(const uint8_t *at, uint32_t length, uint64_t start_number, sl_lsn place)
{
    return crc32c(record_checksum_seed(start_number, place), at + 4, length - 4);
}

uint32_t record_checksum_seed(uint64_t start_number, sl_lsn place)
{
    uint64_t where[2] = {start_number, place.v};

    return crc32c(0, where, sizeof where);
}

void record_write(uint8_t *at, enum record_kind kind, uint64_t sequence, struct sl_bytes body,
                  uint64_t start_number, sl_lsn place)
{
    struct record_header h = {
        .length = record_length(body.len), .sequence = sequence, .kind = (uint16_t)kind};

    memset(at + h.length - 8, 0, 8);
    if (body.len != 0)
        memcpy(at + sizeof h, body.at, body.len);
    memcpy(at, &h, sizeof h);
    h.crc32c = record_checksum(at, h.length, start_number, place);
    memcpy(at, &h, sizeof h);
}

void record_write_batch(uint8_t at[RECORD_BATCH_BYTES], uint64_t sequence,
                        struct record_batch batch, uint64_t start_number, sl_lsn place)
{
    uint64_t body[3] = {batch.durable.v, start_number, batch.time};

    record_write(at, RECORD_BATCH, sequence, (struct sl_bytes){(const uint8_t *)body, sizeof body},
                 start_number, place);
}

void record_write_end(uint8_t at[RECORD_END_BYTES], uint64_t sequence, uint64_t next_base,
                      uint64_t start_number, sl_lsn place)
{
    struct sl_bytes body = {(const uint8_t *)&next_base, sizeof next_base};

    record_write(at, RECORD_END, sequence, body, start_number, place);
}

enum sl_err record_decode(struct sl_bytes in, uint64_t start_number, sl_lsn place,
                          struct record *record, uint32_t *length)
{
    struct record_header h;

    if (in.len < sizeof h)
        return SL_EAGAIN;
    memcpy(&h, in.at, sizeof h);
    if (h.length < sizeof h || h.length % 8 != 0 || h.length > RECORD_BYTES_MAX)
        return SL_ECORRUPT;
    if (in.len < h.length)
        return SL_EAGAIN;
    if (record_checksum(in.at, h.length, start_number, place) != h.crc32c)
        return SL_ECORRUPT;
    if (h.zero != 0)
        return SL_ENOTIMPL;
    *record =
        (struct record){h.kind, h.flags, {h.sequence}, {in.at + sizeof h, h.length - sizeof h}};
    *length = h.length;
    return SL_OK;
}

bool record_read_batch(const struct record *record, uint64_t start_number,
                       struct record_batch *batch)
{
    uint64_t numbers[3];

    if (!read_numbers(record->body, numbers, 3) || numbers[1] != start_number)
        return false;
    *batch = (struct record_batch){{numbers[0]}, numbers[2]};
    return true;
}

bool record_read_end(const struct record *record, uint64_t *next_base)
{
    return read_numbers(record->body, next_base, 1);
}

bool record_next_in_group(struct sl_bytes *rest, struct record *record)
{
    struct record_header h;

    if (rest->len < sizeof h)
        return false;
    memcpy(&h, rest->at, sizeof h);
    if (h.length < sizeof h || h.length % 8 != 0 || h.length > rest->len || h.zero != 0)
        return false;
    *record =
        (struct record){h.kind, h.flags, {h.sequence}, {rest->at + sizeof h, h.length - sizeof h}};
    *rest = sl_bytes_skip(*rest, h.length);
    return true;
}

static bool read_numbers(struct sl_bytes body, uint64_t *numbers, size_t n)
{
    if (body.len != n * sizeof *numbers)
        return false;
    memcpy(numbers, body.at, body.len);
    return true;
}
