/* topology_vhost.c - the part of topology.h that is virtual hosts. */
#include "core/topology_parts.h"

#include "core/admission.h"
#include "core/selector.h"

#include <stdlib.h>

static void clear_exchanges(struct vhost *v);

struct vhost *vhost_new(struct sl_bytes name)
{
    struct vhost *v = calloc(1, sizeof *v + name.len);

    if (v == NULL)
        return NULL;
    memcpy(v + 1, name.at, name.len);
    v->name = (struct sl_bytes){(uint8_t *)(v + 1), name.len};
    list_init(&v->exchange_order);
    atomic_init(&v->connections_max, UINT64_MAX);
    atomic_init(&v->queues_max, UINT64_MAX);
    atomic_init(&v->has_cluster_names, true);
    if (exchanges_declare_own(v) == SL_OK)
        return v;
    vhost_free(v);
    return NULL;
}

void vhost_free(struct vhost *v)
{
    struct topology_queue *q;
    size_t cursor = 0;

    clear_exchanges(v);
    while ((q = hash_map_next(&v->queues, &cursor)) != NULL)
        topology_queue_free(q);
    hash_map_deinit(&v->queues);
    hash_map_deinit(&v->clusters);
    sl_bytes_free(v->description);
    sl_bytes_free(v->tags);
    sl_bytes_free(v->queue_type);
    free(v);
}

void topology_queue_free(struct topology_queue *q)
{
    if (q->holds_for != NULL)
        q->holds_for->holding = NULL;
    list_remove(&q->of_orphans);
    if (q->cluster != NULL)
        cluster_leave(q->vhost, q->cluster);
    admission_unref(q->ref.admission);
    effective_unref(q->effective);
    selector_free(q->selector);
    free(q);
}

enum sl_err topology_add_vhost(struct topology *t, struct sl_bytes name, struct vhost **out)
{
    struct vhost *v = vhost_new(name);

    if (v == NULL || hash_map_put(&t->vhosts, v->name, v) != SL_OK) {
        if (v != NULL)
            vhost_free(v);
        return SL_ENOMEM;
    }
    atomic_store(&v->has_cluster_names, t->has_cluster_names);
    *out = v;
    t->is_changed = true;
    return SL_OK;
}

void topology_drop_vhost(struct topology *t, struct vhost *v)
{
    hash_map_remove(&t->vhosts, v->name);
    clear_exchanges(v);
    policies_forget_vhost(&t->policies, v->name);
    v->is_gone = true;
    v->next_gone = t->gone;
    t->gone = v;
    t->is_changed = true;
    vhost_trim(v);
}

void vhost_trim(struct vhost *v)
{
    if (!v->is_gone || v->queues.count != 0)
        return;
    hash_map_deinit(&v->queues);
    hash_map_deinit(&v->clusters);
    sl_bytes_free(v->description);
    sl_bytes_free(v->tags);
    sl_bytes_free(v->queue_type);
    v->description = v->tags = v->queue_type = (struct sl_bytes){NULL, 0};
}

/* Bindings go with their sources, before what they point to. */
static void clear_exchanges(struct vhost *v)
{
    struct exchange *e;
    size_t cursor = 0;

    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        bindings_clear(e->bindings);
    cursor = 0;
    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL)
        exchange_free(e);
    hash_map_deinit(&v->exchanges);
}
