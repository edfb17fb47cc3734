/* views_accounts.c - users, what they may do, and limits. */
#include "gateway/admin/views.h"

#include "gateway/admin/account_json.h"

typedef void grant_visitor(const struct grant *g, json_t *list);

static const struct user *find_user(const struct view *v, struct sl_bytes name);
static unsigned list_grants(struct view *v, struct sl_bytes user, struct sl_bytes vhost,
                            grant_visitor *visit);
static void add_permission(const struct grant *g, json_t *list);
static void add_topics(const struct grant *g, json_t *list);
static json_t *limits_of(const char *kind, struct sl_bytes name, json_t *limits);

static const struct sl_bytes EVERY = {NULL, 0};

unsigned view_users(struct view *v)
{
    json_t *list = json_array();
    const struct user *u;
    size_t cursor = 0;

    topology_lock(v->topology);
    while ((u = hash_map_next(&v->topology->accounts->users, &cursor)) != NULL)
        (void)json_array_append_new(list, account_json_user(u));
    topology_unlock(v->topology);
    return view_object(v, list);
}

unsigned view_users_without_permissions(struct view *v)
{
    json_t *list = json_array();
    const struct user *u;
    size_t cursor = 0;

    topology_lock(v->topology);
    while ((u = hash_map_next(&v->topology->accounts->users, &cursor)) != NULL) {
        const struct grant *g;
        size_t at = 0;
        bool has_any = false;
        while ((g = hash_map_next(&u->grants, &at)) != NULL)
            has_any |= g->has_permission;
        if (!has_any)
            (void)json_array_append_new(list, account_json_user(u));
    }
    topology_unlock(v->topology);
    return view_object(v, list);
}

unsigned view_user(struct view *v)
{
    topology_lock(v->topology);
    const struct user *u = find_user(v, v->arguments[0]);
    json_t *o = u == NULL ? NULL : account_json_user(u);
    topology_unlock(v->topology);
    return o == NULL ? view_not_found(v) : view_object(v, o);
}

unsigned view_permissions(struct view *v)
{
    return list_grants(v, EVERY, EVERY, add_permission);
}

unsigned view_permissions_of_vhost(struct view *v)
{
    return list_grants(v, EVERY, v->arguments[0], add_permission);
}

unsigned view_permissions_of_user(struct view *v)
{
    return list_grants(v, v->arguments[0], EVERY, add_permission);
}

unsigned view_permission(struct view *v)
{
    topology_lock(v->topology);
    const struct user *u = find_user(v, v->arguments[1]);
    const struct grant *g = u == NULL ? NULL : user_grant(u, v->arguments[0]);
    json_t *o = g == NULL || !g->has_permission ? NULL : account_json_permission(g);
    topology_unlock(v->topology);
    return o == NULL ? view_not_found(v) : view_object(v, o);
}

unsigned view_topic_permissions(struct view *v)
{
    return list_grants(v, EVERY, EVERY, add_topics);
}

unsigned view_topic_permissions_of_vhost(struct view *v)
{
    return list_grants(v, EVERY, v->arguments[0], add_topics);
}

unsigned view_topic_permissions_of_user(struct view *v)
{
    return list_grants(v, v->arguments[0], EVERY, add_topics);
}

unsigned view_topic_permission(struct view *v)
{
    return list_grants(v, v->arguments[1], v->arguments[0], add_topics);
}

unsigned view_user_limits(struct view *v)
{
    json_t *list = json_array();
    const struct user *u;
    size_t cursor = 0;

    topology_lock(v->topology);
    while ((u = hash_map_next(&v->topology->accounts->users, &cursor)) != NULL) {
        json_t *limits = account_json_user_limits(u);
        if (json_object_size(limits) != 0 &&
            (v->arguments[0].at == NULL || sl_bytes_equal(v->arguments[0], u->name)))
            (void)json_array_append_new(list, limits_of("user", u->name, json_incref(limits)));
        json_decref(limits);
    }
    topology_unlock(v->topology);
    return view_object(v, list);
}

unsigned view_vhost_limits(struct view *v)
{
    json_t *list = json_array();
    const struct vhost *vhost;
    size_t cursor = 0;

    topology_lock(v->topology);
    while ((vhost = hash_map_next(&v->topology->vhosts, &cursor)) != NULL) {
        json_t *limits = account_json_vhost_limits(vhost);
        if (json_object_size(limits) != 0 &&
            (v->arguments[0].at == NULL || sl_bytes_equal(v->arguments[0], vhost->name)))
            (void)json_array_append_new(list, limits_of("vhost", vhost->name, json_incref(limits)));
        json_decref(limits);
    }
    topology_unlock(v->topology);
    return view_object(v, list);
}

static const struct user *find_user(const struct view *v, struct sl_bytes name)
{
    return accounts_user(v->topology->accounts, name);
}

/* EVERY user or virtual host; a user who is named must be there. */
static unsigned list_grants(struct view *v, struct sl_bytes user, struct sl_bytes vhost,
                            grant_visitor *visit)
{
    json_t *list = json_array();
    const struct user *u;
    size_t cursor = 0;

    topology_lock(v->topology);
    bool is_there = user.at == NULL || find_user(v, user) != NULL;
    while ((u = hash_map_next(&v->topology->accounts->users, &cursor)) != NULL) {
        const struct grant *g;
        size_t at = 0;
        while ((g = hash_map_next(&u->grants, &at)) != NULL)
            if ((user.at == NULL || sl_bytes_equal(user, u->name)) &&
                (vhost.at == NULL || sl_bytes_equal(vhost, g->vhost)))
                visit(g, list);
    }
    topology_unlock(v->topology);
    if (is_there)
        return view_object(v, list);
    json_decref(list);
    return view_not_found(v);
}

static void add_permission(const struct grant *g, json_t *list)
{
    if (g->has_permission)
        (void)json_array_append_new(list, account_json_permission(g));
}

static void add_topics(const struct grant *g, json_t *list)
{
    for (const struct topic_grant *t = g->topics; t != NULL; t = t->next)
        (void)json_array_append_new(list, account_json_topic(g, t));
}

/* Takes limits. */
static json_t *limits_of(const char *kind, struct sl_bytes name, json_t *limits)
{
    json_t *o = json_object();

    json_put(o, kind, json_of_bytes(name));
    json_put(o, "value", limits);
    return o;
}
