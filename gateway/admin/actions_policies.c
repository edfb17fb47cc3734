/* actions_policies.c - policies and operator policies are set and cleared; definitions come in. */
#include "gateway/admin/actions.h"

#include "core/base/log.h"
#include "gateway/admin/definitions.h"
#include "gateway/admin/json_table.h"

static unsigned put(struct action *a, bool is_operator);
static unsigned clear(struct action *a, bool is_operator);
static unsigned import(struct action *a, struct sl_bytes vhost);

unsigned act_put_policy(struct action *a)
{
    return put(a, false);
}

unsigned act_put_operator_policy(struct action *a)
{
    return put(a, true);
}

unsigned act_delete_policy(struct action *a)
{
    return clear(a, false);
}

unsigned act_delete_operator_policy(struct action *a)
{
    return clear(a, true);
}

unsigned act_import(struct action *a)
{
    return import(a, (struct sl_bytes){NULL, 0});
}

unsigned act_import_into_vhost(struct action *a)
{
    return import(a, a->view->arguments[0]);
}

bool action_read_policy(struct change *c, const json_t *o, struct policy_definition *d,
                        const char **why)
{
    const json_t *pattern = json_object_get(o, "pattern");
    const json_t *apply_to = json_object_get(o, "apply-to");
    const json_t *priority = json_object_get(o, "priority");
    struct sl_buffer keys;

    d->apply_to = d->is_operator ? POLICY_OF_QUEUES : POLICY_OF_ALL;
    *why = "pattern is a regular expression";
    if (!json_is_string(pattern))
        return false;
    d->pattern = change_keep(c, (struct sl_bytes){(const uint8_t *)json_string_value(pattern),
                                                  json_string_length(pattern)});
    *why = "priority is a whole number";
    if (priority != NULL &&
        (!json_is_integer(priority) || json_integer_value(priority) > INT32_MAX ||
         json_integer_value(priority) < INT32_MIN))
        return false;
    d->priority = (int32_t)json_integer_value(priority);
    *why = "apply-to is all, queues, classic_queues, quorum_queues, streams or exchanges";
    if (apply_to != NULL &&
        (!json_is_string(apply_to) ||
         !policy_target_parse(sl_bytes_of(json_string_value(apply_to)), &d->apply_to)))
        return false;
    *why = "definition is an object of settings";
    sl_buffer_init(&keys, JSON_TABLE_BYTES_MAX);
    bool is_good = json_is_object(json_object_get(o, "definition")) &&
                   json_to_table(json_object_get(o, "definition"), &keys) == SL_OK;
    if (is_good)
        d->keys = change_keep(c, sl_buffer_bytes(&keys));
    sl_buffer_deinit(&keys);
    return is_good;
}

static unsigned put(struct action *a, bool is_operator)
{
    const struct sl_bytes *arguments = a->view->arguments;
    struct topology *t = broker_topology(a->gateway->broker);
    struct policy_definition d = {.is_operator = is_operator};
    const char *why;

    if (arguments[1].len > UINT8_MAX)
        return action_bad_request(a, "the name is longer than 255 bytes");
    if (!action_read_policy(a->change, a->body, &d, &why))
        return action_bad_request(a, why);
    topology_lock(t);
    bool is_there = policies_find(&t->policies, arguments[0], is_operator, arguments[1]) != NULL;
    topology_unlock(t);
    a->change->status = is_there ? 204 : 201;
    struct change_call *call = change_add(a->change, CHANGE_SET_POLICY, 0, arguments[0]);
    d.vhost = call->vhost;
    d.name = change_keep(a->change, arguments[1]);
    call->policy = d;
    return 0;
}

static unsigned clear(struct action *a, bool is_operator)
{
    struct change_call *call = change_add(a->change, CHANGE_CLEAR_POLICY, 0, a->view->arguments[0]);

    call->policy = (struct policy_definition){.vhost = call->vhost, .is_operator = is_operator};
    call->policy.name = change_keep(a->change, a->view->arguments[1]);
    return 0;
}

static unsigned import(struct action *a, struct sl_bytes vhost)
{
    char rooms[2][2048] = {"", ""};
    struct text passed_over = text_on(rooms[0], sizeof rooms[0]);
    struct text why = text_on(rooms[1], sizeof rooms[1]);

    if (definitions_import(a->change, a->body, vhost, &passed_over, &why) != SL_OK)
        return action_bad_request(a, why.at);
    if (passed_over.len != 0)
        sl_log_peer(SL_LOG_WARN, "definitions.passed_over", "parts=%s", passed_over.at);
    return a->change->count == 0 ? 204 : 0;
}
