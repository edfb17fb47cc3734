#include "core/route.h"

#include "core/admission.h"
#include "core/cluster_queue.h"
#include "core/copies.h"
#include "core/delay_header.h"
#include "core/exchange.h"
#include "core/properties.h"
#include "core/selector.h"
#include "core/table.h"

#include <stdlib.h>

#define TARGETS_FIRST 16u

struct walk { /* one search through exchanges that are bound to each other */
    const struct routed *what;
    struct target_set *targets;
    struct exchange *waiting; /* found, not yet searched; chained by next */
    uint64_t stamp;           /* on what was found already */
    bool is_met;              /* the exchange that is being searched has a binding that matches */
    bool depends;             /* on more than exchange and key */
    bool is_inside;           /* what the broker itself publishes: refused for nothing */
    struct header_set headers;
    enum sl_err err;
};

static void route_default(struct vhost *v, struct sl_bytes key, struct walk *walk);
static void visit_default(struct vhost *v, struct walk *walk);
static void visit(struct exchange *e, struct walk *walk);
static bool hold(struct walk *walk, const struct exchange *e);
static void add_scheduled(struct vhost *v, struct walk *walk);
static bool add_queue(struct walk *walk, struct topology_queue *q);
static bool is_selected(struct walk *walk, const struct topology_queue *q);
static bool selects(const struct topology_queue *q, struct sl_bytes properties,
                    const struct header_set *headers);
static void on_binding(void *context, struct binding *binding);
static void add_alternate(struct vhost *v, const struct exchange *e, struct walk *walk);
static void add_exchange(struct walk *walk, struct exchange *e);
static enum sl_err resolve(struct topology *t, struct vhost *v, struct walk *walk, bool *is_fixed);

void target_set_deinit(struct target_set *s)
{
    history_set_unref(s->histories);
    free(s->at);
    *s = (struct target_set){0};
}

enum sl_err target_set_add(struct target_set *s, struct queue_ref ref)
{
    if (s->count == s->room) {
        uint32_t room = s->room == 0 ? TARGETS_FIRST : s->room * 2;
        struct queue_ref *at = realloc(s->at, room * sizeof *at);
        if (at == NULL)
            return SL_ENOMEM;
        s->at = at;
        s->room = room;
    }
    s->at[s->count++] = ref;
    return SL_OK;
}

enum sl_err route_resolve(struct topology *t, struct vhost *v, const struct routed *what,
                          struct target_set *targets, bool *is_fixed)
{
    const struct exchange *e = topology_exchange(v, what->exchange);
    struct walk walk = {.what = what, .targets = targets};

    *is_fixed = true;
    if (e != NULL && e->is_internal)
        return SL_EDENIED;
    return resolve(t, v, &walk, is_fixed);
}

enum sl_err route_resolve_inside(struct topology *t, struct vhost *v, const struct routed *what,
                                 struct target_set *targets, bool *is_fixed)
{
    struct walk walk = {.what = what, .targets = targets, .is_inside = true};

    return resolve(t, v, &walk, is_fixed);
}

bool route_selects(const struct topology_queue *q, struct sl_bytes properties)
{
    struct sl_bytes table = {NULL, 0};

    if (q->selector == NULL)
        return true;
    if (properties.len != 0)
        properties_headers(properties, &table);
    struct header_set headers = header_set_of(table);
    bool takes = header_set_sort(&headers) == SL_OK && selects(q, properties, &headers);
    header_set_deinit(&headers);
    return takes;
}

void route_hold(const struct route *route)
{
    for (uint32_t i = 0; route->limited != 0 && i < route->count; i++)
        if (route->targets[i].admission != NULL)
            admission_ref(route->targets[i].admission);
    history_set_ref(route->histories);
}

void route_let_go(const struct route *route)
{
    for (uint32_t i = 0; route->limited != 0 && i < route->count; i++)
        admission_unref(route->targets[i].admission);
    history_set_unref(route->histories);
}

static enum sl_err resolve(struct topology *t, struct vhost *v, struct walk *walk, bool *is_fixed)
{
    const struct routed *what = walk->what;
    struct exchange *e = what->exchange.len == 0 ? NULL : topology_exchange(v, what->exchange);
    struct sl_bytes headers = {NULL, 0};

    *is_fixed = true;
    walk->stamp = ++t->next_stamp;
    walk->targets->asks_ids = e != NULL && e->asks_ids;
    history_set_unref(walk->targets->histories);
    walk->targets->histories = NULL;
    if (what->exchange.len != 0 && e == NULL)
        return SL_ENOENT;
    if (what->properties.len != 0)
        properties_headers(what->properties, &headers);
    walk->headers = header_set_of(headers);
    walk->depends = what->copies.len != 0 || what->is_scheduled;
    if (what->is_scheduled)
        add_scheduled(v, walk);
    else if (e == NULL)
        visit_default(v, walk);
    else
        add_exchange(walk, e);
    while (walk->waiting != NULL && walk->err == SL_OK) {
        e = walk->waiting;
        walk->waiting = e->next;
        bool is_delaying = e->holding != NULL && e->type == EXCHANGE_DELAYED;
        walk->depends |= !bindings_go_by_key(e->bindings) || is_delaying;
        if (is_delaying && hold(walk, e))
            continue;
        if (bindings_history(e->bindings) != NULL)
            history_set_add(&walk->targets->histories, bindings_history(e->bindings));
        visit(e, walk);
        if (!walk->is_met)
            add_alternate(v, e, walk);
    }
    header_set_deinit(&walk->headers);
    *is_fixed = !walk->depends;
    return walk->err;
}

