/* prepared_kept.c - the part of prepared.h that is in checkpoints and comes back from the log. */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/prepared_parts.h"
#include "core/snapshot_form.h"
#include "core/store/log_read.h"

#include <stdlib.h>

#define PREPARED_BYTES (1u + 8u + 8u + 8u + 8u + 4u + 1u) /* of a part, without its texts */
#define BLOCK_BYTES (1u + 8u + 4u)

struct telling {
    struct prepared_set *set;
    struct sl_buffer *body;
    uint32_t parts;
};

static uint8_t *room_in(struct sl_buffer *body, size_t n);
static void tell_one(void *context, const struct entry *entry);
static void tell_outcomes(struct telling *t);
static void write_block(struct shard *s, struct outcome_block *block);
static enum sl_err read_prepared(struct prepared_set *set, struct sl_reader *r);
static enum sl_err read_block(struct prepared_set *set, struct sl_reader *r,
                              struct log_reader *reader);
static enum sl_err add(struct prepared_set *set, struct prepared *p, sl_seq seq);

void prepared_tell(struct shard *s, struct queue *q, struct sl_buffer *body, uint32_t *parts)
{
    struct telling t = {.set = q->prepared, .body = body};
    const struct commit_log *log = s->run->order->log;
    struct outcome_block *block;

    while (log != NULL && !commit_log_is_out_of_room(log) &&
           (block = outcomes_unwritten(&t.set->outcomes)) != NULL)
        write_block(s, block);
    if (t.set->holder != NULL)
        consumer_each_loan(t.set->holder, tell_one, &t);
    tell_outcomes(&t);
    *parts += t.parts;
}

enum sl_err prepared_read_part(struct queue *q, uint8_t kind, struct sl_reader *r,
                               struct log_reader *reader)
{
    struct outcome outcome;

    if (q->prepared == NULL)
        return SL_ECORRUPT;
    switch (kind) {
    case SNAPSHOT_PREPARED: return read_prepared(q->prepared, r);
    case SNAPSHOT_OUTCOMES: return read_block(q->prepared, r, reader);
    case SNAPSHOT_OUTCOME:
        SL_TRY(outcome_read(r, &outcome));
        outcomes_add(&q->prepared->outcomes, &outcome, NULL);
        return SL_OK;
    default: return SL_ECORRUPT;
    }
}

uint32_t prepared_evacuate(struct shard *s, sl_lsn from, sl_lsn to)
{
    struct outcome_block *block;
    uint32_t count = 0;

    for (struct list *at = s->prepared.next; at != &s->prepared; at = at->next) {
        struct prepared_set *set = LIST_OF(at, struct prepared_set, of_shard);
        while ((block = outcomes_within(&set->outcomes, from, to)) != NULL) {
            write_block(s, block);
            count++;
        }
    }
    return count;
}

enum sl_err prepared_replay_message(struct queue *q, sl_seq seq, const struct journal_entry *e,
                                    uint64_t time)
{
    struct sl_reader route = sl_reader_of(e->route);
    char why[128];
    struct text text = text_on(why, sizeof why);
    struct prepared_form form;

    if (prepared_form_read(e->properties, &form, &text) != SL_OK ||
        form.user.len > SL_NAME_BYTES_MAX)
        return SL_ECORRUPT;
    struct sl_bytes exchange = sl_read_short_string(&route);
    const struct prepared_texts texts = {.user = form.user,
                                         .id = form.id,
                                         .exchange = exchange,
                                         .routing_key = sl_read_short_string(&route),
                                         .check = form.check};
    struct prepared *p = prepared_new(&texts);
    p->time = time;
    p->has_timeout = form.has_timeout;
    p->timeout_ms = form.timeout_ms;
    return add(q->prepared, p, seq);
}

void prepared_replay_outcome(struct queue *q, const struct journal_entry *e)
{
    struct prepared_set *set = q->prepared;
    const uint8_t *key = e->outcome.key;

    if (set == NULL)
        return;
    struct prepared *p = hash_map_get(&set->live, (struct sl_bytes){key, OUTCOME_KEY_BYTES});
    if (p != NULL && sl_load_u64(p->seq_key) == e->source)
        prepared_forget(set, p);
    outcomes_add(&set->outcomes, &e->outcome, NULL);
}

void prepared_replay_check(struct queue *q, const struct journal_entry *e, sl_seq seq)
{
    struct prepared *p = q->prepared == NULL
                             ? NULL
                             : hash_map_get(&q->prepared->live,
                                            (struct sl_bytes){e->outcome.key, OUTCOME_KEY_BYTES});

    if (p == NULL)
        return;
    if (!e->is_told || p->is_told) /* else it is the notice */
        p->last_check = seq.v;
    p->checks = e->returns;
    p->is_told = e->is_told;
}

bool prepared_restore(struct shard *s, struct queue *q, const struct entry *entry)
{
    struct prepared_set *set = q->prepared;
    uint8_t key[8];

    sl_store_u64(key, entry->seq.v);
    struct prepared *p = hash_map_get(&set->by_seq, (struct sl_bytes){key, sizeof key});
    if (p == NULL || p->loan != PREPARED_ARRIVING)
        return false;
    shard_begin_entry(s, entry);
    p->loan = consumer_lend(prepared_holder(s, set), entry);
    return true;
}

