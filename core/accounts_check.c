/* accounts_check.c - the part of accounts.h that says what can be changed; and what there is. */
#include "core/accounts.h"

#include "core/base/limits.h"

static enum sl_err check_bounds(const struct account_change *c, struct text *reason);
static bool is_cluster_id(struct sl_bytes id);
static enum sl_err check_user(const struct accounts *a, const struct account_change *c,
                              struct text *reason);
static enum sl_err missing(const char *what, struct sl_bytes name, struct text *reason);
static bool needs_user(const struct account_change *c);
static bool needs_vhost(const struct account_change *c);
static void describe_vhosts(struct topology *t, struct log_run *run);
static void describe_user(struct user *u, struct log_run *run);
static void describe_grant(const struct user *u, const struct grant *g, struct log_run *run);
static void describe_limit(const struct account_change *of, enum account_limit limit,
                           uint64_t value, struct log_run *run);

enum sl_err accounts_check(struct accounts *a, const struct account_change *c, bool *is_new,
                           struct text *reason)
{
    const struct user *u = accounts_user(a, c->user);
    const struct grant *g;

    *is_new = false;
    SL_TRY(check_bounds(c, reason));
    if (needs_vhost(c) && topology_vhost(a->topology, c->vhost) == NULL)
        return missing("vhost", c->vhost, reason);
    if (needs_user(c))
        SL_TRY(check_user(a, c, reason));
    g = u == NULL ? NULL : user_grant(u, c->vhost);
    if (c->kind == RECORD_VHOST)
        *is_new = topology_vhost(a->topology, c->vhost) == NULL;
    if (c->kind == RECORD_USER)
        *is_new = u == NULL;
    if (c->kind == RECORD_PERMISSION)
        *is_new = g == NULL || !g->has_permission;
    if (c->kind == RECORD_TOPIC_PERMISSION)
        *is_new = g == NULL || grant_topic(g, c->exchange) == NULL;
    return SL_OK;
}

void accounts_describe(struct accounts *a, struct log_run *run)
{
    struct user *u;
    size_t cursor = 0;

    account_change_write(run, &(struct account_change){.kind = RECORD_ACCOUNTS});
    describe_vhosts(a->topology, run);
    while ((u = hash_map_next(&a->users, &cursor)) != NULL)
        describe_user(u, run);
}

static enum sl_err check_bounds(const struct account_change *c, struct text *reason)
{
    bool is_long = c->tags.len > ACCOUNT_TEXT_BYTES_MAX ||
                   c->description.len > ACCOUNT_TEXT_BYTES_MAX ||
                   c->queue_type.len > SL_NAME_BYTES_MAX;

    for (int i = 0; i < PERMISSIONS; i++)
        is_long |= c->texts[i].len > ACCOUNT_TEXT_BYTES_MAX;
    if (c->user.len > SL_NAME_BYTES_MAX || c->vhost.len > SL_NAME_BYTES_MAX ||
        c->exchange.len > SL_NAME_BYTES_MAX || is_long) {
        text_add(reason, "a name may have %u bytes, a pattern or a text %u", SL_NAME_BYTES_MAX,
                 ACCOUNT_TEXT_BYTES_MAX);
        return SL_EPRECOND;
    }
    if ((c->kind == RECORD_USER && c->user.len == 0) ||
        (c->kind == RECORD_VHOST && c->vhost.len == 0)) {
        text_add(reason, "a name is needed");
        return SL_EPRECOND;
    }
    if (c->kind == RECORD_USER && !c->keeps_cluster && !is_cluster_id(c->cluster_id)) {
        text_add(reason, "a ClusterID has 1 to %u of A-Z, a-z, 0-9, '.', '_' and '-'",
                 SL_CLUSTER_ID_BYTES_MAX);
        return SL_EPRECOND;
    }
    return SL_OK;
}

/* Or none. */
static bool is_cluster_id(struct sl_bytes id)
{
    static const char GOOD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    for (size_t i = 0; i < id.len; i++)
        if (memchr(GOOD, id.at[i], sizeof GOOD - 1) == NULL)
            return false;
    return id.len <= SL_CLUSTER_ID_BYTES_MAX;
}

