#include "core/evacuation.h"

#include "core/base/assert.h"
#include "core/evacuation_parts.h"

#include <stdlib.h>

#define SCAN_BUDGET 65536u  /* entries looked at in one run */
#define GROUP_ENTRIES 4096u /* single ones */
#define MOVES_FIRST 256u

static bool cancel(struct shard *s, struct moving *m);
static void scan(struct shard *s, struct moving *m);
static void end_look(struct shard *s, struct moving *m);
static void begin_group(struct shard *s, struct moving *m);
static void end_group(struct moving *m);
static void ask_for_index(struct shard *s, struct moving *m, const struct remnant *item);
static void spread(struct moving *m);
static struct move *add_move(struct moving *m);
static void open_chunks(struct shard *s, struct moving *m);
static void open_chunk(struct moving *m, struct backlog *b, struct group_chunk *chunk);
static bool has_taken(struct shard *s, struct moving *m, const struct move *move);
static void end_moving(struct shard *s);
static int by_place(const void *a, const void *b);

struct evacuation *evacuation_new(sl_lsn from, sl_lsn to, uint32_t shards)
{
    struct evacuation *e = calloc(1, sizeof *e);

    SL_ASSERT(e != NULL && from.v < to.v);
    e->from = from;
    e->to = to;
    atomic_init(&e->refs, shards + 1);
    atomic_init(&e->shards_left, shards);
    return e;
}

void evacuation_unref(struct evacuation *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        free(e);
}

bool evacuation_is_over(const struct evacuation *e)
{
    return atomic_load_explicit(&e->shards_left, memory_order_acquire) == 0;
}

void evacuation_cancel(struct evacuation *e)
{
    atomic_store_explicit(&e->is_cancelled, true, memory_order_relaxed);
}

void evacuation_leave(struct evacuation *e)
{
    atomic_fetch_sub_explicit(&e->shards_left, 1, memory_order_release);
    evacuation_unref(e);
}

void evacuation_take(struct shard *s, struct evacuation *e)
{
    struct moving *m = calloc(1, sizeof *m);

    SL_ASSERT(m != NULL && s->moving == NULL);
    m->evacuation = e;
    m->at = e->from;
    s->moving = m;
}

bool evacuation_run(struct shard *s)
{
    struct moving *m = s->moving;

    if (m == NULL || s->fetch == NULL || m->awaited > 0 ||
        !sl_lsn_reached(shard_durable(s), m->waits_for))
        return false;
    m->waits_for = (sl_lsn){0};
    if (atomic_load_explicit(&m->evacuation->is_cancelled, memory_order_relaxed) && cancel(s, m))
        return false;
    switch (m->phase) {
    case PHASE_SCAN: scan(s, m); break;
    case PHASE_GROUP: begin_group(s, m); break;
    case PHASE_SPREAD: spread(m); break;
    case PHASE_GATHER: evacuation_gather(s, m); break;
    case PHASE_WRITE: evacuation_write(s, m); break;
    case PHASE_OPEN: open_chunks(s, m); break;
    }
    return s->moving != NULL && m->awaited == 0 && m->waits_for.v == 0;
}

void evacuation_fetched(struct shard *s, struct fetch_request *r)
{
    struct moving *m = s->moving;

    SL_ASSERT(m != NULL);
    SL_ASSERT(m->awaited > 0);
    m->awaited--;
    if (r->kind == FETCH_INDEX)
        m->chunks[r->cookie].index = r;
    else
        m->messages = r;
}

sl_lsn evacuation_waits_for(const struct shard *s)
{
    return s->moving != NULL ? s->moving->waits_for : (sl_lsn){0};
}

void evacuation_drop(struct shard *s)
{
    if (s->moving != NULL)
        end_moving(s);
}

/* What was written is taken over first.  True: it has ended. */
static bool cancel(struct shard *s, struct moving *m)
{
    if (m->phase == PHASE_SCAN || m->phase == PHASE_GROUP) {
        end_moving(s);
        return true;
    }
    if (m->phase == PHASE_GATHER)
        m->phase = PHASE_OPEN;
    return false;
}

