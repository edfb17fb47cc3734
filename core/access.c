#include "core/access.h"

#include "core/base/assert.h"

#include <stdlib.h>

static bool take_place(_Atomic uint32_t *count, uint64_t max);

struct access *access_new(struct user *u)
{
    struct access *a = calloc(1, sizeof *a);

    SL_ASSERT(a != NULL);
    a->user = u;
    a->message_bytes_max = LIMIT_NONE;
    list_init(&a->of_slowed);
    return a;
}

void access_free(struct access *a)
{
    if (a == NULL)
        return;
    access_leave(a);
    while (a->channels != 0)
        access_close_channel(a);
    list_remove(&a->of_slowed);
    grant_unref(a->grant);
    user_unref(a->user);
    free(a);
}

enum sl_err access_enter(struct access *a, struct accounts *accounts, struct vhost *v,
                         uint64_t *max)
{
    access_leave(a);
    a->vhost = v;
    a->epoch = 0;
    const struct grant *g = access_grant(a, accounts);
    a->vhost = NULL;
    if (g == NULL || !g->has_permission)
        return SL_EDENIED;
    *max = atomic_load(&v->connections_max);
    if (!take_place(&v->connections, *max))
        return SL_EFULL;
    *max = atomic_load(&a->user->limits[LIMIT_CONNECTIONS]);
    if (!take_place(&a->user->connections, *max)) {
        atomic_fetch_sub(&v->connections, 1);
        return SL_ENOTALLOWED;
    }
    a->vhost = v;
    return SL_OK;
}

void access_leave(struct access *a)
{
    if (a->vhost == NULL)
        return;
    atomic_fetch_sub(&a->vhost->connections, 1);
    atomic_fetch_sub(&a->user->connections, 1);
    a->vhost = NULL;
}

const struct grant *access_grant(struct access *a, struct accounts *accounts)
{
    uint64_t epoch = accounts_epoch(accounts);
    struct grant *before = a->grant;

    if (epoch == a->epoch)
        return a->grant;
    accounts_lock(accounts);
    struct grant *g = atomic_load(&a->user->is_gone) || a->vhost == NULL || a->vhost->is_gone
                          ? NULL
                          : user_grant(a->user, a->vhost->name);
    a->grant = g == NULL ? NULL : grant_ref(g);
    accounts_unlock(accounts);
    grant_unref(before);
    a->epoch = epoch;
    a->message_bytes_max = atomic_load(&a->user->limits[LIMIT_MESSAGE_BYTES]);
    a->is_paced = atomic_load(&a->user->limits[LIMIT_MESSAGE_RATE]) != LIMIT_NONE ||
                  atomic_load(&a->user->limits[LIMIT_BYTE_RATE]) != LIMIT_NONE;
    a->exchange_len = 0;
    return a->grant;
}

bool access_open_channel(struct access *a, uint64_t *max)
{
    *max = atomic_load(&a->user->limits[LIMIT_CHANNELS]);
    if (!take_place(&a->user->channels, *max))
        return false;
    a->channels++;
    return true;
}

void access_close_channel(struct access *a)
{
    SL_ASSERT(a->channels != 0);
    atomic_fetch_sub(&a->user->channels, 1);
    a->channels--;
}

static bool take_place(_Atomic uint32_t *count, uint64_t max)
{
    if (atomic_fetch_add(count, 1) < max)
        return true;
    atomic_fetch_sub(count, 1);
    return false;
}
