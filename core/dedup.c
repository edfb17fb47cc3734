#include "core/dedup.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/journal.h"
#include "core/queue.h"
#include "core/shard.h"
#include "core/table.h"
#include "core/topology.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define EXPIRE_STEP 4u /* for each id that comes: more than one, so that it ends */
#define GONE_FIRST 16u

struct asked { /* for one message: its windows and what it is there; NULL: it has no id for that */
    struct dedup *own;
    struct dedup *of_source;
    struct dedup_key own_key;
    struct dedup_key source_key;
};

/* Of an exchange whose ids a checkpoint named, until a message comes from it. */
static const struct dedup_rules UNKNOWN_RULES = {
    .is_full = true, .window_ms = ID_LASTS, .most = SL_DEDUP_IDS_MAX};

static struct dedup_publish publish_of(const struct message *msg, uint64_t time);
static bool came_before(struct shard *s, struct queue *q, const struct dedup_publish *p,
                        struct asked *asked);
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
static void note_gone(struct dedup *d, sl_seq seq);
static void forget_window(struct dedup *d, struct id_window *w, sl_seq highest, const sl_seq *stay,
                          size_t n);

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
    struct dedup_publish publish = publish_of(entry->msg, time);

    publish.key = dedup_ahead_key(s, q, entry->msg);
    publish.is_logged = (entry->flags & ENTRY_LOGGED) != 0;
    publish.seq = entry->seq;
    if (!dedup_decide(s, q, &publish))
        return false;
    q->dedup->duplicates++;
    counter_add(&s->counters->duplicates, 1);
    if (publish.is_logged)
        journal_duplicate(&s->run->journal, q->ref.number, entry->seq);
    return true;
}

bool dedup_knows(struct shard *s, struct queue *q, const struct message *msg, uint64_t time)
{
    const struct dedup_publish publish = publish_of(msg, time);
    struct asked asked;

    if (!came_before(s, q, &publish, &asked))
        return false;
    q->dedup->duplicates++;
    counter_add(&s->counters->duplicates, 1);
    return true;
}

bool dedup_decide(struct shard *s, struct queue *q, const struct dedup_publish *p)
{
    struct asked asked;

    if (came_before(s, q, p, &asked))
        return true;
    if (asked.own != NULL)
        remember(s, asked.own, &asked.own_key, p);
    if (asked.of_source != NULL)
        remember(s, asked.of_source, &asked.source_key, p);
    return false;
}

