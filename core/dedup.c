#include "core/dedup.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/journal.h"
#include "core/queue.h"
#include "core/shard.h"
#include "core/table.h"
#include "core/topology.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define EXPIRE_STEP 4u   /* for each id that comes: more than one, so that it ends */
#define EVICT_STEP 1024u /* ids at once, when memory is used up: finding the window costs */
#define GONE_FIRST 16u

struct largest { /* window of a shard */
    struct queue *queue;
    struct dedup *dedup;
    struct id_window *window;
};

/* Of an exchange whose ids a checkpoint named, until a message comes from it. */
static const struct dedup_rules UNKNOWN_RULES = {
    .is_full = true, .window_ms = ID_LASTS, .most = SL_DEDUP_IDS_MAX};

static struct dedup *dedup_new(uint64_t source, const struct dedup_rules *rules);
static void learn_rules(struct shard *s, struct queue *q, struct dedup *d,
                        struct sl_bytes exchange);
static void read_exchange(struct dedup *d, const struct exchange *e);
static bool has(const struct dedup *d, const struct dedup_key *key, uint64_t time);
static void remember(struct shard *s, struct dedup *d, const struct dedup_key *key,
                     const struct dedup_publish *p);
static void enter(struct shard *s, struct dedup *d, struct id_window *w,
                  const struct remembered_id *id);
static void make_place(struct dedup *d, struct id_window *w, uint64_t time);
static uint64_t bytes_of(const struct dedup *d);
static void keep_budget(struct shard *s);
static uint32_t fullest_shard(const struct dedup_node *n, uint64_t *all);
static void find_largest(const struct shard *s, struct largest *most);
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

struct dedup *dedup_of(struct queue *q, uint64_t source)
{
    struct dedup **at = &q->dedup;

    if (*at == NULL)
        *at = dedup_new(0, &q->dedup_rules);
    while (*at != NULL && (*at)->source != source)
        at = &(*at)->next;
    if (*at == NULL)
        *at = dedup_new(source, &UNKNOWN_RULES);
    return *at;
}

uint64_t dedup_source_of(const struct shard *s, struct sl_bytes exchange)
{
    uint64_t source = XXH3_64bits_withSecret(exchange.at, exchange.len, s->dedup->secret.bytes,
                                             sizeof s->dedup->secret.bytes);

    return source != 0 ? source : 1;
}

bool dedup_is_duplicate(struct shard *s, struct queue *q, const struct entry *entry, uint64_t time)
{
    struct dedup_publish publish = {.properties = message_properties(entry->msg),
                                    .exchange = message_exchange(entry->msg),
                                    .has_id = (entry->msg->marks & MARK_DEDUP) != 0,
                                    .by_exchange = entry->msg->by_exchange,
                                    .is_logged = (entry->flags & ENTRY_LOGGED) != 0,
                                    .seq = entry->seq,
                                    .time = time};

    if (!dedup_decide(s, q, &publish))
        return false;
    q->dedup->duplicates++;
    counter_add(&s->counters->duplicates, 1);
    if (publish.is_logged)
        journal_duplicate(&s->run->journal, q->ref.number, entry->seq);
    return true;
}

bool dedup_decide(struct shard *s, struct queue *q, const struct dedup_publish *p)
{
    struct dedup *own = NULL;
    struct dedup *of_source = NULL;
    struct dedup_key own_key;
    struct dedup_key source_key;

    if ((p->has_id || q->dedup_rules.asks_always) &&
        dedup_key_of(&q->dedup_rules, &s->dedup->secret, p->properties, &own_key))
        own = dedup_of(q, 0);
    if (p->by_exchange) {
        of_source = dedup_of(q, dedup_source_of(s, p->exchange));
        learn_rules(s, q, of_source, p->exchange);
        if (!dedup_key_of(&of_source->rules, &s->dedup->secret, p->properties, &source_key))
            of_source = NULL;
    }
    if ((own != NULL && has(own, &own_key, p->time)) ||
        (of_source != NULL && has(of_source, &source_key, p->time)))
        return true;
    if (own != NULL)
        remember(s, own, &own_key, p);
    if (of_source != NULL)
        remember(s, of_source, &source_key, p);
    return false;
}

void dedup_undo(struct shard *s, struct queue *q, sl_seq seq)
{
    for (struct dedup *d = q->dedup; d != NULL; d = d->next) {
        uint64_t before = bytes_of(d);
        id_window_remove(&d->kept, seq);
        dedup_settle(s, d, before);
    }
}

void dedup_restore(struct shard *s, struct queue *q, uint64_t source,
                   const struct remembered_id *id)
{
    struct dedup *d = dedup_of(q, source);

    if (id->seq.v <= d->kept.newest)
        return;
    enter(s, d, &d->kept, id);
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
    struct dedup *next;

    for (struct dedup *d = q->dedup; d != NULL; d = next) {
        uint64_t before = bytes_of(d);
        next = d->next;
        id_window_deinit(&d->kept);
        id_window_deinit(&d->passing);
        dedup_settle(s, d, before);
        free(d->gone);
        free(d->header);
        free(d);
    }
    q->dedup = NULL;
}

