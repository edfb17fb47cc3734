/* route_cache.c - the part of route.h that remembers: what a worker resolved, until the topology is
 * another. */
#include "core/admission.h"
#include "core/base/limits.h"
#include "core/route.h"

#include <stdlib.h>

#define ID_BYTES_MAX (sizeof(void *) + 2 + 2 * SL_NAME_BYTES_MAX)

/* One block: this, the targets, and the id, whose tail is the route's encoded form. */
struct cached_route {
    struct sl_bytes id;
    struct route_writer writer;
    struct route route;
};

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

    if (writer.grant == NULL || what->copies.len != 0 || what->is_scheduled)
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
    bool is_own = what->copies.len != 0 || what->is_scheduled;
    struct cached_route *known = is_own ? NULL : hash_map_get(&c->routes, id);
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
        history_set_unref(kept->route.histories);
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
