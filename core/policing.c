#include "core/policing.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/broker.h"
#include "core/desk.h"
#include "core/policing_parts.h"
#include "core/policy_record.h"
#include "core/queue.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 1024

/* A slice is some ten microseconds, in which others wait for the lock or for the thread; between
 * two of them those go on.  10,000 queues take some 80 slices, and more take no more than 100.  On
 * a machine that is too busy for so many rests the last slices go without. */
#define SLICE 128u
#define SLICES_MAX 100u
#define REST_MS 5u
#define RESTS_MS 600u

struct policing { /* a change: the first of those that are there is under way, the others wait */
    struct desk_task task; /* its next slice */
    struct list of_changing;
    uint64_t ticket;
    struct policy_definition is;
    bool is_clear;
    struct policing_walk walk; /* with a vhost: it has begun */
    size_t told;               /* queues */
    uint64_t rests_end;        /* in the order's time */
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
static size_t slice_of(const struct topology *t);
static bool takes_a_rest(const struct topology *t, struct policing *p, size_t slice);
static void read_rules_again(struct shard *s, struct queue *q, const struct turn *turn);
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

    while ((at = list_pop(&t->changing)) != NULL) {
        struct policing *p = LIST_OF(at, struct policing, of_changing);
        list_remove(&p->walk.mark);
        free(p);
    }
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
    struct rules_turn *turn = rules_turn_new();
    struct vhost *v = topology_vhost(t, d.vhost);
    if (v != NULL)
        policing_at_once(t, v, turn);
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

/* One that comes while another is under way waits for it. */
static void enter(struct client *c, uint64_t ticket, const struct policy_definition *d,
                  bool is_clear)
{
    struct topology *t = broker_topology(c->worker->broker);
    size_t room = d->vhost.len + d->name.len + d->pattern.len + d->keys.len;
    struct policing *p = calloc(1, sizeof *p + room);

    SL_ASSERT(p != NULL);
    struct sl_writer w = {p->bytes, p->bytes + room, false};
    p->task = (struct desk_task){.run = run, .client = c};
    p->ticket = ticket;
    p->is_clear = is_clear;
    p->is = *d;
    p->is.vhost = keep(&w, d->vhost);
    p->is.name = keep(&w, d->name);
    p->is.pattern = keep(&w, d->pattern);
    p->is.keys = keep(&w, d->keys);
    list_init(&p->walk.mark);
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
    if (p->walk.vhost == NULL)
        err = begin(t, p, &reason);
    if (err == SL_OK && p->walk.vhost->is_gone) {
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
    struct vhost *v = topology_vhost(t, p->is.vhost);

    if (p->is_clear) {
        bool is_there = policies_clear(&t->policies, p->is.vhost, p->is.is_operator, p->is.name);
        if (!is_there || v == NULL) {
            text_add(reason, "no such policy");
            return SL_ENOENT;
        }
    } else {
        if (v == NULL) {
            text_add(reason, "no such vhost");
            return SL_ENOENT;
        }
        SL_TRY(policies_set(&t->policies, &p->is, reason));
    }
    policing_walk_begin(&p->walk, v);
    p->rests_end = order_time(p->task.client->worker->run.order) + RESTS_MS;
    return SL_OK;
}

/* One slice.  Lets go of the topology lock. */
static void go_on(struct client *c, struct policing *p)
{
    struct broker *b = c->worker->broker;
    struct topology *t = broker_topology(b);
    struct rules_turn *turn = rules_turn_new();
    struct broker_notice notice = {0};
    size_t slice = slice_of(t);

    bool more = policing_walk_on(&p->walk, t, slice, turn);
    p->told += turn->count;
    if (!more) {
        finish(c, p, turn);
        return;
    }
    if (turn->count > 0)
        broker_tell_shards(b, &notice, fill_item, turn);
    bool rests = takes_a_rest(t, p, slice);
    topology_unlock(t);
    broker_wake_shards(b, &notice);
    rules_turn_unref(turn);
    if (rests)
        desk_rest(&p->task, REST_MS);
    else
        desk_go_on(&p->task);
}

static size_t slice_of(const struct topology *t)
{
    size_t queues = 0;

    for (uint32_t i = 0; i < t->shards; i++)
        queues += t->places[i].count;
    return queues / SLICES_MAX > SLICE ? queues / SLICES_MAX : SLICE;
}

/* Not for what it only looks at, and not while others wait for it: many changes at once are an
 * import.  And not about ids: a start asks these again by the rules before the record, and what
 * comes between a queue's turn and that is to be little. */
static bool takes_a_rest(const struct topology *t, struct policing *p, size_t slice)
{
    if (p->walk.changed < slice || t->changing.next != t->changing.prev || p->walk.is_about_ids)
        return false;
    p->walk.changed = 0;
    return order_time(p->task.client->worker->run.order) < p->rests_end;
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
    list_remove(&p->walk.mark);
    free(p);
    if (!list_is_empty(&t->changing))
        desk_go_on(&LIST_OF(t->changing.next, struct policing, of_changing)->task);
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
