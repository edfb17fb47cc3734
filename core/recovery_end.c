/* recovery_end.c - the part of recovery.h behind the last record: into the backlogs. */
#include "core/base/assert.h"
#include "core/delayed.h"
#include "core/discard.h"
#include "core/levels.h"
#include "core/recovery_parts.h"

#include <stdlib.h>

struct filling { /* one queue */
    struct recovery *recovery;
    struct recovered_queue *queue;
    struct shard *shard;
};

static void fill_queue(struct recovery *r, struct recovered_queue *q);
static void fill_chunk(void *context, uint8_t level, const struct stored_chunk *chunk);
static bool lies_in_log(const struct filling *f, const struct stored_chunk *chunk);
static void fill_entry(void *context, struct entry *entry);
static void note_lent(struct recovered_queue *q, sl_seq first, sl_seq last);
static void put_aside(struct recovery *r, struct recovered_queue *q, const struct entry *entry,
                      enum discard_reason reason);
static enum sl_err fetch_message(struct log_reader *reader, struct entry *entry);

enum sl_err recovery_fill(struct recovery *r, struct commit_log *log)
{
    struct log_reader *reader = log_reader_new(log);
    struct recovered_queue *q;
    size_t cursor = 0;

    if (reader == NULL)
        return SL_ENOMEM;
    r->reader = NULL; /* the one of the reading is gone */
    r->log_end = commit_log_end(log).v;
    while (r->err == SL_OK && (q = hash_map_next(&r->queues, &cursor)) != NULL) {
        if (r->stretch_bytes != 0 && r->stretch_bytes != r->shards[q->shard]->live.stretch_bytes)
            r->err = survivors_open(&q->survivors, reader, true);
        if (r->err == SL_OK)
            r->err = recovery_decide_doubtful(q, reader);
        if (r->err == SL_OK)
            fill_queue(r, q);
    }
    log_reader_free(reader);
    return r->err;
}

enum sl_err recovery_decide(struct recovery *r, struct commit_log *log)
{
    struct log_reader *reader = NULL;
    struct recovered_queue *q_at;
    size_t cursor = 0;
    enum sl_err err = SL_OK;

    while ((q_at = hash_map_next(&r->queues, &cursor)) != NULL)
        recovery_log_doubtful(r, q_at);
    for (size_t i = 0; i < r->refused_count && err == SL_OK; i++) {
        struct refused *refused = &r->refused[i];
        struct queue *q = refused->queue->queue;
        if (refused->entry.msg == NULL && discard_needs_message(q)) {
            if (reader == NULL)
                reader = log_reader_new(log);
            err = reader == NULL ? SL_ENOMEM : fetch_message(reader, &refused->entry);
        }
        if (err != SL_OK)
            break;
        struct entry entry = refused->entry;
        refused->entry.msg = NULL;
        queue_discard(r->shards[refused->queue->shard], q, &entry, refused->reason);
    }
    for (uint32_t i = 0; i < r->topology->shards; i++)
        run_hand_over(r->shards[i]->run);
    if (reader != NULL)
        log_reader_free(reader);
    return err;
}

static void fill_queue(struct recovery *r, struct recovered_queue *q)
{
    struct filling filling = {r, q, r->shards[q->shard]};

    q->queue->mark = q->queue->next_mark = q->mark;
    survivors_hand_over(&q->survivors, fill_chunk, fill_entry, &filling);
    q->queue->was_lent_to = q->queue->lent;
    if (q->queue->prepared != NULL)
        prepared_restored(filling.shard, q->queue);
    queue_restored(filling.shard, q->queue);
}

static void fill_chunk(void *context, uint8_t level, const struct stored_chunk *chunk)
{
    struct filling *f = context;
    struct queue *q = f->queue->queue;

    if (q->delayed != NULL && lies_in_log(f, chunk)) {
        delayed_restore_chunk(f->shard, q, level, chunk);
        return;
    }
    if (!lies_in_log(f, chunk) || q->prepared != NULL) {
        f->recovery->err = SL_ECORRUPT;
        return;
    }
    note_lent(f->queue, chunk->first, chunk->last);
    queue_push_stored(f->shard, q, level, chunk);
}

static bool lies_in_log(const struct filling *f, const struct stored_chunk *chunk)
{
    uint64_t end = f->recovery->log_end;

    for (uint32_t i = 0; i < chunk->spans_count; i++)
        if (chunk->spans[i].stretch > end / f->shard->live.stretch_bytes)
            return false;
    return chunk->place.v < end && chunk->highest.v < end;
}

/* What has come back stands in front, with its count; what may have been out is in its own place
 * and says so when it is lent. */
static void fill_entry(void *context, struct entry *entry)
{
    struct filling *f = context;
    struct queue *q = f->queue->queue;
    bool is_refused = (entry->flags & SURVIVOR_REFUSED) != 0;
    bool is_beyond = entry->returns > q->rules.delivery_limit;

    if (entry->place.v >= f->recovery->log_end) {
        f->recovery->err = SL_ECORRUPT;
        if (entry->msg != NULL)
            message_unref(entry->msg);
        return;
    }
    if (q->prepared != NULL) {
        entry->deadline = 0;
        if (!prepared_restore(f->shard, q, entry)) {
            f->recovery->err = SL_ECORRUPT;
            if (entry->msg != NULL)
                message_unref(entry->msg);
        }
        return;
    }
    entry->flags &= (uint8_t)~SURVIVOR_REFUSED;
    if (q->delayed != NULL) {
        delayed_restore(f->shard, q, entry);
        return;
    }
    if (entry->seq.v <= f->queue->mark)
        entry->flags |= ENTRY_WAS_LENT;
    shard_begin_entry(f->shard, entry);
    note_lent(f->queue, entry->seq, entry->seq);
    if (is_refused || is_beyond)
        put_aside(f->recovery, f->queue, entry,
                  is_refused ? DISCARD_REJECTED : DISCARD_DELIVERY_LIMIT);
    else if (entry->returns > 0)
        queue_return(f->shard, q, entry);
    else
        queue_push(q, entry);
}

static void note_lent(struct recovered_queue *q, sl_seq first, sl_seq last)
{
    uint64_t lent = last.v <= q->mark ? last.v : q->mark;

    if (first.v <= q->mark && lent > q->queue->lent)
        q->queue->lent = lent;
}

static void put_aside(struct recovery *r, struct recovered_queue *q, const struct entry *entry,
                      enum discard_reason reason)
{
    if (r->refused_count == r->refused_room) {
        r->refused_room = r->refused_room == 0 ? 16 : r->refused_room * 2;
        r->refused = realloc(r->refused, r->refused_room * sizeof *r->refused);
        SL_ASSERT(r->refused != NULL); /* bounded by what was out */
    }
    r->refused[r->refused_count++] = (struct refused){q, reason, *entry};
}

static enum sl_err fetch_message(struct log_reader *reader, struct entry *entry)
{
    struct record record;
    struct journal_entry e;

    enum sl_err err = log_reader_read(reader, entry->place, entry->record_len, &record);
    if (err != SL_OK)
        return err == SL_ENOENT ? SL_ECORRUPT : err;
    SL_TRY(journal_read(&record, &e));
    return journal_read_message(&record, &e, &entry->msg);
}