/* What was due while nobody was there comes at once, but not all in one moment. */
void prepared_restored(struct shard *s, struct queue *q)
{
    struct prepared_set *set = q->prepared;
    struct prepared *p;
    size_t cursor = 0;

    if (list_is_empty(&set->of_shard))
        list_push(&s->prepared, &set->of_shard);
    outcomes_restored(&set->outcomes, &s->live);
    while ((p = hash_map_next(&set->live, &cursor)) != NULL) {
        SL_ASSERT(p->loan != PREPARED_ARRIVING);
        prepared_look_at(set, p,
                         p->checks == 0 ? p->time + prepared_timeout(s, p)
                                        : s->now + prepared_pause(s, p));
    }
}

static uint8_t *room_in(struct sl_buffer *body, size_t n)
{
    uint8_t *at = sl_buffer_reserve(body, n);

    SL_ASSERT(at != NULL); /* bounded by what is in memory already */
    sl_buffer_grow(body, n);
    return at;
}

static void tell_one(void *context, const struct entry *entry)
{
    struct telling *t = context;
    uint8_t key[8];

    sl_store_u64(key, entry->seq.v);
    const struct prepared *p = hash_map_get(&t->set->by_seq, (struct sl_bytes){key, sizeof key});
    SL_ASSERT(p != NULL);
    const struct sl_bytes texts[] = {p->user, p->id, p->exchange, p->routing_key};
    size_t bytes = PREPARED_BYTES + 4 + p->check.len;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        bytes += 1 + texts[i].len;
    uint8_t *at = room_in(t->body, bytes);
    struct sl_writer w = {at, at + bytes, false};
    sl_write_u8(&w, SNAPSHOT_PREPARED);
    sl_write_u64(&w, entry->seq.v);
    sl_write_u64(&w, p->time);
    sl_write_u64(&w, p->timeout_ms);
    sl_write_u64(&w, p->last_check == CHECK_SENT ? CHECK_NONE : p->last_check);
    sl_write_u32(&w, p->checks);
    sl_write_u8(&w, (uint8_t)(p->is_told | p->has_timeout << 1));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sl_write_short_string(&w, texts[i]);
    sl_write_long_string(&w, p->check);
    SL_ASSERT(!w.overflowed && w.pos == w.end);
    t->parts++;
}

static void tell_outcomes(struct telling *t)
{
    for (const struct outcome_block *block = t->set->outcomes.first; block != NULL;
         block = block->next) {
        size_t bytes = block->place.v != 0 ? BLOCK_BYTES
                                           : (size_t)block->count * (1 + OUTCOME_BYTES);
        uint8_t *at = room_in(t->body, bytes);
        struct sl_writer w = {at, at + bytes, false};
        if (block->place.v != 0) {
            sl_write_u8(&w, SNAPSHOT_OUTCOMES);
            sl_write_u64(&w, block->place.v);
            sl_write_u32(&w, block->record_len);
            t->parts++;
            continue;
        }
        for (uint32_t i = 0; i < block->count; i++) {
            sl_write_u8(&w, SNAPSHOT_OUTCOME);
            outcome_write(&w, &block->at[i]);
            t->parts++;
        }
    }
}

static void write_block(struct shard *s, struct outcome_block *block)
{
    struct log_run *record = &s->run->at_once;

    journal_outcomes(record, block);
    struct log_place place = order_place(s->run->order, record);
    outcome_block_placed(block, place.start, record_length(4 + block->count * OUTCOME_BYTES),
                         &s->live);
}

static enum sl_err read_prepared(struct prepared_set *set, struct sl_reader *r)
{
    struct prepared_texts texts;
    sl_seq seq = {sl_read_u64(r)};
    uint64_t time = sl_read_u64(r);
    uint64_t timeout_ms = sl_read_u64(r);
    uint64_t last_check = sl_read_u64(r);
    uint32_t checks = sl_read_u32(r);
    uint8_t flags = sl_read_u8(r);

    texts.user = sl_read_short_string(r);
    texts.id = sl_read_short_string(r);
    texts.exchange = sl_read_short_string(r);
    texts.routing_key = sl_read_short_string(r);
    texts.check = sl_read_long_string(r);
    if (r->is_short || seq.v == 0)
        return SL_ECORRUPT;
    struct prepared *p = prepared_new(&texts);
    p->time = time;
    p->timeout_ms = timeout_ms;
    p->last_check = last_check;
    p->checks = checks;
    p->is_told = (flags & 1) != 0;
    p->has_timeout = (flags & 2) != 0;
    return add(set, p, seq);
}

static enum sl_err read_block(struct prepared_set *set, struct sl_reader *r,
                              struct log_reader *reader)
{
    sl_lsn place = {sl_read_u64(r)};
    uint32_t record_len = sl_read_u32(r);
    struct record record;

    if (r->is_short || reader == NULL)
        return SL_ECORRUPT;
    enum sl_err err = log_reader_read(reader, place, record_len, &record);
    if (err != SL_OK)
        return err == SL_ENOENT ? SL_ECORRUPT : err;
    struct sl_reader in = sl_reader_of(record.body);
    if (record.kind != RECORD_OUTCOMES || sl_read_u32(&in) != OUTCOMES_BLOCK)
        return SL_ECORRUPT;
    return outcomes_add_block(&set->outcomes, &in, place, record_len);
}

/* Takes p. */
static enum sl_err add(struct prepared_set *set, struct prepared *p, sl_seq seq)
{
    uint8_t key[8];
    enum sl_err err = SL_ECORRUPT;

    sl_store_u64(key, seq.v);
    if (hash_map_get(&set->live, prepared_key_of(p)) == NULL &&
        hash_map_get(&set->by_seq, (struct sl_bytes){key, sizeof key}) == NULL)
        err = hash_map_put(&set->live, prepared_key_of(p), p);
    if (err == SL_OK)
        prepared_enter(set, p, seq);
    else
        prepared_forget(set, p);
    return err;
}
