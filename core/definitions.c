/* definitions.c - the part of broker.h that changes what exists.
 *
 * Queues are their shard's business, so those calls only carry the request there.  Exchanges
 * and bindings live in the topology alone: they are changed here, under its lock, and the
 * answer is mailed to the caller like any other. */
#include "core/broker.h"

#include "core/base/assert.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "core/cluster_queue.h"
#include "core/delayed.h"
#include "core/direct_reply.h"
#include "core/exchange.h"
#include "core/permission.h"
#include "core/reminder.h"
#include "core/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_BYTES_MAX 1024

static enum sl_err add_holding(struct client *c, struct exchange *e, struct log_run *record,
                               uint32_t *shard, bool *must_wake, struct text *reason);
static struct shard_command *declaration_command(struct client *c, uint64_t ticket,
                                                 const struct queue_declaration *d);
static void answer_reply_declared(struct client *c, uint64_t ticket, struct sl_bytes name);
static enum sl_err may_make(const struct client *c, const struct queue_declaration *d,
                            struct text *reason);
static bool is_refused(struct client *c, uint64_t ticket, enum sl_err err,
                       const struct text *reason);
static bool may_subscribe(struct client *c, uint64_t ticket, struct sl_bytes own);
static bool resolve_destination(struct client *c, uint64_t ticket, struct binding_request *r,
                                struct cluster_name *room);
static void send_to_queue(struct client *c, struct shard_command *command);
static bool binding_is_durable(struct vhost *v, const struct binding_request *r);
static size_t bindings_from(struct vhost *v, struct sl_bytes exchange);
static sl_lsn log_change(struct client *c, struct log_run *record);
static sl_lsn log_removal(struct client *c, struct log_run *record);
static void answer_change(struct client *c, uint64_t ticket, enum sl_err err, const char *reason,
                          sl_lsn place);

void broker_declare_queue(struct client *c, uint64_t ticket, const struct queue_declaration *d,
                          const char *name_prefix)
{
    struct cluster_name cluster;
    char made_up[64];
    struct sl_bytes name = d->name;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (name.len == 0) {
        char random[SL_RANDOM_NAME_CHARS + 1];
        sl_random_name(random);
        snprintf(made_up, sizeof made_up, "%s%s", name_prefix, random);
        name = sl_bytes_of(made_up);
    } else if (direct_reply_is_like(name)) {
        answer_reply_declared(c, ticket, name);
        return;
    }
    bool is_cluster = d->is_cluster;
    if (!is_cluster && !request_resolve(c, ticket, &name, &cluster, &is_cluster))
        return;
    struct queue_declaration named = *d;
    named.name = name;
    if (is_cluster && !d->is_passive && !may_subscribe(c, ticket, name))
        return;
    if (!is_cluster &&
        is_refused(c, ticket, permission_to_declare_queue(c, &named, &reason), &reason))
        return;
    named.is_cluster = is_cluster;
    named.may_be_reserved = d->may_be_reserved || d->name.len == 0;
    if (may_make(c, &named, &reason) != SL_OK)
        named.refusal = room;
    send_to_queue(c, declaration_command(c, ticket, &named));
}

void broker_delete_queue(struct client *c, uint64_t ticket, struct sl_bytes name, bool if_unused,
                         bool if_empty)
{
    struct cluster_name cluster;
    bool is_cluster;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (!request_resolve(c, ticket, &name, &cluster, &is_cluster) ||
        is_refused(c, ticket, permission_to_use_queue(c, PERMISSION_CONFIGURE, name, &reason),
                   &reason))
        return;
    struct shard_command *command = request_about(c, COMMAND_DELETE, ticket, name, 0);
    command->if_unused = if_unused;
    command->if_empty = if_empty;
    send_to_queue(c, command);
}

void broker_purge_queue(struct client *c, uint64_t ticket, struct sl_bytes name)
{
    struct cluster_name cluster;
    bool is_cluster;
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (!request_resolve(c, ticket, &name, &cluster, &is_cluster) ||
        is_refused(c, ticket, permission_to_use_queue(c, PERMISSION_READ, name, &reason), &reason))
        return;
    send_to_queue(c, request_about(c, COMMAND_PURGE, ticket, name, 0));
}

