#include "core/dedup.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/journal.h"
#include "core/queue.h"
#include "core/shard.h"

#include <stdlib.h>

#define EXPIRE_STEP 4u   /* for each id that comes: more than one, so that it ends */
#define EVICT_STEP 1024u /* ids at once, when memory is used up: finding the window costs */
#define GONE_FIRST 16u

static void enter(struct shard *s, struct queue *q, struct id_window *w,
                  const struct remembered_id *id);
static void make_place(const struct queue *q, struct dedup *d, struct id_window *w, uint64_t time);
static uint64_t bytes_of(const struct dedup *d);
static void keep_budget(struct shard *s);
static uint32_t fullest_shard(const struct dedup_node *n, uint64_t *all);
static struct queue *largest(const struct shard *s, struct id_window **w);
static void evict(struct shard *s);
static void note_gone(struct dedup *d, sl_seq seq);
static void forget_window(struct dedup *d, struct id_window *w, sl_seq highest, const sl_seq *stay,
                          size_t n);

void dedup_node_init(struct dedup_node *n, uint32_t shards, uint64_t budget)
{
    n->budget = budget;
    n->shards = shards;
    for (uint32_t i = 0; i < shards; i++) {
        atomic_init(&n->bytes[i], 0);
        atomic_init(&n->is_asked[i], false);
    }
}

struct dedup *dedup_of(struct queue *q)
{
    if (q->dedup == NULL) {
        q->dedup = calloc(1, sizeof *q->dedup);
        SL_ASSERT(q->dedup != NULL);
    }
    return q->dedup;
}

bool dedup_is_duplicate(struct shard *s, struct queue *q, const struct entry *entry, uint64_t time)
{
    bool is_logged = (entry->flags & ENTRY_LOGGED) != 0;
    struct dedup_key key;

    if (!dedup_key_of(&q->dedup_rules, &s->dedup->secret, message_properties(entry->msg), &key))
        return false;
    struct dedup *d = dedup_of(q);
    if (id_window_has(&d->kept, key.id, time) || id_window_has(&d->passing, key.id, time)) {
        d->duplicates++;
        counter_add(&s->counters->duplicates, 1);
        if (is_logged)
            journal_duplicate(&s->run->journal, q->ref.number, entry->seq);
        return true;
    }
    enter(s, q, is_logged ? &d->kept : &d->passing,
          &(struct remembered_id){key.id, entry->seq, time, key.ttl});
    return false;
}

bool dedup_replay(struct shard *s, struct queue *q, const struct dedup_key *key, sl_seq seq,
                  uint64_t time)
{
    struct dedup *d = dedup_of(q);

    if (id_window_has(&d->kept, key->id, time))
        return true;
    if (seq.v > d->kept.newest)
        enter(s, q, &d->kept, &(struct remembered_id){key->id, seq, time, key->ttl});
    return false;
}

void dedup_restore(struct shard *s, struct queue *q, const struct remembered_id *id)
{
    struct dedup *d = dedup_of(q);

    if (id->seq.v <= d->kept.newest)
        return;
    enter(s, q, &d->kept, id);
    d->saved = id->seq.v;
}

void dedup_forget(struct shard *s, struct queue *q, sl_seq seq)
{
    struct dedup *d = q->dedup;
    uint64_t before = bytes_of(d);

    if (id_window_remove(&d->kept, seq))
        note_gone(d, seq);
    else
        id_window_remove(&d->passing, seq);
    dedup_settle(s, d, before);
}

void dedup_forget_all(struct shard *s, struct queue *q, sl_seq highest, const sl_seq *stay,
                      size_t n)
{
    uint64_t before = bytes_of(q->dedup);

    forget_window(q->dedup, &q->dedup->kept, highest, stay, n);
    forget_window(q->dedup, &q->dedup->passing, highest, stay, n);
    dedup_settle(s, q->dedup, before);
}

void dedup_free(struct shard *s, struct queue *q)
{
    struct dedup *d = q->dedup;

    if (d == NULL)
        return;
    uint64_t before = bytes_of(d);
    id_window_deinit(&d->kept);
    id_window_deinit(&d->passing);
    dedup_settle(s, d, before);
    free(d->gone);
    free(d);
    q->dedup = NULL;
}

void dedup_expire(struct shard *s, struct queue *q, uint32_t n)
{
    uint64_t before = bytes_of(q->dedup);

    id_window_expire(&q->dedup->kept, s->now, n);
    id_window_expire(&q->dedup->passing, s->now, n);
    dedup_settle(s, q->dedup, before);
}

void dedup_tend(struct shard *s)
{
    if (atomic_exchange_explicit(&s->dedup->is_asked[s->index], false, memory_order_relaxed))
        keep_budget(s);
}

void dedup_settle(struct shard *s, const struct dedup *d, uint64_t before)
{
    _Atomic uint64_t *bytes = &s->dedup->bytes[s->index];
    uint64_t now = atomic_load_explicit(bytes, memory_order_relaxed);

    atomic_store_explicit(bytes, now + bytes_of(d) - before, memory_order_relaxed);
}

