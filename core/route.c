#include "core/route.h"

#include "core/admission.h"
#include "core/base/limits.h"
#include "core/cluster_queue.h"
#include "core/copies.h"
#include "core/delay_header.h"
#include "core/exchange.h"
#include "core/properties.h"
#include "core/selector.h"
#include "core/table.h"

#include <stdlib.h>

#define TARGETS_FIRST 16u
#define ID_BYTES_MAX (sizeof(void *) + 2 + 2 * SL_NAME_BYTES_MAX)

struct walk { /* one search through exchanges that are bound to each other */
    const struct routed *what;
    struct target_set *targets;
    struct exchange *waiting; /* found, not yet searched; chained by next */
    uint64_t stamp;           /* on what was found already */
    bool is_met;              /* the exchange that is being searched has a binding that matches */
    bool depends;             /* on more than exchange and key */
    struct header_set headers;
    enum sl_err err;
};

/* One block: this, the targets, and the id, whose tail is the route's encoded form. */
struct cached_route {
    struct sl_bytes id;
    struct route_writer writer;
    struct route route;
};

static void route_default(struct vhost *v, struct sl_bytes key, struct walk *walk);
static void visit_default(struct vhost *v, struct walk *walk);
static void visit(struct exchange *e, struct walk *walk);
static bool add_queue(struct walk *walk, struct topology_queue *q);
static bool is_selected(struct walk *walk, const struct topology_queue *q);
static bool selects(const struct topology_queue *q, struct sl_bytes properties,
                    const struct header_set *headers);
static void on_binding(void *context, struct binding *binding);
static void add_alternate(struct vhost *v, const struct exchange *e, struct walk *walk);
static void add_exchange(struct walk *walk, struct exchange *e);
static enum sl_err resolve_for_cache(struct route_cache *c, struct vhost *v,
                                     const struct routed *what, bool *is_fixed);
static void let_go_of_scratch(struct route_cache *c);
static struct sl_bytes write_id(uint8_t room[ID_BYTES_MAX], struct vhost *v,
                                const struct routed *what);
static enum sl_err keep(struct route_cache *c, struct sl_bytes id, const struct route **out);
static enum sl_err lend_loose(struct route_cache *c, struct sl_bytes id, const struct route **out);
static size_t route_bytes(const struct target_set *targets, struct sl_bytes id);
static struct sl_bytes fill(struct route *route, const struct target_set *targets,
                            struct sl_bytes id, bool is_fixed);
static void forget(struct route_cache *c);

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

    *is_fixed = true;
    if (e != NULL && e->is_internal)
        return SL_EDENIED;
    return route_resolve_inside(t, v, what, targets, is_fixed);
}

enum sl_err route_resolve_inside(struct topology *t, struct vhost *v, const struct routed *what,
                                 struct target_set *targets, bool *is_fixed)
{
    struct walk walk = {.what = what, .targets = targets, .stamp = ++t->next_stamp};
    struct exchange *e = what->exchange.len == 0 ? NULL : topology_exchange(v, what->exchange);
    struct sl_bytes headers = {NULL, 0};

