/* administration.c - the part of broker.h about who a session is, and about changes of that. */
#include "core/access.h"
#include "core/base/assert.h"
#include "core/broker_parts.h"
#include "core/pace.h"
#include "core/shard.h"

#include <stdlib.h>
#include <string.h>

static void carry_out(struct client *c, const struct account_change *change, struct answer *a,
                      struct broker_notice *notice, struct eviction *evicted);
static void fill_vhost_item(void *context, struct lane_item *item);
static void evict(struct broker *b, const struct eviction *e);

enum sl_err broker_open_vhost(struct client *c, struct sl_bytes name)
{
    struct topology *t = broker_topology(c->worker->broker);
    enum sl_err err = SL_OK;
    uint64_t max;

    topology_lock(t);
    struct vhost *v = topology_vhost(t, name);
    if (v == NULL)
        err = SL_ENOENT;
    else if (c->access != NULL)
        err = access_enter(c->access, t->accounts, v, &max);
    c->vhost = err == SL_OK ? v : NULL;
    topology_unlock(t);
    if (err == SL_OK)
        pace_begin(c);
    return err;
}

void broker_describe_vhost_refusal(const struct client *c, struct sl_bytes name, enum sl_err err,
                                   struct text *to)
{
    struct topology *t = broker_topology(c->worker->broker);
    uint64_t max = 0;

    if (err == SL_ENOENT) {
        text_add(to, "vhost ");
        text_add_bytes(to, name);
        text_add(to, " not found");
        return;
    }
    if (err == SL_ENOTALLOWED) {
        text_add(to, "connection refused for user '");
        text_add_bytes(to, c->user);
        text_add(to, "': user connection limit (%llu) is reached",
                 (unsigned long long)c->access->user->limits[LIMIT_CONNECTIONS]);
        return;
    }
    text_add(to, "access to vhost '");
    text_add_bytes(to, name);
    text_add(to, "' refused for user '");
    text_add_bytes(to, c->user);
    text_add(to, "'");
    if (err != SL_EFULL)
        return;
    topology_lock(t);
    const struct vhost *v = topology_vhost(t, name);
    if (v != NULL)
        max = v->connections_max;
    topology_unlock(t);
    text_add(to, ": connection limit (%llu) is reached", (unsigned long long)max);
}

bool broker_open_channel(struct client *c, uint64_t *max)
{
    return c->access == NULL || access_open_channel(c->access, max);
}

void broker_close_channel(struct client *c)
{
    if (c->access != NULL)
        access_close_channel(c->access);
}

bool broker_may_impersonate(const struct client *c)
{
    return c->access != NULL && atomic_load(&c->access->user->may_impersonate);
}

void broker_change_account(struct client *c, uint64_t ticket, const struct account_change *change)
{
    struct broker *b = c->worker->broker;
    struct answer *a = answer_new(c->handle, ticket);
    struct broker_notice notice = {0};
    struct eviction evicted = {.user = NULL};

    topology_lock(b->topology);
    carry_out(c, change, a, &notice, &evicted);
    topology_unlock(b->topology);
    broker_wake_shards(b, &notice);
    if (evicted.user != NULL || evicted.vhost != NULL)
        evict(b, &evicted);
    user_unref(evicted.user);
    shard_answer(c->worker->shard, a);
}

void broker_close_connection(struct broker *b, struct sl_bytes name, const char *reason)
{
    struct eviction e = {.name = name};
    struct text text = text_on(e.reason, sizeof e.reason);

    text_add(&text, "%s", reason);
    evict(b, &e);
}

/* Change, record and what shards hear of it are at one place of the order. */
static void carry_out(struct client *c, const struct account_change *change, struct answer *a,
                      struct broker_notice *notice, struct eviction *evicted)
{
    struct broker *b = c->worker->broker;
    struct log_run *record = &c->worker->run.at_once;
    struct account_change made = *change;
    struct text text = text_on(evicted->reason, sizeof evicted->reason);
    char room[512];
    struct text reason = text_on(room, sizeof room);
    bool is_new = false;

    a->err = accounts_check(b->accounts, change, &is_new, &reason);
    const struct user *u = accounts_user(b->accounts, change->user);
    struct vhost *v =
        change->kind == RECORD_DELETE_VHOST ? topology_vhost(b->topology, change->vhost) : NULL;
    if (a->err == SL_OK && change->kind == RECORD_DELETE_USER)
        evicted->user = user_ref((struct user *)(uintptr_t)u);
    if (a->err == SL_OK)
        a->err = accounts_apply(b->accounts, change, &reason);
    if (a->err != SL_OK) {
        a->reason = strdup(room);
        return;
    }
    a->messages = is_new;
    if (change->kind == RECORD_USER) { /* the record says all of it, also what stayed */
        u = accounts_user(b->accounts, change->user);
        made.password = u->password;
        made.tags = u->tags;
        made.cluster_id = sl_bytes_of(u->cluster_id);
    }
    account_change_write(record, &made);
    a->place = order_append(&b->order, record);
    if (evicted->user != NULL) {
        text_add(&text, "user '");
        text_add_bytes(&text, change->user);
        text_add(&text, "' is deleted");
    }
    if (v == NULL)
        return;
    text_add(&text, "vhost '");
    text_add_bytes(&text, change->vhost);
    text_add(&text, "' is deleted");
    evicted->vhost = v;
    (void)broker_tell_shards(b, notice, fill_vhost_item, v);
}

static void fill_vhost_item(void *context, struct lane_item *item)
{
    item->kind = LANE_VHOST_GONE;
    item->vhost = context;
}

static void evict(struct broker *b, const struct eviction *e)
{
    for (uint32_t i = 0; i < b->options.workers; i++) {
        struct eviction *copy = malloc(sizeof *copy);
        SL_ASSERT(copy != NULL);
        *copy = *e;
        copy->mail.kind = MAIL_EVICTION;
        copy->mail.to = (struct sl_handle){.worker = i};
        copy->name = sl_bytes_copy(e->name);
        if (e->user != NULL)
            user_ref(e->user);
        struct mailbox *inbox = b->session_inboxes[i];
        if (mailbox_post(inbox, (struct mail_chain){&copy->mail.node, &copy->mail.node}))
            mailbox_wake(inbox);
    }
}