/* Where ids went before their time, what is left reaches back to the oldest. */
void dedup_tell(const struct shard *s, const struct queue *q, struct dedup_figures *out)
{
    const struct dedup *d = q->dedup;
    struct remembered_id oldest;

    *out = (struct dedup_figures){
        .window_ms = q->dedup_rules.is_until_settled ? 0 : q->dedup_rules.window_ms};
    if (d == NULL)
        return;
    out->duplicates = d->duplicates;
    out->evicted = d->evicted;
    out->ids = d->kept.count + d->passing.count;
    if (d->evicted == 0 || out->window_ms == 0)
        return;
    const struct id_window *w = d->kept.count >= d->passing.count ? &d->kept : &d->passing;
    if (id_window_oldest(w, &oldest) && s->now - oldest.time < out->window_ms)
        out->window_ms = s->now - oldest.time;
}

static void enter(struct shard *s, struct queue *q, struct id_window *w,
                  const struct remembered_id *id)
{
    struct dedup *d = q->dedup;
    uint64_t before = bytes_of(d);

    id_window_expire(w, id->time, EXPIRE_STEP);
    if (w->count >= q->dedup_rules.most)
        make_place(q, d, w, id->time);
    id_window_add(w, id);
    uint64_t now = bytes_of(d);
    if (now == before)
        return;
    dedup_settle(s, d, before);
    if (now > before)
        keep_budget(s);
}

/* The queue remembers no more than it was declared with. */
static void make_place(const struct queue *q, struct dedup *d, struct id_window *w, uint64_t time)
{
    id_window_expire(w, time, UINT32_MAX);
    while (w->count >= q->dedup_rules.most) {
        id_window_drop_oldest(w);
        d->evicted++;
    }
}

static uint64_t bytes_of(const struct dedup *d)
{
    return d->kept.bytes + d->passing.bytes;
}

static void keep_budget(struct shard *s)
{
    struct dedup_node *n = s->dedup;
    uint64_t all;
    uint32_t fullest = fullest_shard(n, &all);

    if (all <= n->budget)
        return;
    if (fullest == s->index)
        evict(s);
    else if (!atomic_exchange_explicit(&n->is_asked[fullest], true, memory_order_relaxed))
        shard_poke(s, 1ull << fullest, (struct sl_handle){0, 0, 0});
}

static uint32_t fullest_shard(const struct dedup_node *n, uint64_t *all)
{
    uint64_t most = 0;
    uint32_t fullest = 0;

    *all = 0;
    for (uint32_t i = 0; i < n->shards; i++) {
        uint64_t bytes = atomic_load_explicit(&n->bytes[i], memory_order_relaxed);
        *all += bytes;
        if (bytes > most) {
            most = bytes;
            fullest = i;
        }
    }
    return fullest;
}

static void evict(struct shard *s)
{
    struct id_window *w;
    struct queue *q = largest(s, &w);
    char room[2 * SL_NAME_BYTES_MAX];
    struct text name = text_on(room, sizeof room);

    if (q == NULL)
        return;
    uint64_t before = bytes_of(q->dedup);
    for (uint32_t i = 0; i < EVICT_STEP && w->count > 0; i++) {
        id_window_drop_oldest(w);
        q->dedup->evicted++;
    }
    dedup_settle(s, q->dedup, before);
    text_add_bytes(&name, q->name);
    sl_log_peer(SL_LOG_WARN, "dedup.memory", "queue=%s ids=%llu evicted=%llu", room,
                (unsigned long long)w->count, (unsigned long long)q->dedup->evicted);
}

static struct queue *largest(const struct shard *s, struct id_window **w)
{
    struct queue *found = NULL;

    *w = NULL;
    for (uint32_t i = 0; i < s->queues_room; i++) {
        struct queue *q = s->queues[i];
        if (q == NULL || q->dedup == NULL)
            continue;
        struct id_window *larger =
            q->dedup->kept.bytes >= q->dedup->passing.bytes ? &q->dedup->kept : &q->dedup->passing;
        if (larger->count != 0 && (*w == NULL || larger->bytes > (*w)->bytes)) {
            *w = larger;
            found = q;
        }
    }
    return found;
}

static void note_gone(struct dedup *d, sl_seq seq)
{
    if (seq.v > d->saved)
        return;
    if (d->gone_count == d->gone_room) {
        d->gone_room = d->gone_room == 0 ? GONE_FIRST : d->gone_room * 2;
        d->gone = realloc(d->gone, d->gone_room * sizeof *d->gone);
        SL_ASSERT(d->gone != NULL); /* less than the ids that went took */
    }
    d->gone[d->gone_count++] = seq;
}

/* Oldest first, so those that stay are put back behind the others. */
static void forget_window(struct dedup *d, struct id_window *w, sl_seq highest, const sl_seq *stay,
                          size_t n)
{
    struct id_window left = {0};
    struct remembered_id id;
    uint64_t newest = w->newest;

    while (id_window_oldest(w, &id)) {
        while (n > 0 && stay->v < id.seq.v) {
            stay++;
            n--;
        }
        if (id.seq.v > highest.v || (n > 0 && stay->v == id.seq.v))
            id_window_add(&left, &id);
        else if (w == &d->kept)
            note_gone(d, id.seq);
        id_window_drop_oldest(w);
    }
    id_window_deinit(w);
    *w = left;
    w->newest = newest;
}