/* Until its time.  False: it has none, or one that nobody is there to be told of: it goes on. */
static bool hold(struct walk *walk, const struct exchange *e)
{
    struct sl_bytes headers = {NULL, 0};

    if (walk->what->properties.len != 0)
        properties_headers(walk->what->properties, &headers);
    uint64_t delay = delay_of_headers(headers);
    if (delay == 0 || (delay == DELAY_TOO_LONG && walk->is_inside))
        return false;
    if (delay == DELAY_TOO_LONG)
        walk->err = SL_EPRECOND;
    else
        (void)add_queue(walk, e->holding);
    return true;
}

/* Every queue is bound to the default exchange by its own name, so nothing is stored there. */
static void route_default(struct vhost *v, struct sl_bytes key, struct walk *walk)
{
    struct cluster_name cluster;
    char room[8];
    struct text ignored = text_on(room, sizeof room);
    bool is_cluster;
    struct topology_queue *q = topology_queue(v, key);

    if (q == NULL && cluster_queue_resolve(v, &key, &cluster, &is_cluster, &ignored) == SL_OK &&
        is_cluster)
        q = topology_queue(v, key);
    if (q != NULL && !q->is_hidden)
        add_queue(walk, q);
}

static void visit_default(struct vhost *v, struct walk *walk)
{
    struct copies copies;
    struct sl_bytes key;

    route_default(v, walk->what->key, walk);
    if (walk->what->copies.len == 0)
        return;
    copies_begin(&copies, walk->what->copies);
    while (walk->err == SL_OK && copies_next(&copies, &key))
        route_default(v, key, walk);
}

/* Until its time has come it needs no queue that would take it. */
static void add_scheduled(struct vhost *v, struct walk *walk)
{
    const struct exchange *e = topology_exchange(v, SL_BYTES_LITERAL(""));

    if (e == NULL || e->holding == NULL)
        walk->err = SL_ENOENT; /* the virtual host is gone */
    else
        (void)add_queue(walk, e->holding);
}

/* By all of its keys, before it is known whether a binding matches. */
static void visit(struct exchange *e, struct walk *walk)
{
    struct matched matched = {walk->what->key, walk->what->properties, &walk->headers};
    struct copies copies;

    walk->is_met = false;
    enum sl_err err = bindings_match(e->bindings, &matched, on_binding, walk);
    if (err != SL_OK)
        walk->err = err;
    if (walk->what->copies.len == 0 || !bindings_match_each_key(e->bindings))
        return;
    copies_begin(&copies, walk->what->copies);
    while (walk->err == SL_OK && copies_next(&copies, &matched.key))
        walk->err = bindings_match(e->bindings, &matched, on_binding, walk);
}

static void on_binding(void *context, struct binding *binding)
{
    struct walk *walk = context;

    if (binding->to_queue != NULL) {
        walk->is_met |= add_queue(walk, binding->to_queue);
        return;
    }
    walk->is_met = true;
    add_exchange(walk, binding->to_exchange);
}

/* False: it does not take the message, which is as if it were not bound. */
static bool add_queue(struct walk *walk, struct topology_queue *q)
{
    if (q->visited == walk->stamp || walk->err != SL_OK)
        return q->is_selected;
    q->visited = walk->stamp;
    q->is_selected = q->selector == NULL || is_selected(walk, q);
    if (q->is_selected && walk->err == SL_OK)
        walk->err = target_set_add(walk->targets, q->ref);
    return q->is_selected;
}

static bool is_selected(struct walk *walk, const struct topology_queue *q)
{
    walk->depends = true;
    walk->err = header_set_sort(&walk->headers);
    return walk->err == SL_OK && selects(q, walk->what->properties, &walk->headers);
}

static bool selects(const struct topology_queue *q, struct sl_bytes properties,
                    const struct header_set *headers)
{
    struct selector_message message = {.headers = headers};

    if (properties.len != 0)
        properties_decode(properties, &message.properties);
    return selector_takes(q->selector, &message);
}

/* Where what an exchange has no binding for goes on; one that is not there is none. */
static void add_alternate(struct vhost *v, const struct exchange *e, struct walk *walk)
{
    struct table_value value;
    struct sl_bytes name;

    if (!table_find(topology_exchange_arguments(e), "alternate-exchange", &value) ||
        !table_value_string(value, &name))
        return;
    struct exchange *alternate = topology_exchange(v, name);
    if (alternate != NULL)
        add_exchange(walk, alternate);
}

static void add_exchange(struct walk *walk, struct exchange *e)
{
    if (e->visited == walk->stamp)
        return;
    e->visited = walk->stamp;
    e->next = walk->waiting;
    walk->waiting = e;
}
