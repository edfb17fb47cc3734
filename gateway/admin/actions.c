#include "gateway/admin/actions.h"

#include "core/base/limits.h"
#include "gateway/admin/json_table.h"
#include "gateway/admin/routes.h"

#include <http_parser.h>

static const struct action_route ROUTES[] = {
    {HTTP_PUT, "queues/:/:", act_put_queue},
    {HTTP_DELETE, "queues/:/:", act_delete_queue},
    {HTTP_DELETE, "queues/:/:/contents", act_purge_queue},
    {HTTP_PUT, "exchanges/:/:", act_put_exchange},
    {HTTP_DELETE, "exchanges/:/:", act_delete_exchange},
    {HTTP_POST, "bindings/:/e/:/q/:", act_bind_queue},
    {HTTP_POST, "bindings/:/e/:/e/:", act_bind_exchange},
    {HTTP_DELETE, "bindings/:/e/:/q/:/:", act_unbind_queue},
    {HTTP_DELETE, "bindings/:/e/:/e/:/:", act_unbind_exchange},
    {HTTP_POST, "prepared/:/:/:/commit", act_commit},
    {HTTP_POST, "prepared/:/:/:/rollback", act_rollback},
    {HTTP_POST, "reload", act_reload},
    {HTTP_POST, "definitions", act_import},
    {HTTP_POST, "definitions/:", act_import_into_vhost},

    {HTTP_POST, "users/bulk-delete", act_delete_users},
    {HTTP_PUT, "users/:", act_put_user},
    {HTTP_DELETE, "users/:", act_delete_user},
    {HTTP_PUT, "permissions/:/:", act_put_permission},
    {HTTP_DELETE, "permissions/:/:", act_delete_permission},
    {HTTP_PUT, "topic-permissions/:/:", act_put_topic_permission},
    {HTTP_DELETE, "topic-permissions/:/:", act_delete_topic_permission},
    {HTTP_DELETE, "topic-permissions/:/:/:", act_delete_topic_permission},
    {HTTP_PUT, "vhosts/:", act_put_vhost},
    {HTTP_DELETE, "vhosts/:", act_delete_vhost},
    {HTTP_PUT, "user-limits/:/:", act_put_user_limit},
    {HTTP_DELETE, "user-limits/:/:", act_delete_user_limit},
    {HTTP_PUT, "user-limits/:", act_put_user_limit},
    {HTTP_DELETE, "user-limits/:", act_delete_user_limit},
    {HTTP_PUT, "vhost-limits/:", act_put_vhost_limit},
    {HTTP_DELETE, "vhost-limits/:", act_delete_vhost_limit},
    {HTTP_PUT, "vhost-limits/:/:", act_put_vhost_limit},
    {HTTP_DELETE, "vhost-limits/:/:", act_delete_vhost_limit},
    {HTTP_DELETE, "connections/:", act_close_connection},

    {HTTP_PUT, "policies/:/:", act_put_policy},
    {HTTP_DELETE, "policies/:/:", act_delete_policy},
    {HTTP_PUT, "operator-policies/:/:", act_put_operator_policy},
    {HTTP_DELETE, "operator-policies/:/:", act_delete_operator_policy},
};

const struct action_route *action_find(unsigned method, const struct query *q,
                                       struct sl_bytes arguments[VIEW_ARGUMENTS_MAX])
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        memset(arguments, 0, VIEW_ARGUMENTS_MAX * sizeof *arguments);
        if (ROUTES[i].method == method && route_matches(ROUTES[i].path, q, arguments))
            return &ROUTES[i];
    }
    return NULL;
}

unsigned action_answer(const struct change *c, struct view *v)
{
    if (c->refused == 0)
        return c->status;
    if (c->err == SL_ENOENT && c->count == 1)
        return view_fail(v, 404, "Object Not Found", c->reasons.at);
    return view_fail(v, SL_ERR_CLASS(c->err) == SL_ERR_CLASS(SL_EIO) ? 503 : 400, "bad_request",
                     c->reasons.at);
}

unsigned action_bad_request(const struct action *a, const char *reason)
{
    return view_fail(a->view, 400, "bad_request", reason);
}

bool action_switch(const struct action *a, const char *name, bool *out)
{
    const json_t *value = json_object_get(a->body, name);

    *out = json_is_true(value);
    return value == NULL || json_is_null(value) || json_is_boolean(value);
}

bool action_name(const struct action *a, const char *name, struct sl_bytes *out)
{
    const json_t *value = json_object_get(a->body, name);

    *out = (struct sl_bytes){(const uint8_t *)"", 0};
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value) || json_string_length(value) > SL_NAME_BYTES_MAX)
        return false;
    *out = (struct sl_bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
    *out = change_keep(a->change, *out);
    return true;
}

bool action_arguments(const struct action *a, struct sl_bytes *out)
{
    struct sl_buffer table;

    sl_buffer_init(&table, JSON_TABLE_BYTES_MAX);
    bool is_good = json_to_table(json_object_get(a->body, "arguments"), &table) == SL_OK;
    if (is_good)
        *out = change_keep(a->change, sl_buffer_bytes(&table));
    sl_buffer_deinit(&table);
    return is_good;
}
