#include "core/cluster_queue.h"

#include "core/broker.h"
#include "core/journal.h"
#include "core/permission.h"
#include "core/queue.h"
#include "core/reminder.h"

enum sl_err cluster_queue_resolve(const struct vhost *v, struct sl_bytes *name,
                                  struct cluster_name *room, bool *is_cluster, struct text *reason)
{
    *is_cluster = false;
    if (name->len == 0 || name->at[0] != '/')
        return SL_OK;
    if (!atomic_load_explicit(&v->has_cluster_names, memory_order_relaxed) &&
        !sl_bytes_begin(*name, "/queue/"))
        return SL_OK;
    enum sl_err err = cluster_name_read(*name, room, reason);
    if (err == SL_ENOENT)
        return SL_OK;
    if (err == SL_OK) {
        *name = room->own;
        *is_cluster = true;
    }
    return err;
}

enum sl_err cluster_queue_of_subscription(const struct client *c, struct sl_bytes name,
                                          struct cluster_name *out, struct text *reason)
{
    bool is_cluster;

    SL_TRY(cluster_queue_resolve(c->vhost, &name, out, &is_cluster, reason));
    if (is_cluster)
        return SL_OK;
    if (c->cluster_id.len == 0)
        return SL_ENOENT;
    return cluster_name_of_topic(name, c->cluster_id, out, reason);
}

enum sl_err cluster_queue_check_access(const struct client *c, struct sl_bytes own,
                                       struct text *reason)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct resource about = {"queue", own, c->vhost->name};
    struct cluster_name name;

    SL_TRY(cluster_name_read(own, &name, reason));
    struct resource exchange = {"exchange", name.exchange, c->vhost->name};
    topology_lock(t);
    const struct exchange *e = topology_exchange(c->vhost, name.exchange);
    bool is_topic = e != NULL && e->matching == EXCHANGE_TOPIC;
    topology_unlock(t);

    SL_TRY(permission_check(c, PERMISSION_READ, exchange, reason));
    if (is_topic)
        SL_TRY(permission_check_topic(c, PERMISSION_READ, exchange, name.pattern, reason));
    return permission_check(c, PERMISSION_READ, about, reason);
}

enum sl_err cluster_queue_check_making(const struct client *c, struct sl_bytes own,
                                       struct text *reason)
{
    struct cluster_name name;

    SL_TRY(cluster_name_read(own, &name, reason));
    if (sl_bytes_equal(name.id, c->account_cluster_id))
        return SL_OK;
    return permission_check(c, PERMISSION_CONFIGURE,
                            (struct resource){"queue", own, c->vhost->name}, reason);
}

/* One group: a crash leaves the queue with its binding, or neither. */
void cluster_queue_log(struct shard *s, struct queue *q, struct topology_queue *def,
                       unsigned changes, struct reminder *reminder)
{
    struct log_run *record = &s->run->at_once;
    struct binding_request own;
    struct cluster_name name;
    bool is_new = (changes & CLUSTER_QUEUE_MADE) != 0;

    topology_cluster_binding(def, &name, &own);
    if ((changes & CLUSTER_BINDING_MADE) != 0)
        reminder_take(reminder, def->vhost, &own);
    bool is_bound = (changes & CLUSTER_BINDING_MADE) != 0 &&
                    topology_exchange(def->vhost, own.source)->is_durable;
    if (is_new) {
        q->mark = q->next_mark = s->newest + QUEUE_MARK_STEP;
        log_run_group_begin(record);
        journal_declare_queue(record, def, q->mark);
    }
    if (is_bound)
        journal_binding(record, RECORD_BIND, def->vhost, &own);
    if (is_new)
        log_run_group_end(record);
    if (is_new || is_bound)
        def->bound_place = order_append(s->run->order, record);
    if (is_new)
        q->place = def->bound_place;
}
