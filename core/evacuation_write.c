/* Messages of an evacuation: from where they are, to the end of the log. */
#include "core/aside.h"
#include "core/base/assert.h"
#include "core/evacuation_parts.h"

#define BATCH_MOVES 256u           /* entries in one run */
#define AHEAD_BYTES (1024u * 1024) /* written before the log must have followed */

static size_t same_record(const struct moving *m, size_t first);
static struct entry *entry_to_move(const struct shard *s, const struct moving *m,
                                   const struct move *move);
static void take_messages(struct moving *m);
static void write_record(struct shard *s, struct moving *m, struct log_run *run, size_t first);
static void note_place(struct shard *s, struct moving *m, sl_lsn start, size_t first);
static void move_single(struct shard *s, const struct remnant *single, struct entry *entry,
                        const struct entry *moved);
static uint64_t queue_number(const struct shard *s, const struct moving *m,
                             const struct move *move);

/* One past the last move of the record that the first one is of. */
static size_t same_record(const struct moving *m, size_t first)
{
    size_t end = first + 1;

    while (end < m->moves_count && m->moves[end].place.v == m->moves[first].place.v)
        end++;
    return end;
}

/* NULL: it is not there any more, or not where it was. */
static struct entry *entry_to_move(const struct shard *s, const struct moving *m,
                                   const struct move *move)
{
    if (move->single != NULL)
        return remnant_entry(s, move->single);
    const struct group_chunk *chunk = &m->chunks[move->chunk];
    return remnant_backlog(s, chunk->remnant) != NULL ? &chunk->index->entries[move->at] : NULL;
}

void evacuation_gather(struct shard *s, struct moving *m)
{
    struct fetch_request *r = fetch_request_new(FETCH_ENTRIES);
    uint64_t bytes = 0;
    size_t at = m->batch_to;

    m->batch_from = at;
    while (at < m->moves_count && at - m->batch_from < BATCH_MOVES && bytes < SL_CHUNK_BODY_BYTES &&
           r->count < SL_CHUNK_ENTRIES_MAX) {
        size_t end = same_record(m, at);
        const struct entry *entry = NULL;
        for (size_t i = at; i < end && (entry == NULL || entry->msg == NULL); i++) {
            const struct entry *one = entry_to_move(s, m, &m->moves[i]);
            entry = one != NULL ? one : entry;
        }
        if (entry != NULL && entry->msg != NULL)
            m->moves[at].msg = message_ref(entry->msg);
        else if (entry != NULL)
            r->entries[r->count++] = *entry;
        bytes += entry != NULL ? entry->record_len : 0;
        at = end;
    }
    m->batch_to = at;
    m->phase = m->batch_to > m->batch_from ? PHASE_WRITE : PHASE_OPEN;
    if (r->count > 0)
        evacuation_post(s, m, r);
    else
        fetch_request_free(r);
}

/* Both are in the order of places. */
static void take_messages(struct moving *m)
{
    struct fetch_request *r = m->messages;
    size_t at = m->batch_from;

    for (uint32_t i = 0; r != NULL && i < r->count; i++) {
        while (at < m->batch_to && m->moves[at].place.v < r->entries[i].place.v)
            at = same_record(m, at);
        SL_ASSERT(at < m->batch_to && m->moves[at].place.v == r->entries[i].place.v);
        m->moves[at].msg = r->entries[i].msg;
        r->entries[i].msg = NULL;
    }
    if (r != NULL)
        fetch_request_free(r);
    m->messages = NULL;
}

void evacuation_write(struct shard *s, struct moving *m)
{
    struct log_run *run = &s->run->at_once;

    take_messages(m);
    for (size_t at = m->batch_from; at < m->batch_to; at = same_record(m, at))
        write_record(s, m, run, at);
    m->phase = PHASE_GATHER;
    if (run->records == 0)
        return;
    struct log_place place = order_place(s->run->order, run);
    for (size_t at = m->batch_from; at < m->batch_to; at = same_record(m, at))
        note_place(s, m, place.start, at);
    m->has_moved = true;
    m->ahead += place.end.v - place.start.v;
    if (m->ahead < AHEAD_BYTES)
        return;
    order_hurry(s->run->order);
    m->waits_for = place.end;
    m->ahead = 0;
}

/* For those of the record's entries that are still there; none: nothing is written. */
static void write_record(struct shard *s, struct moving *m, struct log_run *run, size_t first)
{
    struct move *lead = &m->moves[first];
    uint32_t logged = 0;
    uint32_t found = 0;

    for (size_t i = first; i < same_record(m, first); i++) {
        const struct entry *entry = entry_to_move(s, m, &m->moves[i]);
        if (entry == NULL)
            continue;
        found++;
        if ((entry->flags & ENTRY_LOGGED) != 0)
            m->numbers[logged++] = queue_number(s, m, &m->moves[i]);
    }
    if (found > 0 && lead->msg != NULL) {
        lead->offset = run->bytes;
        if (logged > 0)
            journal_moved(run, lead->seq, m->numbers, logged, lead->msg);
        else
            journal_paged(run, lead->msg, &lead->record_len);
        lead->record_len = (uint32_t)(run->bytes - lead->offset);
        lead->copies = (uint16_t)(found < UINT16_MAX ? found : UINT16_MAX);
        atomic_fetch_add_explicit(&m->evacuation->records, 1, memory_order_relaxed);
    } else
        m->left += found;
    if (lead->msg != NULL)
        message_unref(lead->msg);
    lead->msg = NULL;
}

/* The new place is live before the old one is not. */
static void note_place(struct shard *s, struct moving *m, sl_lsn start, size_t first)
{
    const struct move *lead = &m->moves[first];
    size_t end = lead->record_len != 0 ? same_record(m, first) : first;

    for (size_t i = first; i < end; i++) {
        struct move *move = &m->moves[i];
        struct entry *entry = entry_to_move(s, m, move);
        if (entry == NULL)
            continue;
        struct entry moved = *entry;
        moved.place.v = start.v + lead->offset;
        moved.record_len = lead->record_len;
        moved.copies = lead->copies;
        live_add(&s->live, moved.place, live_entry_bytes(&moved), 1);
        move->was_live = live_entry_bytes(entry);
        if (move->single == NULL) {
            *entry = moved; /* the queue's own is changed when the chunk is opened */
            move->is_written = true;
            m->chunks[move->chunk].written++;
            continue;
        }
        move_single(s, move->single, entry, &moved);
        live_sub(&s->live, move->place, move->was_live, 1);
        atomic_fetch_add_explicit(&m->evacuation->entries, 1, memory_order_relaxed);
    }
}

static void move_single(struct shard *s, const struct remnant *single, struct entry *entry,
                        const struct entry *moved)
{
    if (single->consumer.generation != 0 ||
        aside_find(shard_queue(s, single->queue), single->seq) == entry) {
        *entry = *moved;
        return;
    }
    bool is_there = backlog_moved(remnant_backlog(s, single), moved->seq, moved->place,
                                  moved->record_len, moved->copies);
    SL_ASSERT(is_there);
}

static uint64_t queue_number(const struct shard *s, const struct moving *m, const struct move *move)
{
    const struct remnant *at = move->single != NULL ? move->single : m->chunks[move->chunk].remnant;

    return shard_queue(s, at->queue)->ref.number;
}