static enum sl_err check_user(const struct accounts *a, const struct account_change *c,
                              struct text *reason)
{
    const struct user *u = accounts_user(a, c->user);

    if (u == NULL)
        return missing("user", c->user, reason);
    if (c->kind == RECORD_DELETE_USER && user_has_tag(u, "protected")) {
        text_add(reason, "this user is protected from deletion");
        return SL_EPRECOND;
    }
    return SL_OK;
}

static enum sl_err missing(const char *what, struct sl_bytes name, struct text *reason)
{
    text_add(reason, "%s '", what);
    text_add_bytes(reason, name);
    text_add(reason, "' does not exist");
    return SL_ENOENT;
}

static bool needs_user(const struct account_change *c)
{
    return c->kind == RECORD_DELETE_USER ||
           (c->kind >= RECORD_PERMISSION && c->kind <= RECORD_CLEAR_TOPIC_PERMISSION) ||
           (c->kind == RECORD_ACCOUNT_LIMIT && !c->of_vhost);
}

static bool needs_vhost(const struct account_change *c)
{
    return c->kind == RECORD_DELETE_VHOST ||
           (c->kind >= RECORD_PERMISSION && c->kind <= RECORD_CLEAR_TOPIC_PERMISSION) ||
           (c->kind == RECORD_ACCOUNT_LIMIT && c->of_vhost);
}

/* "/" is there from the start, so it must be said when it is not. */
static void describe_vhosts(struct topology *t, struct log_run *run)
{
    struct account_change gone = {.kind = RECORD_DELETE_VHOST, .vhost = SL_BYTES_LITERAL("/")};
    struct vhost *v;
    size_t cursor = 0;

    if (topology_vhost(t, gone.vhost) == NULL)
        account_change_write(run, &gone);
    while ((v = hash_map_next(&t->vhosts, &cursor)) != NULL) {
        struct account_change one = {.kind = RECORD_VHOST,
                                     .vhost = v->name,
                                     .description = v->description,
                                     .tags = v->tags,
                                     .queue_type = v->queue_type,
                                     .of_vhost = true};
        account_change_write(run, &one);
        describe_limit(&one, LIMIT_CONNECTIONS, v->connections_max, run);
        describe_limit(&one, LIMIT_QUEUES, v->queues_max, run);
    }
}

static void describe_user(struct user *u, struct log_run *run)
{
    struct account_change one = {.kind = RECORD_USER,
                                 .user = u->name,
                                 .tags = u->tags,
                                 .password = u->password,
                                 .cluster_id = sl_bytes_of(u->cluster_id)};
    const struct grant *g;
    size_t cursor = 0;

    account_change_write(run, &one);
    for (int i = 0; i < ACCOUNT_LIMITS; i++)
        describe_limit(&one, (enum account_limit)i, u->limits[i], run);
    while ((g = hash_map_next(&u->grants, &cursor)) != NULL)
        describe_grant(u, g, run);
}

static void describe_grant(const struct user *u, const struct grant *g, struct log_run *run)
{
    struct account_change one = {.kind = RECORD_PERMISSION, .user = u->name, .vhost = g->vhost};

    memcpy(one.texts, g->texts, sizeof one.texts);
    if (g->has_permission)
        account_change_write(run, &one);
    one.kind = RECORD_TOPIC_PERMISSION;
    for (const struct topic_grant *t = g->topics; t != NULL; t = t->next) {
        one.exchange = t->exchange;
        memcpy(one.texts, t->texts, sizeof one.texts);
        account_change_write(run, &one);
    }
}

static void describe_limit(const struct account_change *of, enum account_limit limit,
                           uint64_t value, struct log_run *run)
{
    struct account_change one = *of;

    one.kind = RECORD_ACCOUNT_LIMIT;
    one.limit = limit;
    one.value = value;
    if (value != LIMIT_NONE)
        account_change_write(run, &one);
}
