/* recovery_dedup.c - the part of recovery.h that knows ids (dedup.h).
 *
 * Records say what did not enter, up to the last of them.  Behind that one a start decides anew, by
 * the ids that it has read itself; what it finds to be a duplicate is put aside until a later
 * record says otherwise, and at the end said in the log. */
#include "core/base/assert.h"
#include "core/id_keeping.h"
#include "core/known_headers.h"
#include "core/recovery_parts.h"

#include <stdlib.h>

#define ROOM_FIRST 16u

static enum sl_err on_id(void *context, uint64_t queue, uint64_t source,
                         const struct remembered_id *id);
static enum sl_err on_gone(void *context, uint64_t queue, sl_seq seq);
static enum sl_err on_file(void *context, uint64_t number);
static void enter_loose(struct recovery *r, struct recovered_queue *q);
static int by_sequence(const void *a, const void *b);
static int by_id_sequence(const void *a, const void *b);
static void add_doubtful(struct recovered_queue *q, sl_seq seq);

void recovery_use_secret(struct recovery *r, struct log_reader *reader)
{
    dedup_secret_make(&r->shards[0]->dedup->secret, log_reader_start_number(reader));
}

enum sl_err recovery_read_ids(struct recovery *r, struct sl_bytes section)
{
    struct id_visitor visitor = {.id = on_id, .gone = on_gone, .file = on_file, .context = r};
    struct dedup_node *node = r->shards[0]->dedup;
    struct recovered_queue *q;
    size_t cursor = 0;

    SL_TRY(id_keeping_read(log_reader_files(r->reader), log_reader_start_number(r->reader), section,
                           &visitor, &node->files, &node->files_count));
    while ((q = hash_map_next(&r->queues, &cursor)) != NULL)
        enter_loose(r, q);
    return SL_OK;
}

/* A queue that is not there any more took its ids along. */
static enum sl_err on_id(void *context, uint64_t queue, uint64_t source,
                         const struct remembered_id *id)
{
    struct recovery *r = context;
    struct recovered_queue *q = recovered_queue_find(r, queue);

    if (q == NULL)
        return SL_OK;
    if (source == 0 && !q->queue->dedup_rules.is_until_settled) {
        dedup_restore(r->shards[q->shard], q->queue, source, id);
        return SL_OK;
    }
    if (q->loose_count == q->loose_room) {
        q->loose_room = q->loose_room == 0 ? ROOM_FIRST : q->loose_room * 2;
        q->loose = realloc(q->loose, q->loose_room * sizeof *q->loose);
        if (q->loose == NULL)
            return SL_ENOMEM;
    }
    q->loose[q->loose_count++] = (struct loose_id){source, *id};
    return SL_OK;
}

static enum sl_err on_gone(void *context, uint64_t queue, sl_seq seq)
{
    struct recovered_queue *q = recovered_queue_find(context, queue);

    if (q == NULL)
        return SL_OK;
    if (q->gone_count == q->gone_room) {
        q->gone_room = q->gone_room == 0 ? ROOM_FIRST : q->gone_room * 2;
        q->gone = realloc(q->gone, q->gone_room * sizeof *q->gone);
        if (q->gone == NULL)
            return SL_ENOMEM;
    }
    q->gone[q->gone_count++] = seq;
    return SL_OK;
}

static enum sl_err on_file(void *context, uint64_t number)
{
    struct recovery *r = context;
    struct recovered_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&r->queues, &cursor)) != NULL) {
        if (q->queue->dedup != NULL)
            id_window_saved(&q->queue->dedup->kept, number);
        if (q->first_file == 0 && q->loose_count != 0)
            q->first_file = number;
    }
    return SL_OK;
}

/* Some may be there twice, as they were written again (id_window_renew). */
static void enter_loose(struct recovery *r, struct recovered_queue *q)
{
    uint32_t gone = 0;

    if (q->loose_count != 0)
        qsort(q->loose, q->loose_count, sizeof *q->loose, by_id_sequence);
    if (q->gone_count != 0)
        qsort(q->gone, q->gone_count, sizeof *q->gone, by_sequence);
    for (uint32_t i = 0; i < q->loose_count; i++) {
        while (gone < q->gone_count && q->gone[gone].v < q->loose[i].id.seq.v)
            gone++;
        if (q->loose[i].source != 0 || gone == q->gone_count ||
            q->gone[gone].v != q->loose[i].id.seq.v)
            dedup_restore(r->shards[q->shard], q->queue, q->loose[i].source, &q->loose[i].id);
    }
    for (struct dedup *d = q->queue->dedup; d != NULL && q->first_file != 0; d = d->next)
        id_window_saved(&d->kept, q->first_file);
    free(q->loose);
    free(q->gone);
    q->loose = NULL;
    q->gone = NULL;
    q->loose_count = q->gone_count = 0;
}

