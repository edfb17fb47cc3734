/* topology_cluster.c - cluster queues as the catalogue knows them (SEMANTICS 2).
 *
 * A cluster queue is a durable queue whose name says where it is bound: that binding comes with
 * it, and comes back with every declaration that finds it missing. */
#include "core/arguments.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/cluster_name.h"
#include "core/topology_parts.h"

#include <stdlib.h>

struct cluster { /* one block with the id behind it */
    uint32_t queues;
    struct sl_bytes id;
};

static enum sl_err find_exchange(struct vhost *v, const struct cluster_name *name,
                                 struct text *reason);
static enum sl_err check_new(struct vhost *v, const struct cluster_name *name,
                             const struct queue_declaration *d, struct text *reason);
static enum sl_err compare(const struct topology_queue *q, const struct queue_declaration *d,
                           struct text *reason);
static enum sl_err refuse_property(struct resource about, const char *property,
                                   struct text *reason);
static void read_own(struct sl_bytes name, struct cluster_name *out);
static struct binding_request own_binding(const struct cluster_name *name);

enum sl_err topology_declare_cluster(struct topology *t, struct vhost *v,
                                     const struct queue_declaration *d, struct topology_queue **out,
                                     unsigned *changes, struct text *reason)
{
    struct queue_declaration effective = *d;
    struct sl_handle nobody = {0, 0, 0};
    struct cluster_name name;

    *changes = 0;
    *out = topology_queue(v, d->name);
    read_own(d->name, &name);
    SL_TRY(*out == NULL ? check_new(v, &name, d, reason) : compare(*out, d, reason));
    SL_TRY(find_exchange(v, &name, reason));

    effective.is_durable = true;
    effective.is_cluster = true;
    if (*out == NULL) {
        SL_TRY(queue_add(t, v, nobody, &effective, out));
        *changes |= CLUSTER_QUEUE_MADE;
    }
    const struct binding_request own = own_binding(&name);
    struct bindings *bindings = topology_exchange(v, own.source)->bindings;
    size_t before = bindings_count(bindings);
    enum sl_err err = topology_bind(t, v, nobody, &own, reason);
    if (bindings_count(bindings) != before)
        *changes |= CLUSTER_BINDING_MADE;
    if (err == SL_OK) {
        if ((*changes & CLUSTER_QUEUE_MADE) != 0)
            topology_note_dormant(t, queue_resource(v, d->name), d->arguments);
        return SL_OK;
    }
    if ((*changes & CLUSTER_QUEUE_MADE) != 0)
        topology_remove_queue(t, *out);
    *out = NULL;
    *changes = 0;
    return err;
}

void topology_cluster_binding(const struct topology_queue *q, struct cluster_name *name,
                              struct binding_request *out)
{
    read_own(q->name, name);
    *out = own_binding(name);
}

bool cluster_owns_binding(const struct topology_queue *q, const struct binding_request *r)
{
    struct cluster_name name;

    if (q->cluster == NULL || (r->arguments.len != 0 && !sl_bytes_equal(r->arguments, table_empty)))
        return false;
    read_own(q->name, &name);
    return sl_bytes_equal(name.exchange, r->source) && sl_bytes_equal(name.pattern, r->key);
}

enum sl_err cluster_join(struct vhost *v, struct sl_bytes name, struct cluster **out)
{
    struct cluster_name read;

    read_own(name, &read);
    *out = hash_map_get(&v->clusters, read.id);
    if (*out == NULL) {
        struct cluster *c = calloc(1, sizeof *c + read.id.len);
        if (c == NULL)
            return SL_ENOMEM;
        memcpy(c + 1, read.id.at, read.id.len);
        c->id = (struct sl_bytes){(uint8_t *)(c + 1), read.id.len};
        if (hash_map_put(&v->clusters, c->id, c) != SL_OK) {
            free(c);
            return SL_ENOMEM;
        }
        *out = c;
    }
    (*out)->queues++;
    return SL_OK;
}

void cluster_leave(struct vhost *v, struct cluster *c)
{
    if (--c->queues != 0)
        return;
    hash_map_remove(&v->clusters, c->id);
    free(c);
}

static enum sl_err find_exchange(struct vhost *v, const struct cluster_name *name,
                                 struct text *reason)
{
    const struct exchange *e = topology_exchange(v, name->exchange);

    if (e == NULL)
        return refusal_missing(exchange_resource(v, name->exchange), reason);
    bool has_keys = bindings_read_keys(e->bindings);
    if (has_keys != (name->pattern.len != 0))
        return cluster_name_refuse_pattern(name->exchange, has_keys, reason);
    return SL_OK;
}

static enum sl_err check_new(struct vhost *v, const struct cluster_name *name,
                             const struct queue_declaration *d, struct text *reason)
{
    struct resource about = queue_resource(v, d->name);
    struct queue_declaration effective = *d;
    const struct cluster *c = hash_map_get(&v->clusters, name->id);

    effective.is_durable = true; /* what does not say so says nothing */
    if (d->refusal != NULL) {
        text_add(reason, "%s", d->refusal);
        return SL_EDENIED;
    }
    if (d->is_exclusive)
        return refuse_property(about, "exclusive", reason);
    if (d->is_auto_delete)
        return refuse_property(about, "auto_delete", reason);
    SL_TRY(arguments_check_queue(about, &effective, reason));
    SL_TRY(queue_check_room(v, d->name, reason));
    if (c == NULL || c->queues < SL_CLUSTER_QUEUES_MAX)
        return SL_OK;
    text_add(reason, "ClusterID '");
    text_add_bytes(reason, c->id);
    text_add(reason, "' has %u cluster queues, which is the limit", c->queues);
    return SL_EFULL;
}

static enum sl_err compare(const struct topology_queue *q, const struct queue_declaration *d,
                           struct text *reason)
{
    struct resource about = queue_resource(q->vhost, q->name);

    if (q->cluster == NULL) {
        resource_describe(about, reason);
        text_add(reason, " is an ordinary queue, not a cluster queue");
        return SL_EPRECOND;
    }
    if (d->is_exclusive)
        return refuse_property(about, "exclusive", reason);
    if (d->is_auto_delete)
        return refuse_property(about, "auto_delete", reason);
    return arguments_compare_said(about, d->arguments, q->arguments, reason);
}

static enum sl_err refuse_property(struct resource about, const char *property, struct text *reason)
{
    return refusal_inequivalent(about, property, "true", "false", reason);
}

/* Whoever says that a name is a cluster queue's own has read it, or the log has. */
static void read_own(struct sl_bytes name, struct cluster_name *out)
{
    char room[512];
    struct text ignored = text_on(room, sizeof room);
    enum sl_err err = cluster_name_read(name, out, &ignored);

    SL_ASSERT(err == SL_OK);
}

static struct binding_request own_binding(const struct cluster_name *name)
{
    return (struct binding_request){
        .source = name->exchange, .destination = name->own, .key = name->pattern};
}
