#include "core/user.h"

#include "core/base/assert.h"

#include <stdlib.h>

struct user *user_new(struct sl_bytes name)
{
    struct user *u = calloc(1, sizeof *u);

    SL_ASSERT(u != NULL);
    atomic_init(&u->refs, 1);
    u->name = sl_bytes_copy(name);
    for (int i = 0; i < ACCOUNT_LIMITS; i++)
        atomic_init(&u->limits[i], LIMIT_NONE);
    return u;
}

struct user *user_ref(struct user *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void user_unref(struct user *u)
{
    struct grant *g;
    size_t cursor = 0;

    if (u == NULL || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return;
    while ((g = hash_map_next(&u->grants, &cursor)) != NULL)
        grant_unref(g);
    hash_map_deinit(&u->grants);
    sl_bytes_free(u->tags);
    sl_bytes_free(u->name);
    free(u);
}

struct grant *user_grant(const struct user *u, struct sl_bytes vhost)
{
    return hash_map_get(&u->grants, vhost);
}

enum sl_err user_set_grant(struct user *u, struct grant *g)
{
    user_drop_grant(u, g->vhost);
    if (!g->has_permission && g->topics == NULL) {
        grant_unref(g);
        return SL_OK;
    }
    enum sl_err err = hash_map_put(&u->grants, g->vhost, g);
    if (err != SL_OK)
        grant_unref(g);
    return err;
}

void user_drop_grant(struct user *u, struct sl_bytes vhost)
{
    grant_unref(hash_map_remove(&u->grants, vhost));
}

void user_set_tags(struct user *u, struct sl_bytes tags)
{
    struct sl_bytes before = u->tags;

    u->tags = sl_bytes_copy(tags);
    sl_bytes_free(before);
    atomic_store(&u->may_impersonate, user_has_tag(u, "impersonator"));
}

bool user_has_tag(const struct user *u, const char *tag)
{
    struct sl_bytes rest = u->tags;

    while (rest.len != 0) {
        const uint8_t *comma = memchr(rest.at, ',', rest.len);
        struct sl_bytes one = {rest.at, comma == NULL ? rest.len : (size_t)(comma - rest.at)};
        rest = sl_bytes_skip(rest, one.len + 1);
        while (one.len != 0 && *one.at == ' ')
            one = sl_bytes_skip(one, 1);
        if (sl_bytes_are(one, tag))
            return true;
    }
    return false;
}