static int by_sequence(const void *a, const void *b)
{
    const sl_seq *left = a;
    const sl_seq *right = b;

    return left->v < right->v ? -1 : left->v > right->v;
}

static int by_id_sequence(const void *a, const void *b)
{
    const struct loose_id *left = a;
    const struct loose_id *right = b;

    return by_sequence(&left->id.seq, &right->id.seq);
}

void recovery_ask_id(struct recovery *r, struct recovered_queue *q, uint8_t marks,
                     const struct record *record, const struct journal_entry *e)
{
    struct dedup_publish publish = {.properties = e->properties,
                                    .has_id = (marks & MARK_DEDUP) != 0,
                                    .by_exchange = e->by_exchange,
                                    .is_logged = true,
                                    .seq = record->sequence,
                                    .time = r->time};
    struct sl_reader route = sl_reader_of(e->route);

    bool is_published = record->kind == RECORD_MESSAGE || record->kind == RECORD_RELEASED;

    if (!is_published || e->is_moved || q->queue->prepared != NULL || q->queue->delayed != NULL)
        return;
    publish.exchange = sl_read_short_string(&route);
    if (dedup_decide(r->shards[q->shard], q->queue, &publish))
        add_doubtful(q, record->sequence);
}

void recovery_forget_id(struct recovery *r, struct recovered_queue *q, sl_seq seq)
{
    if (q->queue->dedup != NULL && q->queue->dedup_rules.is_until_settled)
        dedup_forget(r->shards[q->shard], q->queue, seq);
}

void recovery_forget_ids(struct recovery *r, struct recovered_queue *q, struct journal_entry e)
{
    sl_seq *stay;
    uint32_t n = 0;
    uint64_t seq;

    if (q->queue->dedup == NULL || !q->queue->dedup_rules.is_until_settled)
        return;
    stay = malloc((sl_reader_left(&e.list) + 2) * sizeof *stay); /* an octet each, at least */
    SL_ASSERT(stay != NULL);
    while (journal_next(&e, &seq))
        stay[n++].v = seq;
    dedup_forget_all(r->shards[q->shard], q->queue, (sl_seq){e.highest}, stay, n);
    free(stay);
}

enum sl_err recovery_obey_verdicts(struct recovery *r, struct journal_entry *e)
{
    struct recovered_queue *q = recovered_queue_find(r, e->number);
    struct entry *entry;
    uint64_t seq = 0;
    uint32_t left = 0;

    while (q != NULL && journal_next(e, &seq)) {
        SL_TRY(survivors_find(&q->survivors, r->reader, (sl_seq){seq}, &entry));
        if (entry != NULL)
            survivors_end(&q->survivors, entry);
        if (q->queue->dedup != NULL) /* it was there by what is not kept over a start */
            dedup_undo(r->shards[q->shard], q->queue, (sl_seq){seq});
    }
    for (uint32_t i = 0; q != NULL && i < q->doubtful_count; i++)
        if (q->doubtful[i].v > seq)
            q->doubtful[left++] = q->doubtful[i];
    if (q != NULL)
        q->doubtful_count = left;
    return SL_OK;
}

enum sl_err recovery_decide_doubtful(struct recovered_queue *q, struct log_reader *reader)
{
    struct entry *entry;

    for (uint32_t i = 0; i < q->doubtful_count; i++) {
        SL_TRY(survivors_find(&q->survivors, reader, q->doubtful[i], &entry));
        if (entry != NULL)
            survivors_end(&q->survivors, entry);
        q->queue->dedup->duplicates++;
    }
    return SL_OK;
}

void recovery_log_doubtful(struct recovery *r, struct recovered_queue *q)
{
    for (uint32_t i = 0; i < q->doubtful_count; i++)
        journal_duplicate(&r->shards[q->shard]->run->journal, q->queue->ref.number, q->doubtful[i]);
    q->doubtful_count = 0;
}

static void add_doubtful(struct recovered_queue *q, sl_seq seq)
{
    if (q->doubtful_count == q->doubtful_room) {
        q->doubtful_room = q->doubtful_room == 0 ? ROOM_FIRST : q->doubtful_room * 2;
        q->doubtful = realloc(q->doubtful, q->doubtful_room * sizeof *q->doubtful);
        SL_ASSERT(q->doubtful != NULL); /* less than their records take */
    }
    q->doubtful[q->doubtful_count++] = seq;
}