void broker_declare_exchange(struct client *c, uint64_t ticket,
                             const struct exchange_declaration *d)
{
    struct topology *t = broker_topology(c->worker->broker);
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    struct log_run *record = &c->worker->run.at_once;

    if (is_refused(c, ticket, permission_to_declare_exchange(c, d, &reason), &reason))
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
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    struct log_run *record = &c->worker->run.at_once;

    if (is_refused(c, ticket, permission_to_delete_exchange(c, name, &reason), &reason))
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
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (!resolve_destination(c, ticket, &resolved, &cluster))
        return;
    struct log_run *record = &c->worker->run.at_once;
    struct reminder reminder = {.count = 0};

    if (is_refused(c, ticket, permission_to_bind(c, r, &reason), &reason))
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
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (!resolve_destination(c, ticket, &resolved, &cluster))
        return;
    struct log_run *record = &c->worker->run.at_once;

    if (is_refused(c, ticket, permission_to_bind(c, r, &reason), &reason))
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

/* With what the declaration points to. */
static struct shard_command *declaration_command(struct client *c, uint64_t ticket,
                                                 const struct queue_declaration *d)
{
    size_t words = d->refusal == NULL ? 0 : strlen(d->refusal) + 1;
    struct shard_command *command =
        request_about(c, COMMAND_DECLARE, ticket, d->name, d->arguments.len + words);
    struct sl_bytes name = command->declaration.name;
    uint8_t *at = command->text + name.len;

    command->declaration = *d;
    command->declaration.name = name;
    if (d->arguments.len != 0) {
        memcpy(at, d->arguments.at, d->arguments.len);
        command->declaration.arguments = (struct sl_bytes){at, d->arguments.len};
        at += d->arguments.len;
    }
    if (words != 0) {
        memcpy(at, d->refusal, words);
        command->declaration.refusal = (const char *)at;
    }
    return command;
}

/* It is there with its consumer, or it is not. */
static void answer_reply_declared(struct client *c, uint64_t ticket, struct sl_bytes name)
{
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (is_refused(c, ticket,
                   direct_reply_find(broker_topology(c->worker->broker), c->vhost, name, &reason),
                   &reason))
        return;
    struct answer *a = answer_new(c->handle, ticket);
    a->name = malloc(name.len);
    SL_ASSERT(a->name != NULL);
    memcpy(a->name, name.at, name.len);
    a->name_len = name.len;
    a->consumers = 1;
    request_answer(c, a);
}

static enum sl_err may_make(const struct client *c, const struct queue_declaration *d,
                            struct text *reason)
{
    if (d->is_cluster && !d->is_passive)
        SL_TRY(cluster_queue_check_making(c, d->name, reason));
    return permission_to_make_queue(c, d, reason);
}

/* Where it is, the answer is on its way. */
static bool is_refused(struct client *c, uint64_t ticket, enum sl_err err,
                       const struct text *reason)
{
    if (err != SL_OK)
        answer_change(c, ticket, err, reason->at, (sl_lsn){0});
    return err != SL_OK;
}

/* False: it may not, and the ticket is answered so. */
static bool may_subscribe(struct client *c, uint64_t ticket, struct sl_bytes own)
{
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = cluster_queue_check_access(c, own, &reason);

    if (err != SL_OK)
        request_refuse(c, ticket, err, room);
    return err == SL_OK;
}

static bool resolve_destination(struct client *c, uint64_t ticket, struct binding_request *r,
                                struct cluster_name *room)
{
    bool is_cluster;

    return r->to_exchange || request_resolve(c, ticket, &r->destination, room, &is_cluster);
}

/* The shard decides by the name alone, so that it also serves what does not exist. */
static void send_to_queue(struct client *c, struct shard_command *command)
{
    request_send(c, request_shard(c, command->declaration.name), command);
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
