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

struct turn { /* of one queue */
    struct queue_ref ref;
    struct effective *effective; /* a reference, or NULL */
};

struct rules_turn { /* of all queues for which another set of rules is in force */
    _Atomic uint32_t refs;
    struct turn *turns;
    size_t count, room;
};

static struct rules_turn *apply(struct topology *t, struct sl_bytes vhost);
static void apply_to_exchanges(struct topology *t, struct vhost *v);
static void add_turn(struct rules_turn *r, const struct topology_queue *q);
static void fill_item(void *context, struct lane_item *item);
static void tell(struct client *c, uint64_t ticket, struct log_run *record,
                 struct rules_turn *turn);
static void note_ignored(const struct policy_definition *d);

void policing_set(struct client *c, uint64_t ticket, const struct policy_definition *d)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct log_run *record = &c->worker->run.at_once;
    char room[REASON_BYTES_MAX] = "";
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = policy_check(d, &reason);

    topology_lock(t);
    if (err == SL_OK && topology_vhost(t, d->vhost) == NULL) {
        text_add(&reason, "no such vhost");
        err = SL_ENOENT;
    }
    if (err == SL_OK)
        err = policies_set(&t->policies, d, &reason);
    if (err != SL_OK) {
        topology_unlock(t);
        desk_answer(c, ticket, err, room);
        return;
    }
    policy_record_set(record, d);
    tell(c, ticket, record, apply(t, d->vhost));
    note_ignored(d);
}

void policing_clear(struct client *c, uint64_t ticket, struct sl_bytes vhost, bool is_operator,
                    struct sl_bytes name)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct log_run *record = &c->worker->run.at_once;

    topology_lock(t);
    if (!policies_clear(&t->policies, vhost, is_operator, name)) {
        topology_unlock(t);
        desk_answer(c, ticket, SL_ENOENT, "no such policy");
        return;
    }
    policy_record_clear(record, vhost, is_operator, name);
    tell(c, ticket, record, apply(t, vhost));
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
    struct rules_turn *turn = apply(t, d.vhost);
    for (size_t i = 0; i < turn->count; i++) {
        struct turn *one = &turn->turns[i];
        struct queue *q = shard_queue(shards[one->ref.shard], one->ref.at);
        if (q != NULL)
            queue_read_rules(q, effective_ref(one->effective), one->ref.admission);
    }
    rules_turn_unref(turn);
    return SL_OK;
}

void rules_turn_take(struct shard *s, struct rules_turn *turn)
{
    for (size_t i = 0; i < turn->count; i++) {
        const struct turn *one = &turn->turns[i];
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

/* Gives those queues that must be told; one reference. */
static struct rules_turn *apply(struct topology *t, struct sl_bytes vhost)
{
    struct rules_turn *turn = calloc(1, sizeof *turn);
    struct vhost *v = topology_vhost(t, vhost);
    struct topology_queue *q;
    size_t cursor = 0;

    SL_ASSERT(turn != NULL);
    atomic_init(&turn->refs, 1);
    if (v == NULL)
        return turn;
    while ((q = hash_map_next(&v->queues, &cursor)) != NULL)
        if (topology_police_queue(t, q))
            add_turn(turn, q);
    apply_to_exchanges(t, v);
    t->is_changed = true; /* where messages go, and what limits them, may be something else now */
    return turn;
}

static void apply_to_exchanges(struct topology *t, struct vhost *v)
{
    struct exchange *e;
    size_t cursor = 0;

    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        topology_police_exchange(t, e);
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

/* Lets go of the topology lock, and of the turn. */
static void tell(struct client *c, uint64_t ticket, struct log_run *record, struct rules_turn *turn)
{
    struct broker *b = c->worker->broker;
    struct broker_notice notice;
    size_t count = turn->count;

    struct log_place place = broker_tell_shards_of(b, &notice, record, fill_item, turn);
    topology_unlock(broker_topology(b));
    broker_wake_shards(b, &notice);
    order_hurry(c->worker->run.order);
    rules_turn_unref(turn);
    desk_answer_at(c, ticket, place.end);
    sl_info("policy.changed", "queues=%zu", count);
}

static void note_ignored(const struct policy_definition *d)
{
    char room[512];
    struct text names = text_on(room, sizeof room);

    policy_list_ignored(d->keys, &names);
    if (names.len != 0)
        sl_log_peer(SL_LOG_WARN, "policy.key_ignored", "keys=%s", room);
}