/* ---- what is there ---- */

static void scan(struct shard *s, struct moving *m)
{
    const struct evacuation *e = m->evacuation;
    uint64_t seen = 0;

    if (m->queue_at == 0)
        remnants_begin(&m->remnants, m->at, e->to);
    for (; m->queue_at < s->queues_room && seen < SCAN_BUDGET; m->queue_at++) {
        struct queue *q = s->queues[m->queue_at];
        if (q == NULL)
            continue;
        seen += 1 + remnants_look(&m->remnants, q);
    }
    if (m->queue_at < s->queues_room)
        return;
    remnants_end(&m->remnants);
    m->queue_at = 0;
    m->next = 0;
    if (prepared_evacuate(s, m->at, e->to) != 0)
        atomic_fetch_add_explicit(&m->evacuation->records, 1, memory_order_relaxed);
    m->phase = PHASE_GROUP;
}

/* The stretch was gone through.  What moved since may have passed where others already were. */
static void end_look(struct shard *s, struct moving *m)
{
    if (!m->has_moved) {
        atomic_fetch_add_explicit(&m->evacuation->left, m->left, memory_order_relaxed);
        end_moving(s);
        return;
    }
    m->at = m->evacuation->from;
    m->has_moved = false;
    m->left = 0;
    m->phase = PHASE_SCAN;
}

static void begin_group(struct shard *s, struct moving *m)
{
    const struct remnants *v = &m->remnants;

    end_group(m);
    for (; m->next < v->count && m->chunks_count < EVACUATION_CHUNKS; m->next++) {
        const struct remnant *item = &v->items[m->next];
        if (m->moves_count >= GROUP_ENTRIES &&
            item->place.v != m->moves[m->moves_count - 1].place.v)
            break;
        if (item->seq.v != 0)
            *add_move(m) = (struct move){.place = item->place, .seq = item->seq, .single = item};
        else
            ask_for_index(s, m, item);
    }
    if (m->chunks_count > 0 || m->moves_count > 0) {
        m->phase = PHASE_SPREAD;
        return;
    }
    m->at = v->limit;
    if (m->at.v < m->evacuation->to.v)
        m->phase = PHASE_SCAN;
    else
        end_look(s, m);
}

/* An INDEX that is not durable yet cannot be read: it was written a moment ago. */
static void ask_for_index(struct shard *s, struct moving *m, const struct remnant *item)
{
    if (!sl_lsn_reached(shard_durable(s), (sl_lsn){item->index.v + item->index_len})) {
        m->left++;
        return;
    }
    struct fetch_request *r = fetch_request_new(FETCH_INDEX);
    r->place = item->index;
    r->record_len = item->index_len;
    r->cookie = m->chunks_count;
    m->chunks[m->chunks_count++] = (struct group_chunk){.remnant = item};
    evacuation_post(s, m, r);
}

void evacuation_post(struct shard *s, struct moving *m, struct fetch_request *r)
{
    r->answer_to = &s->inbox;
    m->awaited++;
    fetch_post(s->fetch, r);
}

/* Only what is still in a chunk: else one whose INDEX has entries of the stretch that have left it
 * would be gone through again and again. */
static void spread(struct moving *m)
{
    const struct evacuation *e = m->evacuation;

    for (uint32_t i = 0; i < m->chunks_count; i++) {
        const struct fetch_request *r = m->chunks[i].index;
        m->left += r->err != SL_OK;
        for (uint32_t at = m->chunks[i].remnant->from; r->err == SL_OK && at < r->count; at++) {
            sl_lsn place = r->entries[at].place;
            if (place.v >= e->from.v && place.v < e->to.v)
                *add_move(m) =
                    (struct move){.place = place, .seq = r->entries[at].seq, .chunk = i, .at = at};
        }
    }
    if (m->moves_count > 0)
        qsort(m->moves, m->moves_count, sizeof *m->moves, by_place);
    m->phase = PHASE_GATHER;
}

