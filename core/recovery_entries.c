/* recovery_entries.c - the part of recovery.h that knows what queues hold.
 *
 * A queue that is not there any more was deleted while a record about it was on its way, and an
 * entry that is not there was settled before, or went with a purge: no harm. */
#include "core/delayed.h"
#include "core/known_headers.h"
#include "core/memory.h"
#include "core/recovery_parts.h"

static enum sl_err add_message(struct recovery *r, const struct record *record,
                               const struct journal_entry *e, sl_lsn place);
static enum sl_err keep_message(struct recovery *r, const struct record *record,
                                const struct journal_entry *e, struct message **out);
static void forget_ids(struct recovery *r, struct journal_entry e);
static enum sl_err each_entry(struct recovery *r, struct journal_entry *e,
                              void (*change)(struct recovery *r, struct recovered_queue *q,
                                             struct entry *entry, const struct journal_entry *e));
static void settle(struct recovery *r, struct recovered_queue *q, struct entry *entry,
                   const struct journal_entry *e);
static void count(struct recovery *r, struct recovered_queue *q, struct entry *entry,
                  const struct journal_entry *e);
static void refuse(struct recovery *r, struct recovered_queue *q, struct entry *entry,
                   const struct journal_entry *e);
static enum sl_err end_source(struct recovery *r, const struct journal_entry *e);
static enum sl_err move(struct recovery *r, const struct record *record,
                        const struct journal_entry *e, sl_lsn place);
static enum sl_err purge(struct recovery *r, struct journal_entry *e);
static bool next_of_list(void *context, uint64_t *seq);

enum sl_err recovery_replay_entries(struct recovery *r, const struct record *record,
                                    struct journal_entry *e, sl_lsn place)
{
    struct recovered_queue *q;

    switch (record->kind) {
    case RECORD_MESSAGE: return add_message(r, record, e, place);
    case RECORD_SETTLED: forget_ids(r, *e); return each_entry(r, e, settle);
    case RECORD_RETURNED: return each_entry(r, e, count);
    case RECORD_REJECTED: forget_ids(r, *e); return each_entry(r, e, refuse);
    case RECORD_LENT:
        q = recovered_queue_find(r, e->number);
        if (q != NULL)
            q->mark = e->mark;
        return SL_OK;
    case RECORD_RELEASED:
    case RECORD_DEAD_LETTERED: SL_TRY(end_source(r, e)); return add_message(r, record, e, place);
    case RECORD_MOVED: return move(r, record, e, place);
    case RECORD_PURGED: return purge(r, e);
    case RECORD_OUTCOME:
        SL_TRY(end_source(r, e));
        q = recovered_queue_find(r, e->number);
        if (q != NULL)
            prepared_replay_outcome(q->queue, e);
        return SL_OK;
    case RECORD_CHECKED:
        q = recovered_queue_find(r, e->number);
        if (q != NULL)
            prepared_replay_check(q->queue, e, record->sequence);
        return SL_OK;
    case RECORD_DUPLICATES: return recovery_obey_verdicts(r, e);
    case RECORD_INDEX:
    case RECORD_OUTCOMES:
    case RECORD_PAGED: return SL_OK;
    default: return SL_ECORRUPT;
    }
}

static enum sl_err add_message(struct recovery *r, const struct record *record,
                               const struct journal_entry *e, sl_lsn place)
{
    struct sl_reader numbers = sl_reader_of(e->numbers);
    struct message *msg;
    size_t copies = e->numbers.len / 8;
    enum sl_err err = keep_message(r, record, e, &msg);
    struct entry entry = {.msg = msg,
                          .seq = record->sequence,
                          .place = place,
                          .record_len = RECORD_HEADER_BYTES + (uint32_t)record->body.len,
                          .body_len = (uint32_t)e->body.len,
                          .copies = (uint16_t)(copies < UINT16_MAX ? copies : UINT16_MAX),
                          .flags = ENTRY_LOGGED};

    uint8_t marks = known_headers_marks(e->properties);

    r->messages++;
    while (err == SL_OK && sl_reader_left(&numbers) > 0) {
        struct recovered_queue *q = recovered_queue_find(r, sl_read_u64(&numbers));
        if (q == NULL)
            continue;
        if (q->queue->prepared != NULL)
            err = prepared_replay_message(q->queue, record->sequence, e, r->time);
        if (err != SL_OK)
            break;
        entry.priority = rules_priority(&q->queue->rules, e->properties);
        entry.deadline = rules_deadline(&q->queue->rules, e->properties, r->time);
        if (q->queue->delayed != NULL)
            delayed_replay(q->queue, e, r->time, &entry);
        err = survivors_add(&q->survivors, &entry);
        if (err == SL_OK && msg != NULL)
            message_ref(msg);
        if (err == SL_OK)
            recovery_ask_id(r, q, marks, record, e);
    }
    if (msg != NULL)
        message_unref(msg);
    return err;
}

