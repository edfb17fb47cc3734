/* inspect_topology.c - the part of inspect.h that lists virtual hosts, exchanges and bindings. */
#include "core/exchange.h"
#include "core/inspect.h"

static struct vhost **wanted_vhosts(struct topology *t, struct inspect_page *page);
static void list_vhosts(struct topology *t, struct inspect_page *page);
static void list_exchanges(struct vhost *v, struct inspect_page *page);
static void list_bindings(struct topology *t, struct vhost *v, struct inspect_page *page);
static void list_bindings_of(struct vhost *v, struct sl_bytes exchange, struct inspect_page *page);
static void list_default_bindings(struct vhost *v, struct inspect_page *page);

void inspect_topology(struct topology *t, struct inspect_page *page)
{
    if (page->subject == INSPECT_VHOSTS) {
        list_vhosts(t, page);
        page->is_done = true;
        return;
    }
    struct vhost **vhosts = wanted_vhosts(t, page);
    for (size_t i = 0; vhosts != NULL && vhosts[i] != NULL; i++) {
        if (page->subject == INSPECT_BINDINGS) {
            list_bindings(t, vhosts[i], page);
            continue;
        }
        topology_lock(t);
        list_exchanges(vhosts[i], page);
        topology_unlock(t);
    }
    page->is_done = true;
}

/* Those that there are now, ended by NULL: one that is deleted meanwhile is empty.  NULL: no memory. */
static struct vhost **wanted_vhosts(struct topology *t, struct inspect_page *page)
{
    struct vhost *v;
    size_t cursor = 0;
    size_t count = 0;

    topology_lock(t);
    struct vhost **found = arena_take(&page->arena, (t->vhosts.count + 1) * sizeof(struct vhost *));
    while (found != NULL && (v = hash_map_next(&t->vhosts, &cursor)) != NULL)
        if (page->vhost.at == NULL || sl_bytes_equal(v->name, page->vhost))
            found[count++] = v;
    topology_unlock(t);
    if (found == NULL)
        page->is_short = true;
    else
        found[count] = NULL;
    return found;
}

static void list_vhosts(struct topology *t, struct inspect_page *page)
{
    const struct vhost *v;
    size_t cursor = 0;

    topology_lock(t);
    while ((v = hash_map_next(&t->vhosts, &cursor)) != NULL) {
        struct inspect_vhost *row = inspect_row_new(page, sizeof *row);
        if (row == NULL)
            break;
        row->name = inspect_copy(page, v->name);
    }
    topology_unlock(t);
}

static void list_exchanges(struct vhost *v, struct inspect_page *page)
{
    const struct exchange *e;
    size_t cursor = 0;

    while ((e = hash_map_next(&v->exchanges, &cursor)) != NULL) {
        struct inspect_exchange *row = inspect_row_new(page, sizeof *row);
        if (row == NULL)
            return;
        row->vhost = inspect_copy(page, v->name);
        row->name = inspect_copy(page, e->name);
        row->arguments = inspect_copy(page, e->arguments);
        row->type = e->type;
        row->is_delaying = e->holding != NULL;
        if (row->is_delaying)
            row->held = atomic_load_explicit(&e->holding->held, memory_order_relaxed);
        row->is_durable = e->is_durable;
        row->is_auto_delete = e->is_auto_delete;
        row->is_internal = e->is_internal;
        if (e->effective != NULL) {
            row->policy = inspect_copy(page, e->effective->policy);
            row->operator_policy = inspect_copy(page, e->effective->by_operator);
            row->policy_keys = inspect_copy(page, e->effective->keys);
        }
    }
}

/* The exchanges' names first, then one of them at a time: an exchange may have a hundred
 * thousand bindings, and whoever declares waits for us. */
static void list_bindings(struct topology *t, struct vhost *v, struct inspect_page *page)
{
    struct inspect_page names = {.subject = INSPECT_EXCHANGES};

    topology_lock(t);
    list_exchanges(v, &names);
    list_default_bindings(v, page);
    topology_unlock(t);
    for (const struct inspect_row *at = names.first; at != NULL; at = at->next) {
        topology_lock(t);
        list_bindings_of(v, ((const struct inspect_exchange *)at)->name, page);
        topology_unlock(t);
    }
    page->is_short |= names.is_short;
    arena_deinit(&names.arena);
}

static void list_bindings_of(struct vhost *v, struct sl_bytes exchange, struct inspect_page *page)
{
    const struct exchange *e = topology_exchange(v, exchange);
    const struct binding *b;
    size_t cursor = 0;

    while (e != NULL && (b = bindings_next(e->bindings, &cursor)) != NULL) {
        struct inspect_binding *row = inspect_row_new(page, sizeof *row);
        if (row == NULL)
            return;
        row->to_exchange = b->to_exchange != NULL;
        row->vhost = inspect_copy(page, v->name);
        row->source = inspect_copy(page, e->name);
        row->destination =
            inspect_copy(page, row->to_exchange ? b->to_exchange->name : b->to_queue->name);
        row->key = inspect_copy(page, b->key);
        row->arguments = inspect_copy(page, b->arguments);
    }
}

/* Every queue is bound to the default exchange by its name; nothing stands for that anywhere. */
static void list_default_bindings(struct vhost *v, struct inspect_page *page)
{
    const struct topology_queue *q;
    size_t cursor = 0;

    while ((q = hash_map_next(&v->queues, &cursor)) != NULL) {
        if (q->is_hidden || q->is_reply)
            continue;
        struct inspect_binding *row = inspect_row_new(page, sizeof *row);
        if (row == NULL)
            return;
        row->vhost = inspect_copy(page, v->name);
        row->destination = row->key = inspect_copy(page, q->name);
    }
}
