/* views_policies.c - /policies and /operator-policies. */
#include "gateway/admin/views.h"

#include "core/topology.h"

static unsigned list_policies(struct view *v, bool is_operator);
static unsigned one_policy(struct view *v, bool is_operator);

unsigned view_policies(struct view *v)
{
    return list_policies(v, false);
}

unsigned view_policy(struct view *v)
{
    return one_policy(v, false);
}

unsigned view_operator_policies(struct view *v)
{
    return list_policies(v, true);
}

unsigned view_operator_policy(struct view *v)
{
    return one_policy(v, true);
}

json_t *view_render_policy(const struct policy_definition *d)
{
    json_t *o = json_object();

    json_put(o, "vhost", json_of_bytes(d->vhost));
    json_put(o, "name", json_of_bytes(d->name));
    json_put(o, "pattern", json_of_bytes(d->pattern));
    json_put(o, "apply-to", json_string(policy_target_name(d->apply_to)));
    json_put(o, "definition", json_of_table(d->keys));
    json_put(o, "priority", json_integer(d->priority));
    return o;
}

void view_put_policies(json_t *o, struct sl_bytes policy, struct sl_bytes by_operator,
                       struct sl_bytes keys)
{
    json_put(o, "policy", policy.len == 0 ? json_null() : json_of_bytes(policy));
    json_put(o, "operator_policy", by_operator.len == 0 ? json_null() : json_of_bytes(by_operator));
    json_put(o, "effective_policy_definition", json_of_table(keys));
}

static unsigned list_policies(struct view *v, bool is_operator)
{
    json_t *list = json_array();

    topology_lock(v->topology);
    for (size_t i = 0; i < v->topology->policies.count; i++) {
        const struct policy_definition *d = &v->topology->policies.at[i]->is;
        if (d->is_operator == is_operator &&
            (v->arguments[0].at == NULL || sl_bytes_equal(d->vhost, v->arguments[0])))
            (void)json_array_append_new(list, view_render_policy(d));
    }
    topology_unlock(v->topology);
    return view_object(v, list);
}

static unsigned one_policy(struct view *v, bool is_operator)
{
    json_t *o = NULL;

    topology_lock(v->topology);
    const struct policy *p =
        policies_find(&v->topology->policies, v->arguments[0], is_operator, v->arguments[1]);
    if (p != NULL)
        o = view_render_policy(&p->is);
    topology_unlock(v->topology);
    return o == NULL ? view_not_found(v) : view_object(v, o);
}