/* Whatever the backlog, memory is not: what comes later is fetched when it is wanted. */
static enum sl_err keep_message(struct recovery *r, const struct record *record,
                                const struct journal_entry *e, struct message **out)
{
    *out = NULL;
    memory_settle();
    if (memory_used() + e->body.len > r->resident_bytes)
        return SL_OK;
    return journal_read_message(record, e, out);
}

/* Also of entries that a checkpoint has not any more: they were gone before their records had a
 * place. */
static void forget_ids(struct recovery *r, struct journal_entry e)
{
    struct recovered_queue *q = recovered_queue_find(r, e.number);
    uint64_t seq;

    while (q != NULL && q->queue->dedup != NULL && journal_next(&e, &seq))
        recovery_forget_id(r, q, (sl_seq){seq});
}

static enum sl_err each_entry(struct recovery *r, struct journal_entry *e,
                              void (*change)(struct recovery *r, struct recovered_queue *q,
                                             struct entry *entry, const struct journal_entry *e))
{
    struct recovered_queue *q = recovered_queue_find(r, e->number);
    struct entry *entry;
    uint64_t seq;

    while (q != NULL && journal_next(e, &seq)) {
        SL_TRY(survivors_find(&q->survivors, r->reader, (sl_seq){seq}, &entry));
        if (entry != NULL)
            change(r, q, entry, e);
    }
    return SL_OK;
}

static void settle(struct recovery *r, struct recovered_queue *q, struct entry *entry,
                   const struct journal_entry *e)
{
    (void)r;
    (void)e;
    survivors_end(&q->survivors, entry);
}

static void count(struct recovery *r, struct recovered_queue *q, struct entry *entry,
                  const struct journal_entry *e)
{
    (void)r;
    (void)q;
    if (e->returns > entry->returns)
        entry->returns = e->returns;
}

static void refuse(struct recovery *r, struct recovered_queue *q, struct entry *entry,
                   const struct journal_entry *e)
{
    if (q->queue->rules.has_dead_letter_exchange)
        entry->flags |= SURVIVOR_REFUSED;
    else
        settle(r, q, entry, e);
}

static enum sl_err end_source(struct recovery *r, const struct journal_entry *e)
{
    struct recovered_queue *q = recovered_queue_find(r, e->number);
    struct entry *entry;

    if (q == NULL)
        return SL_OK;
    recovery_forget_id(r, q, (sl_seq){e->source});
    SL_TRY(survivors_find(&q->survivors, r->reader, (sl_seq){e->source}, &entry));
    if (entry != NULL)
        survivors_end(&q->survivors, entry);
    return SL_OK;
}

static enum sl_err move(struct recovery *r, const struct record *record,
                        const struct journal_entry *e, sl_lsn place)
{
    struct sl_reader numbers = sl_reader_of(e->numbers);
    size_t copies = e->numbers.len / 8;

    while (sl_reader_left(&numbers) > 0) {
        struct recovered_queue *q = recovered_queue_find(r, sl_read_u64(&numbers));
        struct entry *entry = NULL;
        if (q != NULL)
            SL_TRY(survivors_find(&q->survivors, r->reader, record->sequence, &entry));
        if (entry == NULL)
            continue;
        entry->place = place;
        entry->record_len = RECORD_HEADER_BYTES + (uint32_t)record->body.len;
        entry->copies = (uint16_t)(copies < UINT16_MAX ? copies : UINT16_MAX);
    }
    return SL_OK;
}

static enum sl_err purge(struct recovery *r, struct journal_entry *e)
{
    struct recovered_queue *q = recovered_queue_find(r, e->number);

    if (q == NULL)
        return SL_OK;
    recovery_forget_ids(r, q, *e);
    return survivors_purge(&q->survivors, r->reader, (sl_seq){e->highest}, next_of_list, e);
}

static bool next_of_list(void *context, uint64_t *seq)
{
    return journal_next(context, seq);
}
