/* What queues write of themselves: messages that go out of memory, and purges. */
#include "core/base/assert.h"
#include "core/journal.h"

static size_t number_bytes(uint64_t number);
static void write_number(struct sl_writer *w, uint64_t number);

uint64_t journal_paged(struct log_run *r, struct message *msg, uint32_t *record_len)
{
    struct sl_bytes encoded = message_route(msg);
    struct sl_bytes properties = message_properties(msg);
    struct sl_bytes body = message_body(msg);
    size_t head = 4 + encoded.len + 4 + properties.len + 4;
    bool is_lent = body.len > LOG_COPY_MAX;
    uint64_t offset = r->bytes;
    uint8_t *at = is_lent ? log_run_add_lent(r, RECORD_PAGED, 0, head, body, message_release,
                                             message_ref(msg))
                          : log_run_add(r, RECORD_PAGED, 0, false, head + body.len);
    struct sl_writer w = {at, at + head + (is_lent ? 0 : body.len), false};

    log_run_set_flags(at, journal_flags(msg));
    sl_write_u32(&w, 0);
    sl_write_bytes(&w, encoded);
    sl_write_long_string(&w, properties);
    sl_write_u32(&w, (uint32_t)body.len);
    if (!is_lent)
        sl_write_bytes(&w, body);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
    *record_len = record_length(head + body.len);
    return offset;
}

void journal_purged(struct journal *j, uint64_t queue_number, sl_seq highest, const sl_seq *stay,
                    uint32_t n)
{
    size_t bytes = 8 + 8 + 4 + (n > 0 ? 8 : 0);

    if (j->is_off)
        return;
    journal_flush(j);
    for (uint32_t i = 1; i < n; i++)
        bytes += number_bytes(stay[i].v - stay[i - 1].v);
    uint8_t *at = log_run_add(&j->run, RECORD_PURGED, 0, false, bytes);
    struct sl_writer w = {at, at + bytes, false};
    sl_write_u64(&w, queue_number);
    sl_write_u64(&w, highest.v);
    sl_write_u32(&w, n);
    if (n > 0)
        sl_write_u64(&w, stay[0].v);
    for (uint32_t i = 1; i < n; i++)
        write_number(&w, stay[i].v - stay[i - 1].v);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
}

static size_t number_bytes(uint64_t number)
{
    size_t n = 1;

    while ((number >>= 7) != 0)
        n++;
    return n;
}

static void write_number(struct sl_writer *w, uint64_t number)
{
    while (number >= 0x80) {
        sl_write_u8(w, (uint8_t)(number | 0x80));
        number >>= 7;
    }
    sl_write_u8(w, (uint8_t)number);
}
