/* actions_routing.c - what is declared, bound, purged and deleted; and the settings' reload. */
#include "gateway/admin/actions.h"

#include "core/base/limits.h"
#include "core/cluster_queue.h"
#include "core/exchange.h"
#include "gateway/admin/views.h"

#define LONG_NAME "a name may have 255 bytes"

static bool names_fit(const struct action *a);
static bool is_there(struct action *a, struct sl_bytes name, bool is_queue);
static unsigned bind_to(struct action *a, bool to_exchange);
static unsigned unbind_from(struct action *a, bool to_exchange);
static const struct binding *find_binding(const struct action *a, const struct exchange *e,
                                          bool to_exchange);
static struct sl_bytes exchange_name(struct sl_bytes argument);

unsigned act_put_queue(struct action *a)
{
    const struct sl_bytes *arguments = a->view->arguments;
    struct queue_declaration d = {.name = change_keep(a->change, arguments[1])};

    if (!names_fit(a))
        return action_bad_request(a, LONG_NAME);
    d.is_durable = json_object_get(a->body, "durable") == NULL;
    if ((!d.is_durable && !action_switch(a, "durable", &d.is_durable)) ||
        !action_switch(a, "auto_delete", &d.is_auto_delete))
        return action_bad_request(a, "durable and auto_delete are true or false");
    if (!action_arguments(a, &d.arguments))
        return action_bad_request(a, "arguments is an object of arguments");
    a->change->status = is_there(a, d.name, true) ? 204 : 201;
    change_add(a->change, CHANGE_DECLARE_QUEUE, 0, arguments[0])->queue = d;
    return 0;
}

unsigned act_delete_queue(struct action *a)
{
    if (!is_there(a, a->view->arguments[1], true))
        return view_not_found(a->view);
    struct change_call *call = change_add(a->change, CHANGE_DELETE_QUEUE, 0, a->view->arguments[0]);

    call->name = change_keep(a->change, a->view->arguments[1]);
    call->if_unused = query_is_true(a->view->query, "if-unused");
    call->if_empty = query_is_true(a->view->query, "if-empty");
    return 0;
}

unsigned act_purge_queue(struct action *a)
{
    change_add(a->change, CHANGE_PURGE_QUEUE, 0, a->view->arguments[0])->name =
        change_keep(a->change, a->view->arguments[1]);
    return 0;
}

unsigned act_put_exchange(struct action *a)
{
    const struct sl_bytes *arguments = a->view->arguments;
    struct exchange_declaration d = {.name = change_keep(a->change, arguments[1])};

    if (!names_fit(a))
        return action_bad_request(a, LONG_NAME);
    d.is_durable = json_object_get(a->body, "durable") == NULL;
    if (!action_name(a, "type", &d.type) || d.type.len == 0)
        return action_bad_request(a, "type is direct, fanout, topic or headers");
    if ((!d.is_durable && !action_switch(a, "durable", &d.is_durable)) ||
        !action_switch(a, "auto_delete", &d.is_auto_delete) ||
        !action_switch(a, "internal", &d.is_internal))
        return action_bad_request(a, "durable, auto_delete and internal are true or false");
    if (!action_arguments(a, &d.arguments))
        return action_bad_request(a, "arguments is an object of arguments");
    a->change->status = is_there(a, d.name, false) ? 204 : 201;
    change_add(a->change, CHANGE_DECLARE_EXCHANGE, 0, arguments[0])->exchange = d;
    return 0;
}

unsigned act_delete_exchange(struct action *a)
{
    if (!is_there(a, exchange_name(a->view->arguments[1]), false))
        return view_not_found(a->view);
    struct change_call *call =
        change_add(a->change, CHANGE_DELETE_EXCHANGE, 0, a->view->arguments[0]);

    call->name = change_keep(a->change, exchange_name(a->view->arguments[1]));
    call->if_unused = query_is_true(a->view->query, "if-unused");
    return 0;
}

unsigned act_bind_queue(struct action *a)
{
    return bind_to(a, false);
}

unsigned act_bind_exchange(struct action *a)
{
    return bind_to(a, true);
}

unsigned act_unbind_queue(struct action *a)
{
    return unbind_from(a, false);
}

unsigned act_unbind_exchange(struct action *a)
{
    return unbind_from(a, true);
}