static struct move *add_move(struct moving *m)
{
    if (m->moves_count == m->moves_room) {
        size_t room = m->moves_room == 0 ? MOVES_FIRST : m->moves_room * 2;
        struct move *moves = realloc(m->moves, room * sizeof *moves);
        uint64_t *numbers = realloc(m->numbers, room * sizeof *numbers);
        SL_ASSERT(moves != NULL && numbers != NULL);
        m->moves = moves;
        m->numbers = numbers;
        m->moves_room = room;
    }
    return &m->moves[m->moves_count++];
}

/* ---- stored chunks ---- */

/* Where one has come into memory meanwhile, its entries are told one by one. */
static void open_chunks(struct shard *s, struct moving *m)
{
    for (uint32_t i = 0; i < m->chunks_count; i++) {
        struct backlog *b = remnant_backlog(s, m->chunks[i].remnant);
        if (b != NULL && m->chunks[i].index->err == SL_OK)
            open_chunk(m, b, &m->chunks[i]);
    }
    for (size_t i = 0; i < m->moves_count; i++) {
        const struct move *move = &m->moves[i];
        if (!move->is_written)
            continue;
        const struct entry *entry = &m->chunks[move->chunk].index->entries[move->at];
        if (has_taken(s, m, move)) {
            live_sub(&s->live, move->place, move->was_live, 1);
            atomic_fetch_add_explicit(&m->evacuation->entries, 1, memory_order_relaxed);
        } else
            live_sub(&s->live, entry->place, live_entry_bytes(entry), 1);
    }
    m->phase = PHASE_GROUP;
}

static void open_chunk(struct moving *m, struct backlog *b, struct group_chunk *chunk)
{
    const struct fetch_request *r = chunk->index;
    const struct evacuation *e = m->evacuation;
    bool is_inside = r->place.v >= e->from.v && r->place.v < e->to.v;

    if ((chunk->written == 0 && !is_inside) ||
        !backlog_open(b, r->place, r->entries, r->count, &chunk->from))
        return;
    chunk->is_open = m->has_moved = true;
}

/* Does the queue's entry have the place that was written for it?  What left the chunk before it
 * was opened has not, wherever it is now. */
static bool has_taken(struct shard *s, struct moving *m, const struct move *move)
{
    const struct group_chunk *chunk = &m->chunks[move->chunk];
    const struct entry *moved = &chunk->index->entries[move->at];
    struct backlog *b = remnant_backlog(s, chunk->remnant);

    if (b == NULL)
        return false;
    if (chunk->is_open)
        return move->at >= chunk->from;
    const struct entry *entry = backlog_find(b, move->seq);
    return entry != NULL && entry->place.v == move->place.v &&
           backlog_moved(b, move->seq, moved->place, moved->record_len, moved->copies);
}

static void end_group(struct moving *m)
{
    for (uint32_t i = 0; i < m->chunks_count; i++)
        if (m->chunks[i].index != NULL)
            fetch_request_free(m->chunks[i].index);
    m->chunks_count = 0;
    m->moves_count = m->batch_from = m->batch_to = 0;
}

static void end_moving(struct shard *s)
{
    struct moving *m = s->moving;

    for (size_t i = m->batch_from; i < m->batch_to; i++)
        if (m->moves[i].msg != NULL)
            message_unref(m->moves[i].msg);
    if (m->messages != NULL)
        fetch_request_free(m->messages);
    end_group(m);
    remnants_deinit(&m->remnants);
    evacuation_leave(m->evacuation);
    free(m->moves);
    free(m->numbers);
    free(m);
    s->moving = NULL;
}

static int by_place(const void *a, const void *b)
{
    const struct move *x = a;
    const struct move *y = b;

    if (x->place.v != y->place.v)
        return x->place.v < y->place.v ? -1 : 1;
    return x->seq.v < y->seq.v ? -1 : x->seq.v > y->seq.v;
}