void dedup_expire(struct shard *s, struct dedup *d, uint32_t n)
{
    uint64_t before = bytes_of(d);

    id_window_expire(&d->kept, s->now, n);
    id_window_expire(&d->passing, s->now, n);
    dedup_settle(s, d, before);
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
    for (; d != NULL; d = d->next) {
        out->duplicates += d->duplicates;
        out->evicted += d->evicted;
        out->ids += d->kept.count + d->passing.count;
        const struct id_window *w = d->kept.count >= d->passing.count ? &d->kept : &d->passing;
        if (d->source == 0 && d->evicted != 0 && out->window_ms != 0 &&
            id_window_oldest(w, &oldest) && s->now - oldest.time < out->window_ms)
            out->window_ms = s->now - oldest.time;
    }
}

static struct dedup *dedup_new(uint64_t source, const struct dedup_rules *rules)
{
    struct dedup *d = calloc(1, sizeof *d);

    SL_ASSERT(d != NULL);
    d->source = source;
    d->rules = *rules;
    return d;
}

/* As the exchange is declared now.  Recovery has the lock. */
static void learn_rules(struct shard *s, struct queue *q, struct dedup *d, struct sl_bytes exchange)
{
    struct topology *t = s->topology;
    uint64_t version = topology_version(t);
    bool has_lock = t->is_replaying;

    if (d->version == version + 1 && !has_lock)
        return;
    if (!has_lock)
        topology_lock(t);
    const struct exchange *e = topology_exchange(q->def->vhost, exchange);
    if (e != NULL)
        read_exchange(d, e);
    if (!has_lock)
        topology_unlock(t);
    d->version = version + 1; /* 0 is none */
}

/* Without a time in its arguments it is the number that bounds the window. */
static void read_exchange(struct dedup *d, const struct exchange *e)
{
    struct table_value value;
    bool has_time = table_find(e->arguments, "x-cache-ttl", &value) ||
                    table_find(e->arguments, "x-dedup-window-ms", &value);

    dedup_rules_read(&d->rules, e->arguments);
    d->rules.is_full = true;
    d->rules.is_until_settled = false;
    if (!has_time)
        d->rules.window_ms = ID_LASTS;
    free(d->header);
    d->header = NULL;
    if (d->rules.header.len == 0)
        return;
    d->header = malloc(d->rules.header.len);
    SL_ASSERT(d->header != NULL);
    memcpy(d->header, d->rules.header.at, d->rules.header.len);
    d->rules.header.at = d->header;
}

static bool has(const struct dedup *d, const struct dedup_key *key, uint64_t time)
{
    return id_window_has(&d->kept, key->id, time) || id_window_has(&d->passing, key->id, time);
}

/* What a checkpoint and the log behind it both say is there already. */
static void remember(struct shard *s, struct dedup *d, const struct dedup_key *key,
                     const struct dedup_publish *p)
{
    struct id_window *w = p->is_logged ? &d->kept : &d->passing;

    if (p->seq.v > w->newest)
        enter(s, d, w, &(struct remembered_id){key->id, p->seq, p->time, key->ttl});
}

static void enter(struct shard *s, struct dedup *d, struct id_window *w,
                  const struct remembered_id *id)
{
    uint64_t before = bytes_of(d);

    id_window_expire(w, id->time, EXPIRE_STEP);
    if (w->count >= d->rules.most)
        make_place(d, w, id->time);
    id_window_add(w, id);
    uint64_t now = bytes_of(d);
    if (now == before)
        return;
    dedup_settle(s, d, before);
    if (now > before)
        keep_budget(s);
}

/* No more is remembered than was declared. */
static void make_place(struct dedup *d, struct id_window *w, uint64_t time)
{
    id_window_expire(w, time, UINT32_MAX);
    while (w->count >= d->rules.most) {
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
    struct largest most = {0};
    char room[2 * SL_NAME_BYTES_MAX];
    struct text name = text_on(room, sizeof room);

    find_largest(s, &most);
    if (most.window == NULL)
        return;
    uint64_t before = bytes_of(most.dedup);
    for (uint32_t i = 0; i < EVICT_STEP && most.window->count > 0; i++) {
        id_window_drop_oldest(most.window);
        most.dedup->evicted++;
    }
    dedup_settle(s, most.dedup, before);
    text_add_bytes(&name, most.queue->name);
    sl_log_peer(SL_LOG_WARN, "dedup.memory", "queue=%s ids=%llu evicted=%llu", room,
                (unsigned long long)most.window->count, (unsigned long long)most.dedup->evicted);
}

static void find_largest(const struct shard *s, struct largest *most)
{
    for (uint32_t i = 0; i < s->queues_room; i++) {
        struct queue *q = s->queues[i];
        for (struct dedup *d = q == NULL ? NULL : q->dedup; d != NULL; d = d->next) {
            struct id_window *w = d->kept.bytes >= d->passing.bytes ? &d->kept : &d->passing;
            if (w->count != 0 && (most->window == NULL || w->bytes > most->window->bytes))
                *most = (struct largest){q, d, w};
        }
    }
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