unsigned act_reload(struct action *a)
{
    char rooms[3][2048];
    struct reload_report report = {text_on(rooms[0], sizeof rooms[0]),
                                   text_on(rooms[1], sizeof rooms[1])};
    struct text why = text_on(rooms[2], sizeof rooms[2]);

    if (a->reload == NULL)
        return view_fail(a->view, 503, "service_unavailable", "this process only exports");
    if (reload_run(a->reload, a->gateway, &report, &why) != SL_OK)
        return action_bad_request(a, why.at);
    return view_object(a->view, json_pack("{s:s, s:s}", "applied", report.applied.at,
                                          "needs_restart", report.waiting.at));
}

/* Those of what is to be made. */
static bool names_fit(const struct action *a)
{
    const struct sl_bytes *arguments = a->view->arguments;

    return arguments[1].len <= SL_NAME_BYTES_MAX && arguments[2].len <= SL_NAME_BYTES_MAX;
}

/* A cluster queue is there by any spelling of its name. */
static bool is_there(struct action *a, struct sl_bytes name, bool is_queue)
{
    struct topology *t = broker_topology(a->gateway->broker);
    struct cluster_name cluster;
    bool is_cluster;
    char room[8];
    struct text ignored = text_on(room, sizeof room);

    topology_lock(t);
    struct vhost *v = topology_vhost(t, a->view->arguments[0]);
    bool is = v != NULL;
    if (is && is_queue)
        is = cluster_queue_resolve(v, &name, &cluster, &is_cluster, &ignored) == SL_OK &&
             topology_queue(v, name) != NULL;
    else if (is)
        is = topology_exchange(v, name) != NULL;
    topology_unlock(t);
    return is;
}

static unsigned bind_to(struct action *a, bool to_exchange)
{
    const struct sl_bytes *arguments = a->view->arguments;
    struct binding_request r = {.source = change_keep(a->change, exchange_name(arguments[1])),
                                .destination = change_keep(a->change, arguments[2]),
                                .to_exchange = to_exchange};

    if (!names_fit(a))
        return action_bad_request(a, LONG_NAME);
    if (!action_name(a, "routing_key", &r.key))
        return action_bad_request(a, "routing_key is a text of at most 255 bytes");
    if (!action_arguments(a, &r.arguments))
        return action_bad_request(a, "arguments is an object of arguments");
    a->change->status = 201;
    change_add(a->change, CHANGE_BIND, 0, arguments[0])->binding = r;
    return 0;
}

static unsigned unbind_from(struct action *a, bool to_exchange)
{
    const struct sl_bytes *arguments = a->view->arguments;
    struct topology *t = broker_topology(a->gateway->broker);
    struct binding_request r = {.to_exchange = to_exchange};

    topology_lock(t);
    struct vhost *v = topology_vhost(t, arguments[0]);
    const struct exchange *e = v == NULL ? NULL : topology_exchange(v, arguments[1]);
    const struct binding *b = e == NULL ? NULL : find_binding(a, e, to_exchange);
    if (b != NULL) {
        r.key = change_keep(a->change, b->key);
        r.arguments = change_keep(a->change, b->arguments);
    }
    topology_unlock(t);
    if (b == NULL)
        return view_not_found(a->view);
    r.source = change_keep(a->change, arguments[1]);
    r.destination = change_keep(a->change, arguments[2]);
    change_add(a->change, CHANGE_UNBIND, 0, arguments[0])->binding = r;
    return 0;
}

/* Under the topology lock. */
static const struct binding *find_binding(const struct action *a, const struct exchange *e,
                                          bool to_exchange)
{
    const struct sl_bytes *arguments = a->view->arguments;
    const struct binding *b;
    size_t cursor = 0;
    bool is_that = false;

    while (!is_that && (b = bindings_next(e->bindings, &cursor)) != NULL) {
        if (to_exchange != (b->to_exchange != NULL) ||
            !sl_bytes_equal(to_exchange ? b->to_exchange->name : b->to_queue->name, arguments[2]))
            continue;
        json_t *key = view_properties_key(b->key, b->arguments);
        is_that = key != NULL && sl_bytes_are(arguments[3], json_string_value(key));
        json_decref(key);
    }
    return is_that ? b : NULL;
}

/* How a path says the default exchange. */
static struct sl_bytes exchange_name(struct sl_bytes argument)
{
    return sl_bytes_are(argument, "amq.default") ? (struct sl_bytes){argument.at, 0} : argument;
}
