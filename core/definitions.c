/* definitions.c - the part of broker.h that changes exchanges and bindings.
 *
 * They live in the topology alone: they are changed here, under its lock, and the answer is
 * mailed to the caller like any other. */
#include "core/broker.h"

#include "core/base/text.h"
#include "core/delayed.h"
#include "core/exchange.h"
#include "core/permission.h"
#include "core/reminder.h"
#include "core/request.h"

#include <string.h>

static enum sl_err add_holding(struct client *c, struct exchange *e, struct log_run *record,
                               uint32_t *shard, bool *must_wake, struct text *reason);
static bool resolve_destination(struct client *c, uint64_t ticket, struct binding_request *r,
                                struct cluster_name *room);
static bool binding_is_durable(struct vhost *v, const struct binding_request *r);
static size_t bindings_from(struct vhost *v, struct sl_bytes exchange);
static sl_lsn log_change(struct client *c, struct log_run *record);
static sl_lsn log_removal(struct client *c, struct log_run *record);
static void answer_change(struct client *c, uint64_t ticket, enum sl_err err, const char *reason,
                          sl_lsn place);

void broker_declare_exchange(struct client *c, uint64_t ticket,
                             const struct exchange_declaration *d)
{
    struct topology *t = broker_topology(c->worker->broker);
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    struct log_run *record = &c->worker->run.at_once;

    if (request_is_refused(c, ticket, permission_to_declare_exchange(c, d, &reason), &reason))
        return;
    topology_lock(t);
    bool is_new = topology_exchange(c->vhost, d->name) == NULL;
    enum sl_err err = is_new ? permission_to_make_exchange(c, d, &reason) : SL_OK;
    if (err == SL_OK)
        err = topology_declare_exchange(t, c->vhost, d, &reason);
    struct exchange *e = err == SL_OK ? topology_exchange(c->vhost, d->name) : NULL;
    sl_lsn place = {0};
    bool must_wake = false;
    uint32_t shard = 0;
    if (e != NULL && is_new && e->type == EXCHANGE_DELAYED)
        err = add_holding(c, e, record, &shard, &must_wake, &reason);
    else if (e != NULL && is_new && e->is_durable) {
        journal_declare_exchange(record, e);
        e->place = order_append(c->worker->run.order, record);
    }
    if (e != NULL && err == SL_OK)
        place = e->place; /* also when another session's declaration is on its way */
    topology_unlock(t);
    if (must_wake)
        mailbox_wake(c->worker->run.lanes[shard].to);
    answer_change(c, ticket, err, room, place);
}

void broker_delete_exchange(struct client *c, uint64_t ticket, struct sl_bytes name, bool if_unused)
{
    struct topology *t = broker_topology(c->worker->broker);
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    struct log_run *record = &c->worker->run.at_once;

    if (request_is_refused(c, ticket, permission_to_delete_exchange(c, name, &reason), &reason))
        return;
    topology_lock(t);
    const struct exchange *e = topology_exchange(c->vhost, name);
    if (e != NULL && e->is_durable)
        journal_delete_exchange(record, e);
    t->journal = record;
    enum sl_err err = topology_delete_exchange(t, c->vhost, name, if_unused, &reason);
    t->journal = NULL;
    if (err != SL_OK)
        log_run_clear(record);
    sl_lsn place = log_removal(c, record);
    delayed_sweep(&c->worker->run, t);
    topology_unlock(t);
    answer_change(c, ticket, err, room, place);
}

void broker_bind(struct client *c, uint64_t ticket, const struct binding_request *request)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct binding_request resolved = *request;
    const struct binding_request *r = &resolved;
    struct cluster_name cluster;
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (!resolve_destination(c, ticket, &resolved, &cluster))
        return;
    struct log_run *record = &c->worker->run.at_once;
    struct reminder reminder = {.count = 0};

    if (request_is_refused(c, ticket, permission_to_bind(c, r, &reason), &reason))
        return;
    topology_lock(t);
    if (binding_is_durable(c->vhost, r))
        journal_binding(record, RECORD_BIND, c->vhost, r);
    size_t before = bindings_from(c->vhost, r->source);
    enum sl_err err = topology_bind(t, c->vhost, c->handle, r, &reason);
    if (err != SL_OK)
        log_run_clear(record);
    else if (bindings_from(c->vhost, r->source) != before)
        reminder_take(&reminder, c->vhost, r);
    sl_lsn place = log_change(c, record);
    topology_unlock(t);
    reminder_publish(&reminder, c->worker->shard);
    answer_change(c, ticket, err, room, place);
}

