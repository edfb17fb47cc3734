#include "core/policing.h"

#include "core/admission.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/broker.h"
#include "core/desk.h"
#include "core/exchange.h"
#include "core/policy_record.h"
#include "core/queue.h"
#include "core/topology_parts.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 1024
#define CACHE_LINE 64u
#define COMING 8u  /* queues that are on their way from memory while one is looked at */
#define SLICE 128u /* queues looked at in one turn: some ten microseconds */

struct turn { /* of one queue */
    struct queue_ref ref;
    struct effective *effective; /* a reference, or NULL */
};

struct rules_turn { /* of all queues for which another set of rules is in force */
    _Atomic uint32_t refs;
    struct turn *turns;
    size_t count, room;
};

struct walk { /* over the queues of all virtual hosts: their places stay */
    uint32_t shard;
    uint32_t cursor;
};

struct policing { /* a change: the first of those that are there is under way, the others wait */
    struct desk_task task; /* its next slice */
    struct list of_changing;
    uint64_t ticket;
    struct policy_definition is;
    bool is_clear;
    struct vhost *vhost; /* NULL: it has not begun */
    struct walk walk;
    size_t told; /* queues */
    uint8_t bytes[];
};

static void enter(struct client *c, uint64_t ticket, const struct policy_definition *d,
                  bool is_clear);
static struct sl_bytes keep(struct sl_writer *w, struct sl_bytes bytes);
static void run(struct desk_task *task, struct client *c);
static enum sl_err begin(struct topology *t, struct policing *p, struct text *reason);
static void go_on(struct client *c, struct policing *p);
static void finish(struct client *c, struct policing *p, struct rules_turn *turn);
static void leave(struct topology *t, struct policing *p);
static struct rules_turn *turn_new(void);
static bool apply(struct topology *t, const struct vhost *v, struct walk *walk, size_t most,
                  struct rules_turn *turn);
static struct topology_queue *next_queue(struct topology *t, struct walk *walk);
static void apply_to_queues(struct topology *t, struct vhost *v, struct rules_turn *turn);
static void apply_to_exchanges(struct topology *t, struct vhost *v);
static void read_rules_again(struct shard *s, struct queue *q, const struct turn *turn);
static void fetch_ahead(const void *at, size_t bytes);
static void add_turn(struct rules_turn *r, const struct topology_queue *q);
static void fill_item(void *context, struct lane_item *item);
static void note_ignored(const struct policy_definition *d);

void policing_set(struct client *c, uint64_t ticket, const struct policy_definition *d)
{
    char room[REASON_BYTES_MAX] = "";
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = policy_check(d, &reason);

    if (err != SL_OK)
        desk_answer(c, ticket, err, room);
    else
        enter(c, ticket, d, false);
}

void policing_clear(struct client *c, uint64_t ticket, struct sl_bytes vhost, bool is_operator,
                    struct sl_bytes name)
{
    const struct policy_definition d = {.vhost = vhost, .name = name, .is_operator = is_operator};

    enter(c, ticket, &d, true);
}

void policing_drop(struct topology *t)
{
    struct list *at;

    while ((at = list_pop(&t->changing)) != NULL)
        free(LIST_OF(at, struct policing, of_changing));
}

enum sl_err policing_replay(struct topology *t, struct shard *const *shards,
                            const struct record *record, struct text *reason)
{
    struct policy_definition d;

    SL_TRY(policy_record_read(record, &d));
    if (record->kind == RECORD_CLEAR_POLICY)
        (void)!policies_clear(&t->policies, d.vhost, d.is_operator, d.name);
    else
        SL_TRY(policies_set(&t->policies, &d, reason));
    struct rules_turn *turn = turn_new();
    struct vhost *v = topology_vhost(t, d.vhost);
    if (v != NULL) {
        apply_to_queues(t, v, turn);
        apply_to_exchanges(t, v);
    }
    for (size_t i = 0; i < turn->count; i++) {
        struct turn *one = &turn->turns[i];
        struct shard *s = shards[one->ref.shard];
        struct queue *q = shard_queue(s, one->ref.at);
        if (q != NULL)
            read_rules_again(s, q, one);
    }
    rules_turn_unref(turn);
    return SL_OK;
}

