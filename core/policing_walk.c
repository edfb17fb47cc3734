/* policing_walk.c - the part of policing.h that goes through what exists. */
#include "core/policing_parts.h"

#include "core/admission.h"
#include "core/base/assert.h"
#include "core/queue.h"
#include "core/topology_parts.h"

#include <stdlib.h>

#define CACHE_LINE 64u
#define COMING 8u /* queues that are on their way from memory while one is looked at */

static struct exchange *next_exchange(struct policing_walk *walk);
static struct topology_queue *next_queue(struct topology *t, struct policing_walk *walk);
static bool police(struct policing_walk *walk, struct topology *t, struct topology_queue *q);
static bool asks_ids(const struct effective *e);
static void fetch_ahead(const void *at, size_t bytes);
static void add_turn(struct rules_turn *r, const struct topology_queue *q);

void rules_turn_take(struct shard *s, struct rules_turn *turn)
{
    for (size_t i = 0; i < turn->count; i++) {
        const struct turn *one = &turn->turns[i];
        if (i + COMING < turn->count && one[COMING].ref.at.slot < s->queues_room)
            fetch_ahead(s->queues[one[COMING].ref.at.slot], sizeof(struct queue));
        struct queue *q = one->ref.shard == s->index ? shard_queue(s, one->ref.at) : NULL;
        if (q != NULL)
            queue_obey(s, q, effective_ref(one->effective), one->ref.admission);
    }
    rules_turn_unref(turn);
}

void rules_turn_unref(struct rules_turn *turn)
{
    if (atomic_fetch_sub_explicit(&turn->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < turn->count; i++) {
        effective_unref(turn->turns[i].effective);
        admission_unref(turn->turns[i].ref.admission);
    }
    free(turn->turns);
    free(turn);
}

struct rules_turn *rules_turn_new(void)
{
    struct rules_turn *turn = calloc(1, sizeof *turn);

    SL_ASSERT(turn != NULL);
    atomic_init(&turn->refs, 1);
    return turn;
}

void policing_walk_begin(struct policing_walk *walk, struct vhost *v)
{
    walk->vhost = v;
    list_push_front(&v->exchange_order, &walk->mark);
}

bool policing_walk_on(struct policing_walk *walk, struct topology *t, size_t most,
                      struct rules_turn *turn)
{
    struct topology_queue *coming[COMING];
    struct exchange *e;
    size_t before = turn->count;
    size_t seen = 0;
    size_t n = COMING;

    for (; seen < most && (e = next_exchange(walk)) != NULL; seen++)
        walk->changed += topology_police_exchange(t, e);
    for (; seen < most && n == COMING; seen += n) {
        n = 0;
        while (n < COMING && (coming[n] = next_queue(t, walk)) != NULL)
            fetch_ahead(coming[n++], sizeof(struct topology_queue));
        for (size_t i = 0; i < n; i++)
            if (coming[i]->vhost == walk->vhost && police(walk, t, coming[i]))
                add_turn(turn, coming[i]);
    }
    walk->changed += turn->count - before;
    return n == COMING;
}

void policing_at_once(struct topology *t, struct vhost *v, struct rules_turn *turn)
{
    struct topology_queue *q;
    struct exchange *e;
    size_t cursor = 0;

    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        (void)topology_police_exchange(t, e);
    cursor = 0;
    while ((q = hash_map_next(&v->queues, &cursor)) != NULL)
        if (topology_police_queue(t, q))
            add_turn(turn, q);
}

/* Those that come meanwhile stand at the end, and are looked at twice. */
static struct exchange *next_exchange(struct policing_walk *walk)
{
    struct list *next = walk->mark.next;

    if (next == &walk->vhost->exchange_order)
        return NULL;
    list_remove(&walk->mark);
    list_push_front(next, &walk->mark);
    return LIST_OF(next, struct exchange, of_vhost);
}

static struct topology_queue *next_queue(struct topology *t, struct policing_walk *walk)
{
    for (; walk->shard < t->shards; walk->shard++, walk->cursor = 0) {
        struct topology_queue *q = slot_table_next(&t->places[walk->shard], &walk->cursor);
        if (q != NULL)
            return q;
    }
    return NULL;
}

static bool police(struct policing_walk *walk, struct topology *t, struct topology_queue *q)
{
    bool asked_ids = asks_ids(q->effective);

    if (!topology_police_queue(t, q))
        return false;
    walk->is_about_ids |= asked_ids || asks_ids(q->effective);
    return true;
}

static bool asks_ids(const struct effective *e)
{
    return e != NULL && e->dedup_rules.is_full;
}

/* There are many, each somewhere else in memory, and little to be done with each.  at: or NULL. */
static void fetch_ahead(const void *at, size_t bytes)
{
    for (size_t i = 0; at != NULL && i < bytes; i += CACHE_LINE)
        __builtin_prefetch((const uint8_t *)at + i);
}

static void add_turn(struct rules_turn *r, const struct topology_queue *q)
{
    if (r->count == r->room) {
        r->room = r->room == 0 ? 16 : r->room * 2;
        r->turns = realloc(r->turns, r->room * sizeof *r->turns);
        SL_ASSERT(r->turns != NULL);
    }
    r->turns[r->count++] = (struct turn){q->ref, effective_ref(q->effective)};
    if (q->ref.admission != NULL)
        admission_ref(q->ref.admission);
}
