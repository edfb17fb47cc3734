#include "core/accounts.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <stdio.h>
#include <stdlib.h>

static enum sl_err apply(struct accounts *a, const struct account_change *c, struct text *reason);
static enum sl_err add_guest(struct accounts *a);
static void forget_users(struct accounts *a);
static enum sl_err put_vhost(struct accounts *a, const struct account_change *c);
static void drop_vhost(struct accounts *a, struct sl_bytes name);
static enum sl_err put_user(struct accounts *a, const struct account_change *c);
static enum sl_err set_grant(struct accounts *a, const struct account_change *c,
                             struct text *reason);
static enum sl_err make_grant(const struct grant *old, const struct account_change *c,
                              struct grant **out, struct text *why);
static void set_limit(struct accounts *a, const struct account_change *c);

struct accounts *accounts_new(struct topology *t)
{
    struct accounts *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->topology = t;
    atomic_init(&a->epoch, 1);
    SL_ASSERT(pthread_mutex_init(&a->lock, NULL) == 0);
    t->accounts = a;
    if (add_guest(a) == SL_OK)
        return a;
    t->accounts = NULL;
    accounts_free(a);
    return NULL;
}

void accounts_free(struct accounts *a)
{
    forget_users(a);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

struct user *accounts_user(const struct accounts *a, struct sl_bytes name)
{
    return hash_map_get(&a->users, name);
}

void accounts_lock(struct accounts *a)
{
    pthread_mutex_lock(&a->lock);
}

void accounts_unlock(struct accounts *a)
{
    pthread_mutex_unlock(&a->lock);
}

enum sl_err accounts_apply(struct accounts *a, const struct account_change *c, struct text *reason)
{
    accounts_lock(a);
    enum sl_err err = apply(a, c, reason);
    if (err == SL_OK)
        atomic_fetch_add_explicit(&a->epoch, 1, memory_order_release);
    accounts_unlock(a);
    if (err == SL_OK)
        a->topology->is_changed = true; /* routes are asked for again, and with them permission */
    return err;
}

static enum sl_err apply(struct accounts *a, const struct account_change *c, struct text *reason)
{
    enum sl_err err = SL_OK;
    struct user *u;

    a->is_begun = true;
    switch ((int)c->kind) {
    case RECORD_ACCOUNTS: forget_users(a); break;
    case RECORD_VHOST: err = put_vhost(a, c); break;
    case RECORD_DELETE_VHOST: drop_vhost(a, c->vhost); break;
    case RECORD_USER: err = put_user(a, c); break;
    case RECORD_DELETE_USER:
        u = hash_map_remove(&a->users, c->user);
        if (u != NULL)
            atomic_store(&u->is_gone, true);
        user_unref(u);
        break;
    case RECORD_ACCOUNT_LIMIT: set_limit(a, c); break;
    default: err = set_grant(a, c, reason);
    }
    return err;
}

/* The password is known to everybody, so a costly form of it would protect nothing. */
static enum sl_err add_guest(struct accounts *a)
{
    struct sl_bytes guest = SL_BYTES_LITERAL("guest");
    struct sl_bytes all = SL_BYTES_LITERAL(".*");
    struct account_change user = {
        .kind = RECORD_USER, .user = guest, .tags = SL_BYTES_LITERAL("administrator")};
    struct account_change permission = {.kind = RECORD_PERMISSION,
                                        .user = guest,
                                        .vhost = SL_BYTES_LITERAL("/"),
                                        .texts = {all, all, all}};

    password_hash_make(&user.password, PASSWORD_SHA256, guest);
    SL_TRY(accounts_apply(a, &user, NULL));
    SL_TRY(accounts_apply(a, &permission, NULL));
    a->is_begun = false;
    return SL_OK;
}

static void forget_users(struct accounts *a)
{
    struct user *u;
    size_t cursor = 0;

    while ((u = hash_map_next(&a->users, &cursor)) != NULL) {
        atomic_store(&u->is_gone, true);
        user_unref(u);
    }
    hash_map_deinit(&a->users);
}

static enum sl_err put_vhost(struct accounts *a, const struct account_change *c)
{
    struct vhost *v = topology_vhost(a->topology, c->vhost);

    if (v == NULL)
        SL_TRY(topology_add_vhost(a->topology, c->vhost, &v));
    sl_bytes_free(v->description);
    sl_bytes_free(v->tags);
    sl_bytes_free(v->queue_type);
    v->description = sl_bytes_copy(c->description);
    v->tags = sl_bytes_copy(c->tags);
    v->queue_type = sl_bytes_copy(c->queue_type);
    return SL_OK;
}

static void drop_vhost(struct accounts *a, struct sl_bytes name)
{
    struct vhost *v = topology_vhost(a->topology, name);
    struct user *u;
    size_t cursor = 0;

    while ((u = hash_map_next(&a->users, &cursor)) != NULL)
        user_drop_grant(u, name);
    if (v != NULL)
        topology_drop_vhost(a->topology, v);
}

static enum sl_err put_user(struct accounts *a, const struct account_change *c)
{
    struct user *u = accounts_user(a, c->user);

    if (u == NULL) {
        u = user_new(c->user);
        if (hash_map_put(&a->users, u->name, u) != SL_OK) {
            user_unref(u);
            return SL_ENOMEM;
        }
    }
    if (!c->keeps_password) {
        u->password = c->password;
        u->is_proven = false;
    }
    if (!c->keeps_tags)
        user_set_tags(u, c->tags);
    if (!c->keeps_cluster)
        snprintf(u->cluster_id, sizeof u->cluster_id, "%.*s", (int)c->cluster_id.len,
                 (const char *)c->cluster_id.at);
    return SL_OK;
}

/* A user that is not there has nothing to be changed: that is said before (accounts_check). */
static enum sl_err set_grant(struct accounts *a, const struct account_change *c,
                             struct text *reason)
{
    struct user *u = accounts_user(a, c->user);
    struct grant *old;
    struct grant *made = NULL;
    char room[256];
    struct text why = text_on(room, sizeof room);

    if (u == NULL)
        return SL_OK;
    old = user_grant(u, c->vhost);
    old = old == NULL ? grant_new(u->name, c->vhost) : grant_ref(old);
    enum sl_err err = make_grant(old, c, &made, &why);
    grant_unref(old);
    if (err == SL_OK) {
        return user_set_grant(u, made);
    }
    if (reason != NULL)
        text_add(reason, "a pattern cannot be used: %s", room);
    return SL_EPRECOND;
}

static enum sl_err make_grant(const struct grant *old, const struct account_change *c,
                              struct grant **out, struct text *why)
{
    const struct sl_bytes *texts =
        c->kind == RECORD_PERMISSION || c->kind == RECORD_TOPIC_PERMISSION ? c->texts : NULL;

    if (c->kind == RECORD_PERMISSION || c->kind == RECORD_CLEAR_PERMISSION)
        return grant_with_permission(old, texts, out, why);
    if (!c->of_all_exchanges)
        return grant_with_topic(old, c->exchange, texts, out, why);
    *out = grant_new(old->user, old->vhost);
    if (!old->has_permission)
        return SL_OK;
    struct grant *bare = *out;
    enum sl_err err = grant_with_permission(bare, old->texts, out, why);
    grant_unref(bare);
    return err;
}

static void set_limit(struct accounts *a, const struct account_change *c)
{
    struct vhost *v = c->of_vhost ? topology_vhost(a->topology, c->vhost) : NULL;
    struct user *u = c->of_vhost ? NULL : accounts_user(a, c->user);

    if (u != NULL)
        atomic_store(&u->limits[c->limit], c->value);
    if (v != NULL && c->limit == LIMIT_CONNECTIONS)
        atomic_store(&v->connections_max, c->value);
    if (v != NULL && c->limit == LIMIT_QUEUES)
        atomic_store(&v->queues_max, c->value);
}
