#include "core/topology.h"

#include "core/arguments.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/topology_parts.h"

#include <stdlib.h>

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