    *is_fixed = true;
    targets->asks_ids = e != NULL && e->asks_ids;
    history_set_unref(targets->histories);
    targets->histories = NULL;
    if (what->exchange.len != 0 && e == NULL)
        return SL_ENOENT;
    if (what->properties.len != 0)
        properties_headers(what->properties, &headers);
    walk.headers = header_set_of(headers);
    walk.depends = what->copies.len != 0;
    if (e == NULL)
        visit_default(v, &walk);
    else
        add_exchange(&walk, e);
    while (walk.waiting != NULL && walk.err == SL_OK) {
        e = walk.waiting;
        walk.waiting = e->next;
        walk.depends |= !bindings_go_by_key(e->bindings) || e->holding != NULL;
        if (e->holding != NULL && delay_of_headers(headers) != 0) {
            (void)add_queue(&walk, e->holding);
            continue;
        }
        if (bindings_history(e->bindings) != NULL)
            history_set_add(&targets->histories, bindings_history(e->bindings));
        visit(e, &walk);
        if (!walk.is_met)
            add_alternate(v, e, &walk);
    }
    header_set_deinit(&walk.headers);
    *is_fixed = !walk.depends;
    return walk.err;
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

void route_cache_init(struct route_cache *c, struct topology *t)
{
    *c = (struct route_cache){.topology = t, .version = topology_version(t), .epoch = 1};
}

void route_cache_deinit(struct route_cache *c)
{
    forget(c);
    target_set_deinit(&c->scratch);
    if (c->loose != NULL)
        route_let_go(c->loose);
    free(c->loose);
    *c = (struct route_cache){0};
}

void route_cache_refresh(struct route_cache *c)
{
    uint64_t version = topology_version(c->topology);

    if (version == c->version)
        return;
    c->version = version;
    forget(c);
}

const struct route *route_cache_find(struct route_cache *c, struct vhost *v,
                                     const struct routed *what, struct route_writer writer)
{
    uint8_t room[ID_BYTES_MAX];

    if (writer.grant == NULL || what->copies.len != 0)
        return NULL;
    const struct cached_route *known = hash_map_get(&c->routes, write_id(room, v, what));
    bool is_allowed = known != NULL && known->writer.grant == writer.grant &&
                      known->writer.epoch == writer.epoch;
    return is_allowed ? &known->route : NULL;
}

void route_cache_allow(const struct route *route, struct route_writer writer)
{
    if (route->is_fixed) /* else it is not in the map */
        ((struct cached_route *)((uintptr_t)route - offsetof(struct cached_route, route)))->writer =
            writer;
}

enum sl_err route_cache_get(struct route_cache *c, struct vhost *v, const struct routed *what,
                            const struct route **out)
{
    uint8_t room[ID_BYTES_MAX];
    struct sl_bytes id = write_id(room, v, what);
    struct cached_route *known = what->copies.len != 0 ? NULL : hash_map_get(&c->routes, id);
    bool is_fixed;

    if (known != NULL) {
        *out = &known->route;
        return SL_OK;
    }
    SL_TRY(resolve_for_cache(c, v, what, &is_fixed));
    enum sl_err err = is_fixed ? keep(c, id, out) : lend_loose(c, id, out);
    if (err != SL_OK)
        let_go_of_scratch(c);
    return err;
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

static enum sl_err resolve_for_cache(struct route_cache *c, struct vhost *v,
                                     const struct routed *what, bool *is_fixed)
{
    c->scratch.count = 0;
    topology_lock(c->topology);
    enum sl_err err = route_resolve(c->topology, v, what, &c->scratch, is_fixed);
    for (uint32_t i = 0; err == SL_OK && i < c->scratch.count; i++)
        if (c->scratch.at[i].admission != NULL)
            admission_ref(c->scratch.at[i].admission); /* the route's, which takes them over */
    topology_unlock(c->topology);
    return err;
}

static void let_go_of_scratch(struct route_cache *c)
{
    for (uint32_t i = 0; i < c->scratch.count; i++)
        admission_unref(c->scratch.at[i].admission);
}

/* The virtual host's address, then the route as message_new_routed wants it. */
static struct sl_bytes write_id(uint8_t room[ID_BYTES_MAX], struct vhost *v,
                                const struct routed *what)
{
    struct sl_writer w = {room, room + ID_BYTES_MAX, false};

    sl_write_bytes(&w, (struct sl_bytes){(const uint8_t *)&v, sizeof v});
    sl_write_short_string(&w, what->exchange);
    sl_write_short_string(&w, what->key);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

/* A full cache is a peer that never says the same key twice: starting over is as good as any
 * choice of what to drop, and cheaper. */
static enum sl_err keep(struct route_cache *c, struct sl_bytes id, const struct route **out)
{
    size_t count = c->scratch.count;

    if (c->routes.count == SL_ROUTE_CACHE_ENTRIES ||
        (c->routes.count != 0 && c->targets + count > SL_ROUTE_CACHE_TARGETS))
        forget(c);

    struct cached_route *kept =
        malloc(offsetof(struct cached_route, route) + route_bytes(&c->scratch, id));
    if (kept == NULL)
        return SL_ENOMEM;
    kept->writer = (struct route_writer){NULL, 0};
    kept->id = fill(&kept->route, &c->scratch, id, true);
    if (hash_map_put(&c->routes, kept->id, kept) != SL_OK) {
        free(kept);
        return SL_ENOMEM;
    }
    c->targets += count;
    *out = &kept->route;
    return SL_OK;
}

static enum sl_err lend_loose(struct route_cache *c, struct sl_bytes id, const struct route **out)
{
    size_t wanted = route_bytes(&c->scratch, id);

    if (c->loose != NULL) {
        route_let_go(c->loose);
        c->loose->limited = 0;
        c->loose->histories = NULL;
    }
    if (wanted > c->loose_room) {
        struct route *loose = realloc(c->loose, wanted);
        if (loose == NULL)
            return SL_ENOMEM;
        c->loose = loose;
        c->loose_room = wanted;
    }
    fill(c->loose, &c->scratch, id, false);
    *out = c->loose;
    return SL_OK;
}

static size_t route_bytes(const struct target_set *targets, struct sl_bytes id)
{
    return sizeof(struct route) + targets->count * sizeof *targets->at + id.len;
}

/* Returns the copy of id behind the targets. */
static struct sl_bytes fill(struct route *route, const struct target_set *targets,
                            struct sl_bytes id, bool is_fixed)
{
    uint8_t *at = (uint8_t *)(route->targets + targets->count);

    if (targets->count != 0)
        memcpy(route->targets, targets->at, targets->count * sizeof *targets->at);
    memcpy(at, id.at, id.len);
    route->count = targets->count;
    route->durable = route->limited = route->held = 0;
    route->asks_always = false;
    for (uint32_t i = 0; i < targets->count; i++) {
        route->durable += targets->at[i].number != 0;
        route->limited += targets->at[i].admission != NULL;
        route->held += targets->at[i].holds;
        route->asks_always |= targets->at[i].asks_always;
    }
    route->is_fixed = is_fixed;
    route->asks_ids = targets->asks_ids;
    route->histories = history_set_ref(targets->histories);
    route->encoded = sl_bytes_skip((struct sl_bytes){at, id.len}, sizeof(struct vhost *));
    return (struct sl_bytes){at, id.len};
}

static void forget(struct route_cache *c)
{
    struct cached_route *known;
    size_t cursor = 0;

    while ((known = hash_map_next(&c->routes, &cursor)) != NULL) {
        route_let_go(&known->route);
        free(known);
    }
    hash_map_deinit(&c->routes);
    c->targets = 0;
    c->epoch++;
}
