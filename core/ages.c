#include "core/ages.h"

#define SHARE 16u /* of an age, that it may be wrong by */

static void thin_out(struct ages *a, uint64_t now_ms);

/* While no sequence is given the last mark moves along: what comes next comes later. */
void ages_note(struct ages *a, uint64_t seq, uint64_t ms)
{
    struct age_mark *last = a->count == 0 ? NULL : &a->marks[a->count - 1];

    if (last != NULL && (seq < last->seq || ms < last->ms))
        return;
    if (last != NULL && seq == last->seq) {
        last->ms = ms;
        return;
    }
    if (last != NULL && ms - last->ms < AGES_STEP_MS)
        return;
    thin_out(a, ms);
    a->marks[a->count++] = (struct age_mark){seq, ms};
}

uint64_t ages_time(const struct ages *a, uint64_t seq)
{
    uint32_t low = 0;
    uint32_t high = a->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (a->marks[middle].seq <= seq)
            low = middle;
        else
            high = middle;
    }
    return a->count == 0 ? 0 : a->marks[low].ms;
}

size_t ages_write(const struct ages *a, uint8_t room[AGES_BYTES_MAX])
{
    struct sl_writer w = {room, room + AGES_BYTES_MAX, false};

    sl_write_u32(&w, a->count);
    for (uint32_t i = 0; i < a->count; i++) {
        sl_write_u64(&w, a->marks[i].seq);
        sl_write_u64(&w, a->marks[i].ms);
    }
    return (size_t)(w.pos - room);
}

enum sl_err ages_read(struct ages *a, struct sl_bytes body)
{
    struct sl_reader r = sl_reader_of(body);
    uint32_t count = sl_read_u32(&r);
    struct age_mark before = {0, 0};

    a->count = 0;
    if (r.is_short || count > AGES_MARKS_MAX)
        return SL_ECORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        struct age_mark mark = {sl_read_u64(&r), sl_read_u64(&r)};
        if (r.is_short || (i != 0 && mark.seq <= before.seq) || mark.ms < before.ms)
            return SL_ECORRUPT;
        a->marks[i] = before = mark;
    }
    a->count = count;
    return SL_OK;
}

/* Takes out marks whose neighbours are near enough to each other for their age; and the oldest
 * where that leaves no room. */
static void thin_out(struct ages *a, uint64_t now_ms)
{
    uint32_t kept = a->count == 0 ? 0 : 1;

    for (uint32_t i = 1; i < a->count; i++) {
        bool is_last = i + 1 == a->count;
        if (is_last ||
            a->marks[i + 1].ms - a->marks[kept - 1].ms > (now_ms - a->marks[i + 1].ms) / SHARE)
            a->marks[kept++] = a->marks[i];
    }
    a->count = kept;
    if (a->count < AGES_MARKS_MAX)
        return;
    memmove(a->marks, a->marks + 1, (AGES_MARKS_MAX - 1) * sizeof *a->marks);
    a->count--;
}
