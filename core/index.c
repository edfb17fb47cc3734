#include "core/index.h"

static void write_entry(struct sl_writer *w, const struct entry *entry, uint32_t last);
static uint32_t read_entry(struct sl_reader *r, struct entry *entry);

void index_write(uint8_t *at, uint64_t queue_number, const struct entry *entries, uint32_t count)
{
    struct sl_writer w = {at, at + index_bytes(count), false};

    sl_write_u64(&w, queue_number);
    sl_write_u32(&w, count);
    sl_write_u32(&w, 0);
    for (uint32_t i = 0; i < count; i++)
        write_entry(&w, &entries[i], 0);
}

enum sl_err index_read(struct sl_bytes body, uint64_t *queue_number, struct entry *entries,
                       uint32_t room, uint32_t *count)
{
    struct sl_reader r = sl_reader_of(body);

    *queue_number = sl_read_u64(&r);
    *count = sl_read_u32(&r);
    uint32_t zero = sl_read_u32(&r);
    if (r.is_short || zero != 0 || *count == 0 || *count > room ||
        sl_reader_left(&r) < (size_t)*count * INDEX_ENTRY_BYTES)
        return SL_ECORRUPT;
    for (uint32_t i = 0; i < *count; i++) {
        if (read_entry(&r, &entries[i]) != 0 || entries[i].seq.v == 0 ||
            (i > 0 && entries[i].seq.v <= entries[i - 1].seq.v))
            return SL_ECORRUPT;
    }
    return sl_reader_left(&r) > 7 ? SL_ECORRUPT : SL_OK;
}

void index_write_entry(uint8_t *at, const struct entry *entry)
{
    struct sl_writer w = {at, at + INDEX_ENTRY_BYTES, false};

    write_entry(&w, entry, entry->returns);
}

void index_read_entry(const uint8_t *at, struct entry *entry)
{
    struct sl_reader r = sl_reader_of((struct sl_bytes){at, INDEX_ENTRY_BYTES});

    entry->returns = read_entry(&r, entry);
}

static void write_entry(struct sl_writer *w, const struct entry *entry, uint32_t last)
{
    sl_write_u64(w, entry->seq.v);
    sl_write_u64(w, entry->place.v);
    sl_write_u64(w, entry->deadline);
    sl_write_u32(w, entry->record_len);
    sl_write_u32(w, entry->body_len);
    sl_write_u16(w, entry->copies);
    sl_write_u8(w, entry->priority);
    sl_write_u8(w, entry->flags);
    sl_write_u32(w, last);
}

static uint32_t read_entry(struct sl_reader *r, struct entry *entry)
{
    *entry = (struct entry){.seq.v = sl_read_u64(r)};
    entry->place.v = sl_read_u64(r);
    entry->deadline = sl_read_u64(r);
    entry->record_len = sl_read_u32(r);
    entry->body_len = sl_read_u32(r);
    entry->copies = sl_read_u16(r);
    entry->priority = sl_read_u8(r);
    entry->flags = sl_read_u8(r);
    return sl_read_u32(r);
}
