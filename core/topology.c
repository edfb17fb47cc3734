#include "core/topology.h"

#include "core/admission.h"
#include "core/arguments.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/prepared_form.h"
#include "core/selector.h"
#include "core/topology_parts.h"

#include <stdlib.h>

static enum sl_err check_new(const struct vhost *v, struct resource about,
                             const struct queue_declaration *d, struct text *reason);
static enum sl_err check_access(const struct vhost *v, const struct topology_queue *q,
                                struct sl_handle who, struct text *reason);
static enum sl_err compare_queue(const struct topology_queue *q, struct sl_handle who,
                                 const struct queue_declaration *d, struct text *reason);
static struct topology_queue *definition_new(struct topology *t, struct vhost *v,
                                             struct sl_handle who,
                                             const struct queue_declaration *d);
static bool select_messages(struct topology_queue *q);
static void check_vhost(struct topology *t, struct vhost *v);

struct topology *topology_new(uint32_t shards)
{
    struct topology *t = calloc(1, sizeof *t);
    struct vhost *v = vhost_new(SL_BYTES_LITERAL("/"));

    if (t == NULL || v == NULL)
        goto release;
    t->places = calloc(shards, sizeof *t->places);
    if (t->places == NULL || hash_map_put(&t->vhosts, v->name, v) != SL_OK)
        goto release;
    SL_ASSERT(pthread_mutex_init(&t->lock, NULL) == 0);
    t->shards = shards;
    t->version = 1;
    t->next_number = 1;
    t->has_cluster_names = true;
    list_init(&t->orphans);
    list_init(&t->changing);
    return t;

release:
    if (v != NULL)
        vhost_free(v);
    if (t != NULL)
        free(t->places);
    free(t);
    return NULL;
}