/* Ids that ended with their messages have none from there on: when they ended is not in the log, and
 * a message is not to be lost for one that had. */
static void read_rules_again(struct shard *s, struct queue *q, const struct turn *turn)
{
    bool was_until_settled = q->dedup_rules.is_until_settled;

    queue_read_rules(q, effective_ref(turn->effective), turn->ref.admission);
    if (was_until_settled && !q->dedup_rules.is_until_settled && q->dedup != NULL)
        dedup_forget_all(s, q, (sl_seq){UINT64_MAX}, NULL, 0);
}

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

/* One that comes while another is under way waits for it. */
static void enter(struct client *c, uint64_t ticket, const struct policy_definition *d,
                  bool is_clear)
{
    struct topology *t = broker_topology(c->worker->broker);
    size_t room = d->vhost.len + d->name.len + d->pattern.len + d->keys.len;
    struct policing *p = calloc(1, sizeof *p + room);

    SL_ASSERT(p != NULL);
    struct sl_writer w = {p->bytes, p->bytes + room, false};
    p->task = (struct desk_task){run, c};
    p->ticket = ticket;
    p->is_clear = is_clear;
    p->is = *d;
    p->is.vhost = keep(&w, d->vhost);
    p->is.name = keep(&w, d->name);
    p->is.pattern = keep(&w, d->pattern);
    p->is.keys = keep(&w, d->keys);
    topology_lock(t);
    bool is_first = list_is_empty(&t->changing);
    list_push(&t->changing, &p->of_changing);
    topology_unlock(t);
    if (is_first)
        run(&p->task, c);
}

static struct sl_bytes keep(struct sl_writer *w, struct sl_bytes bytes)
{
    struct sl_bytes kept = {w->pos, bytes.len};

    sl_write_bytes(w, bytes);
    return kept;
}

static void run(struct desk_task *task, struct client *c)
{
    struct policing *p = (struct policing *)task; /* its first member */
    struct topology *t = broker_topology(c->worker->broker);
    char room[REASON_BYTES_MAX] = "";
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = SL_OK;

    topology_lock(t);
    if (p->vhost == NULL)
        err = begin(t, p, &reason);
    if (err == SL_OK && p->vhost->is_gone) {
        text_add(&reason, "no such vhost");
        err = SL_ENOENT;
    }
    if (err == SL_OK) {
        go_on(c, p);
        return;
    }
    uint64_t ticket = p->ticket;
    leave(t, p);
    topology_unlock(t);
    desk_answer(c, ticket, err, room);
}

/* From here on the catalogue has it: what is declared meanwhile obeys it at once. */
static enum sl_err begin(struct topology *t, struct policing *p, struct text *reason)
{
    p->vhost = topology_vhost(t, p->is.vhost);
    if (p->is_clear) {
        bool is_there = policies_clear(&t->policies, p->is.vhost, p->is.is_operator, p->is.name);
        if (is_there && p->vhost != NULL)
            return SL_OK;
        text_add(reason, "no such policy");
        return SL_ENOENT;
    }
    if (p->vhost != NULL)
        return policies_set(&t->policies, &p->is, reason);
    text_add(reason, "no such vhost");
    return SL_ENOENT;
}

/* One slice.  Lets go of the topology lock. */
static void go_on(struct client *c, struct policing *p)
{
    struct broker *b = c->worker->broker;
    struct topology *t = broker_topology(b);
    struct rules_turn *turn = turn_new();
    struct broker_notice notice = {0};

    bool more = apply(t, p->vhost, &p->walk, SLICE, turn);
    p->told += turn->count;
    if (!more) {
        finish(c, p, turn);
        return;
    }
    if (turn->count > 0)
        broker_tell_shards(b, &notice, fill_item, turn);
    topology_unlock(t);
    broker_wake_shards(b, &notice);
    rules_turn_unref(turn);
    desk_go_on(&p->task);
}