void dedup_undo(struct shard *s, struct queue *q, sl_seq seq)
{
    for (struct dedup *d = q->dedup; d != NULL; d = d->next) {
        uint64_t before = dedup_bytes(d);
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
    if (source == 0 && id->ttl == ID_LASTS && !d->rules.is_until_settled)
        return; /* from before it had a window: nobody knows whether its message has gone since */
    enter(s, d, &d->kept, id);
    d->saved = id->seq.v;
}

void dedup_forget(struct shard *s, struct queue *q, sl_seq seq)
{
    struct dedup *d = q->dedup;
    uint64_t before = dedup_bytes(d);

    if (id_window_remove(&d->kept, seq))
        note_gone(d, seq);
    else
        id_window_remove(&d->passing, seq);
    dedup_settle(s, d, before);
}

void dedup_forget_in_order(struct shard *s, const struct queue *q, sl_seq seq)
{
    *run_add(s->run, s->index) =
        (struct lane_item){.at = q->ref.at, .kind = LANE_FORGET, .first_loan = seq.v};
    s->has_forgotten = true;
}

void dedup_purge_in_order(struct shard *s, const struct queue *q, const sl_seq *stay, size_t n)
{
    const struct dedup *d = q->dedup;
    struct dedup_purge *purge = malloc(sizeof *purge + n * sizeof *stay);

    SL_ASSERT(purge != NULL);
    purge->highest.v = d->kept.newest > d->passing.newest ? d->kept.newest : d->passing.newest;
    purge->count = n;
    if (n > 0)
        memcpy(purge->stay, stay, n * sizeof *stay);
    *run_add(s->run, s->index) =
        (struct lane_item){.at = q->ref.at, .kind = LANE_FORGET_ALL, .purge = purge};
    s->has_forgotten = true;
}

void dedup_purge_take(struct shard *s, struct queue *q, const struct dedup_purge *purge)
{
    if (q->dedup != NULL && q->dedup_rules.is_until_settled)
        dedup_forget_all(s, q, purge->highest, purge->stay, purge->count);
}

void dedup_forget_all(struct shard *s, struct queue *q, sl_seq highest, const sl_seq *stay,
                      size_t n)
{
    uint64_t before = dedup_bytes(q->dedup);

    forget_window(q->dedup, &q->dedup->kept, highest, stay, n);
    forget_window(q->dedup, &q->dedup->passing, highest, stay, n);
    dedup_settle(s, q->dedup, before);
}

void dedup_begin_window(struct shard *s, struct queue *q)
{
    uint64_t end = s->now + q->dedup_rules.window_ms;

    if (q->dedup == NULL)
        return;
    id_window_end_lasting(&q->dedup->kept, end);
    id_window_end_lasting(&q->dedup->passing, end);
}

void dedup_free(struct shard *s, struct queue *q)
{
    struct dedup *next;

    for (struct dedup *d = q->dedup; d != NULL; d = next) {
        uint64_t before = dedup_bytes(d);
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

void dedup_expire(struct shard *s, struct dedup *d, uint64_t time, uint32_t n)
{
    uint64_t before = dedup_bytes(d);

    id_window_expire(&d->kept, time, n);
    id_window_expire(&d->passing, time, n);
    dedup_settle(s, d, before);
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

static struct dedup_publish publish_of(const struct message *msg, uint64_t time)
{
    return (struct dedup_publish){.properties = message_properties(msg),
                                  .exchange = message_exchange(msg),
                                  .has_id = (msg->marks & MARK_DEDUP) != 0,
                                  .by_exchange = msg->by_exchange,
                                  .time = time};
}

static bool came_before(struct shard *s, struct queue *q, const struct dedup_publish *p,
                        struct asked *asked)
{
    SL_CHECK(p->key == NULL || dedup_ahead_is_right(s, q, p->properties, p->key));
    asked->own = asked->of_source = NULL;
    if (p->key != NULL)
        asked->own_key = *p->key;
    if (p->key != NULL ||
        ((p->has_id || q->dedup_rules.asks_always) &&
         dedup_key_of(&q->dedup_rules, &s->dedup->secret, p->properties, &asked->own_key)))
        asked->own = dedup_of(q, 0);
    if (p->by_exchange) {
        asked->of_source = dedup_of(q, dedup_source_of(s, p->exchange));
        learn_rules(s, q, asked->of_source, p->exchange);
        if (!dedup_key_of(&asked->of_source->rules, &s->dedup->secret, p->properties,
                          &asked->source_key))
            asked->of_source = NULL;
    }
    return (asked->own != NULL && has(asked->own, &asked->own_key, p->time)) ||
           (asked->of_source != NULL && has(asked->of_source, &asked->source_key, p->time));
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
    uint64_t before = dedup_bytes(d);

    id_window_expire(w, id->time, EXPIRE_STEP);
    if (w->count >= d->rules.most)
        make_place(d, w, id->time);
    id_window_add(w, id);
    s->ahead.is_on |= id_window_is_large(w);
    uint64_t now = dedup_bytes(d);
    if (now == before)
        return;
    dedup_settle(s, d, before);
    if (now > before)
        dedup_keep_budget(s, w);
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

/* Oldest first, so those that stay are put back behind the others; they are where they were saved. */
static void forget_window(struct dedup *d, struct id_window *w, sl_seq highest, const sl_seq *stay,
                          size_t n)
{
    struct id_window left = {0};
    struct remembered_id id;
    uint64_t newest = w->newest;
    uint64_t file = id_window_least_file(w);

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
    if (file != 0)
        id_window_saved(w, file);
}