void broker_unbind(struct client *c, uint64_t ticket, const struct binding_request *request)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct binding_request resolved = *request;
    const struct binding_request *r = &resolved;
    struct cluster_name cluster;
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (!resolve_destination(c, ticket, &resolved, &cluster))
        return;
    struct log_run *record = &c->worker->run.at_once;

    if (request_is_refused(c, ticket, permission_to_bind(c, r, &reason), &reason))
        return;
    topology_lock(t);
    if (binding_is_durable(c->vhost, r))
        journal_binding(record, RECORD_UNBIND, c->vhost, r);
    t->journal = record;
    enum sl_err err = topology_unbind(t, c->vhost, c->handle, r, &reason);
    t->journal = NULL;
    if (err != SL_OK)
        log_run_clear(record);
    sl_lsn place = log_removal(c, record);
    delayed_sweep(&c->worker->run, t);
    topology_unlock(t);
    answer_change(c, ticket, err, room, place);
}

/* Both are there after a crash, or neither. */
static enum sl_err add_holding(struct client *c, struct exchange *e, struct log_run *record,
                               uint32_t *shard, bool *must_wake, struct text *reason)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct topology_queue *q = NULL;
    enum sl_err err = topology_add_holding(t, e, &q);

    if (err != SL_OK) {
        text_add(reason, "no memory for what is to wait");
        (void)!topology_delete_exchange(t, e->vhost, e->name, false, reason);
        return err;
    }
    if (e->is_durable) {
        log_run_group_begin(record);
        journal_declare_exchange(record, e);
        journal_declare_queue(record, q, 0);
        log_run_group_end(record);
    }
    *shard = q->ref.shard;
    e->place = delayed_announce(&c->worker->run, q, record, must_wake);
    order_hurry(c->worker->run.order);
    return SL_OK;
}

static bool resolve_destination(struct client *c, uint64_t ticket, struct binding_request *r,
                                struct cluster_name *room)
{
    bool is_cluster;

    return r->to_exchange || request_resolve(c, ticket, &r->destination, room, &is_cluster);
}

/* Both ends survive a restart, so the binding does too. */
static bool binding_is_durable(struct vhost *v, const struct binding_request *r)
{
    const struct exchange *source = topology_exchange(v, r->source);

    if (source == NULL || !source->is_durable)
        return false;
    if (r->to_exchange) {
        const struct exchange *e = topology_exchange(v, r->destination);
        return e != NULL && e->is_durable;
    }
    const struct topology_queue *q = topology_queue(v, r->destination);
    return q != NULL && q->is_durable;
}

static size_t bindings_from(struct vhost *v, struct sl_bytes exchange)
{
    const struct exchange *e = topology_exchange(v, exchange);

    return e == NULL ? 0 : bindings_count(e->bindings);
}

/* Under the topology lock: no other change, and no message that was routed by this one, gets
 * into the log before it. */
static sl_lsn log_change(struct client *c, struct log_run *record)
{
    return record->records == 0 ? (sl_lsn){0} : order_append(c->worker->run.order, record);
}

/* Where there was nothing to remove, somebody may have removed it just now. */
static sl_lsn log_removal(struct client *c, struct log_run *record)
{
    struct topology *t = broker_topology(c->worker->broker);

    if (record->records != 0)
        t->removed = order_append(c->worker->run.order, record);
    return t->removed;
}

static void answer_change(struct client *c, uint64_t ticket, enum sl_err err, const char *reason,
                          sl_lsn place)
{
    struct answer *a = answer_new(c->handle, ticket);

    a->err = err;
    if (err != SL_OK)
        a->reason = strdup(reason);
    a->place = place;
    if (sl_lsn_reached(order_durable(c->worker->run.order), place))
        request_answer(c, a);
    else
        shard_keep(c->worker->shard, a);
    route_cache_refresh(&c->worker->routes); /* our own later publishes see it at once */
}