void topology_free(struct topology *t)
{
    struct vhost *v;
    size_t cursor = 0;

    while ((v = hash_map_next(&t->vhosts, &cursor)) != NULL)
        vhost_free(v);
    while ((v = t->gone) != NULL) {
        t->gone = v->next_gone;
        vhost_free(v);
    }
    hash_map_deinit(&t->vhosts);
    policies_deinit(&t->policies);
    for (uint32_t i = 0; i < t->shards; i++)
        slot_table_deinit(&t->places[i]);
    free(t->places);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void topology_lock(struct topology *t)
{
    pthread_mutex_lock(&t->lock);
}

void topology_unlock(struct topology *t)
{
    const char *event = t->notice;
    char fields[sizeof t->notice_fields];

    if (t->is_changed)
        atomic_fetch_add_explicit(&t->version, 1, memory_order_release);
    t->is_changed = false;
    if (event != NULL)
        memcpy(fields, t->notice_fields, sizeof fields);
    t->notice = NULL;
    pthread_mutex_unlock(&t->lock);
    if (event != NULL)
        sl_log_peer(SL_LOG_WARN, event, "%s", fields);
}

uint32_t topology_shard(const struct topology *t, const struct vhost *v, struct sl_bytes name)
{
    uint64_t hash = hash_map_hash(name) ^ hash_map_hash(v->name);

    return (uint32_t)((hash >> 32) % t->shards);
}

void topology_set_cluster_names(struct topology *t, bool is_on)
{
    struct vhost *v;
    size_t cursor = 0;

    topology_lock(t);
    t->has_cluster_names = is_on;
    while ((v = hash_map_next(&t->vhosts, &cursor)) != NULL)
        atomic_store_explicit(&v->has_cluster_names, is_on, memory_order_relaxed);
    t->is_changed = true; /* what routes by name may mean something else */
    topology_unlock(t);
}

struct vhost *topology_vhost(struct topology *t, struct sl_bytes name)
{
    return hash_map_get(&t->vhosts, name);
}

struct exchange *topology_exchange(struct vhost *v, struct sl_bytes name)
{
    return hash_map_get(&v->exchanges, name);
}

struct topology_queue *topology_queue(struct vhost *v, struct sl_bytes name)
{
    return hash_map_get(&v->queues, name);
}

enum sl_err topology_declare_queue(struct topology *t, struct vhost *v, struct sl_handle who,
                                   const struct queue_declaration *d, struct topology_queue **out,
                                   bool *created, struct text *reason)
{
    struct queue_declaration effective = *d;
    struct resource about = queue_resource(v, d->name);

    *created = false;
    *out = NULL;
    if (v->is_gone)
        return refusal_no_vhost(v->name, reason);
    if (d->is_passive)
        return topology_use_queue(v, who, d->name, out, reason);
    bool is_hidden = sl_bytes_are(d->name, PREPARED_QUEUE) && !d->is_own && d->number == 0;
    if (is_hidden || (!d->may_be_reserved && sl_bytes_begin(d->name, "amq.")) ||
        (d->number == 0 && holding_is(d->name)))
        return refusal_reserved_name(about, reason);

    /* What goes with its connection has nothing to survive a restart for. */
    effective.is_durable = d->is_durable && !d->is_exclusive;
    *out = topology_queue(v, d->name);
    if (*out != NULL)
        return compare_queue(*out, who, &effective, reason);
    if (d->refusal != NULL) {
        text_add(reason, "%s", d->refusal);
        return SL_EDENIED;
    }
    if (d->number == 0) /* else it was checked in the life before */
        SL_TRY(check_new(v, about, &effective, reason));
    SL_TRY(queue_add(t, v, who, &effective, out));
    *created = true;
    topology_note_dormant(t, about, d->arguments);
    return SL_OK;
}

enum sl_err topology_use_queue(struct vhost *v, struct sl_handle who, struct sl_bytes name,
                               struct topology_queue **out, struct text *reason)
{
    *out = topology_queue(v, name);
    if (*out == NULL || (*out)->is_hidden || (*out)->is_reply)
        return refusal_missing(queue_resource(v, name), reason);
    return check_access(v, *out, who, reason);
}

void topology_remove_queue(struct topology *t, struct topology_queue *q)
{
    struct exchange *idle = NULL;
    struct vhost *v = q->vhost;

    while (!list_is_empty(&q->as_destination))
        binding_end(LIST_OF(q->as_destination.next, struct binding, of_destination), &idle);
    exchanges_remove_idle(t, idle);
    slot_table_remove(&t->places[q->ref.shard], q->ref.at);
    hash_map_remove(&v->queues, q->name);
    v->replies -= q->is_reply;
    v->hidden -= q->is_hidden;
    topology_queue_free(q);
    vhost_trim(v);
    t->is_changed = true;
}

struct topology_queue *topology_queue_at(struct topology *t, struct queue_ref ref)
{
    return ref.shard < t->shards ? slot_table_get(&t->places[ref.shard], ref.at) : NULL;
}

void topology_check(struct topology *t)
{
    size_t places = 0;
    size_t queues = 0;
    size_t cursor = 0;
    struct vhost *v;

    while ((v = hash_map_next(&t->vhosts, &cursor)) != NULL) {
        check_vhost(t, v);
        queues += v->queues.count;
    }
    for (uint32_t i = 0; i < t->shards; i++)
        places += t->places[i].count;
    SL_ASSERT(places == queues);
}

void topology_note_dormant(struct topology *t, struct resource about, struct sl_bytes arguments)
{
    struct text fields = text_on(t->notice_fields, sizeof t->notice_fields);
    bool is_queue = strcmp(about.kind, "queue") == 0;

    text_add(&fields, "arguments=");
    size_t before = fields.len;
    arguments_list_dormant(arguments, &fields);
    if (fields.len == before)
        return;
    text_add(&fields, " %s=", about.kind);
    text_add_bytes(&fields, about.name);
    text_add(&fields, " vhost=");
    text_add_bytes(&fields, about.vhost);
    t->notice = is_queue ? "queue.argument_ignored" : "exchange.argument_ignored";
}

enum sl_err queue_add(struct topology *t, struct vhost *v, struct sl_handle who,
                      const struct queue_declaration *d, struct topology_queue **out)
{
    struct topology_queue *q = definition_new(t, v, who, d);

    if (q == NULL)
        return SL_ENOMEM;
    if (d->is_cluster && cluster_join(v, q->name, &q->cluster) != SL_OK)
        goto free_queue;
    q->ref.shard = topology_shard(t, v, q->name);
    if (slot_table_put(&t->places[q->ref.shard], q, &q->ref.at) != SL_OK)
        goto free_queue;
    if (hash_map_put(&v->queues, q->name, q) != SL_OK)
        goto free_place;
    q->number = d->number != 0 ? d->number : t->next_number;
    if (q->number >= t->next_number)
        t->next_number = q->number + 1;
    q->ref.number = q->is_durable ? q->number : 0;
    v->replies += q->is_reply;
    t->is_changed |= !q->is_reply; /* of which nobody knows the name yet */
    v->hidden += q->is_hidden;
    if (q->ref.holds)
        holding_link(t, q);
    *out = q;
    return SL_OK;

free_place:
    slot_table_remove(&t->places[q->ref.shard], q->ref.at);
free_queue:
    topology_queue_free(q);
    return SL_ENOMEM;
}

static enum sl_err check_new(const struct vhost *v, struct resource about,
                             const struct queue_declaration *d, struct text *reason)
{
    SL_TRY(arguments_check_queue(about, d, reason));
    return d->is_own ? SL_OK : queue_check_room(v, d->name, reason);
}

enum sl_err queue_check_room(const struct vhost *v, struct sl_bytes name, struct text *reason)
{
    uint64_t max = atomic_load_explicit(&v->queues_max, memory_order_relaxed);

    if (v->queues.count - v->replies - v->hidden < max)
        return SL_OK;
    text_add(reason, "cannot declare queue '");
    text_add_bytes(reason, name);
    text_add(reason, "': queue limit in vhost '");
    text_add_bytes(reason, v->name);
    text_add(reason, "' (%llu) is reached", (unsigned long long)max);
    return SL_EPRECOND;
}

static enum sl_err check_access(const struct vhost *v, const struct topology_queue *q,
                                struct sl_handle who, struct text *reason)
{
    if (q->is_exclusive && !sl_handle_equal(q->owner, who))
        return refusal_locked(queue_resource(v, q->name), reason);
    return SL_OK;
}

/* Exclusive is compared as a lock: whoever does not hold it, or does not ask for it, has no
 * access. */
static enum sl_err compare_queue(const struct topology_queue *q, struct sl_handle who,
                                 const struct queue_declaration *d, struct text *reason)
{
    struct resource about = queue_resource(q->vhost, q->name);

    if (q->is_exclusive != d->is_exclusive)
        return refusal_locked(about, reason);
    SL_TRY(check_access(q->vhost, q, who, reason));
    if (q->is_durable != d->is_durable)
        return refusal_inequivalent(about, "durable", truth_word(d->is_durable),
                                    truth_word(q->is_durable), reason);
    if (q->is_auto_delete != d->is_auto_delete)
        return refusal_inequivalent(about, "auto_delete", truth_word(d->is_auto_delete),
                                    truth_word(q->is_auto_delete), reason);
    return arguments_compare_queue(about, d->arguments, q->arguments, reason);
}

/* One block: the queue, its name, its arguments; and the admission where there is one. */
static struct topology_queue *definition_new(struct topology *t, struct vhost *v,
                                             struct sl_handle who,
                                             const struct queue_declaration *d)
{
    struct sl_bytes arguments = d->arguments.len == 0 ? table_empty : d->arguments;
    struct topology_queue *q = calloc(1, sizeof *q + d->name.len + arguments.len);

    if (q == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(q + 1);
    memcpy(at, d->name.at, d->name.len);
    memcpy(at + d->name.len, arguments.at, arguments.len);
    q->vhost = v;
    q->name = (struct sl_bytes){at, d->name.len};
    q->arguments = (struct sl_bytes){at + d->name.len, arguments.len};
    q->is_durable = d->is_durable;
    q->is_exclusive = d->is_exclusive;
    q->is_auto_delete = d->is_auto_delete;
    q->ref.holds = holding_is(q->name);
    q->is_hidden = q->ref.holds || sl_bytes_are(q->name, PREPARED_QUEUE);
    q->is_reply = d->is_reply;
    list_init(&q->of_orphans);
    if (d->is_exclusive)
        q->owner = who;
    list_init(&q->as_destination);
    (void)topology_police_queue(t, q);
    if (select_messages(q) && topology_limit_queue(q))
        return q;
    admission_unref(q->ref.admission);
    effective_unref(q->effective);
    selector_free(q->selector);
    free(q);
    return NULL;
}

/* It was checked; one that is none was declared to a version that did not read it, and selects
 * nothing.  False: no memory. */
static bool select_messages(struct topology_queue *q)
{
    char room[8];
    struct text ignored = text_on(room, sizeof room);
    struct table_value value;
    struct sl_bytes selector;

    if (!table_find(q->arguments, "x-selector", &value) || !table_value_string(value, &selector))
        return true;
    return selector_parse(selector, &q->selector, &ignored) != SL_ENOMEM;
}

static void check_vhost(struct topology *t, struct vhost *v)
{
    struct topology_queue *q;
    struct exchange *e;
    size_t bound = 0; /* bindings, from their destinations' side and then from their sources' */
    size_t cursor = 0;

    while ((q = hash_map_next(&v->queues, &cursor)) != NULL) {
        SL_ASSERT(q->vhost == v && topology_queue(v, q->name) == q);
        SL_ASSERT(topology_queue_at(t, q->ref) == q);
        for (struct list *at = q->as_destination.next; at != &q->as_destination; at = at->next)
            bound++;
    }
    cursor = 0;
    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        for (struct list *at = e->as_destination.next; at != &e->as_destination; at = at->next)
            bound++;
    cursor = 0;
    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL) {
        SL_ASSERT(e->vhost == v && topology_exchange(v, e->name) == e);
        SL_ASSERT(!list_is_empty(&e->of_vhost));
        bindings_check(e->bindings);
        bound -= bindings_count(e->bindings);
    }
    SL_ASSERT(bound == 0);
}