/* The last queues are told where the record is.  Lets go of the topology lock, of the turn and of
 * the change. */
static void finish(struct client *c, struct policing *p, struct rules_turn *turn)
{
    struct broker *b = c->worker->broker;
    struct topology *t = broker_topology(b);
    struct log_run *record = &c->worker->run.at_once;
    struct broker_notice notice;
    uint64_t ticket = p->ticket;
    size_t told = p->told;

    apply_to_exchanges(t, p->vhost);
    t->is_changed = true; /* where messages go, and what limits them, may be something else now */
    if (p->is_clear)
        policy_record_clear(record, p->is.vhost, p->is.is_operator, p->is.name);
    else {
        policy_record_set(record, &p->is);
        note_ignored(&p->is);
    }
    struct log_place place = broker_tell_shards_of(b, &notice, record, fill_item, turn);
    leave(t, p);
    topology_unlock(t);
    broker_wake_shards(b, &notice);
    order_hurry(c->worker->run.order);
    rules_turn_unref(turn);
    desk_answer_at(c, ticket, place.end);
    sl_info("policy.changed", "queues=%zu", told);
}

/* The next one begins. */
static void leave(struct topology *t, struct policing *p)
{
    list_remove(&p->of_changing);
    free(p);
    if (!list_is_empty(&t->changing))
        desk_go_on(&LIST_OF(t->changing.next, struct policing, of_changing)->task);
}

static struct rules_turn *turn_new(void)
{
    struct rules_turn *turn = calloc(1, sizeof *turn);

    SL_ASSERT(turn != NULL);
    atomic_init(&turn->refs, 1);
    return turn;
}

/* Adds those queues that must be told.  True: there may be more. */
static bool apply(struct topology *t, const struct vhost *v, struct walk *walk, size_t most,
                  struct rules_turn *turn)
{
    struct topology_queue *coming[COMING];

    for (size_t seen = 0; seen < most; seen += COMING) {
        size_t n = 0;
        while (n < COMING && (coming[n] = next_queue(t, walk)) != NULL)
            fetch_ahead(coming[n++], sizeof(struct topology_queue));
        for (size_t i = 0; i < n; i++)
            if (coming[i]->vhost == v && topology_police_queue(t, coming[i]))
                add_turn(turn, coming[i]);
        if (n < COMING)
            return false;
    }
    return true;
}

static struct topology_queue *next_queue(struct topology *t, struct walk *walk)
{
    for (; walk->shard < t->shards; walk->shard++, walk->cursor = 0) {
        struct topology_queue *q = slot_table_next(&t->places[walk->shard], &walk->cursor);
        if (q != NULL)
            return q;
    }
    return NULL;
}

/* All of the virtual host's at once: nothing is declared meanwhile. */
static void apply_to_queues(struct topology *t, struct vhost *v, struct rules_turn *turn)
{
    struct topology_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&v->queues, &cursor)) != NULL)
        if (topology_police_queue(t, q))
            add_turn(turn, q);
}

static void apply_to_exchanges(struct topology *t, struct vhost *v)
{
    struct exchange *e;
    size_t cursor = 0;

    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        topology_police_exchange(t, e);
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

static void fill_item(void *context, struct lane_item *item)
{
    struct rules_turn *turn = context;

    atomic_fetch_add_explicit(&turn->refs, 1, memory_order_relaxed);
    item->kind = LANE_RULES;
    item->rules = turn;
}

static void note_ignored(const struct policy_definition *d)
{
    char room[512];
    struct text names = text_on(room, sizeof room);

    policy_list_ignored(d->keys, &names);
    if (names.len != 0)
        sl_log_peer(SL_LOG_WARN, "policy.key_ignored", "keys=%s", room);
}
