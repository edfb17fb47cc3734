#include "core/transaction.h"

#include "core/base/limits.h"
#include "core/broker.h"
#include "core/properties.h"

#include <stdlib.h>

#define ROOM_FIRST 8u

struct routing {              /* one pass over all messages */
    const struct route *last; /* lent by the cache while epoch stands */
    uint64_t epoch;
    struct route *copy;
    size_t places; /* where the transaction takes effect, so far */
};

static bool make_room(struct transaction *t);
static enum sl_err route_one(struct transaction_publish *p, struct client *c, struct routing *r);
static struct route *copy_route(const struct route *route);
static enum sl_err take_places(struct transaction *t, const struct message **at_fault);
static void drop_routes(struct transaction *t);

bool transaction_add_publish(struct transaction *t, struct message *msg, bool is_mandatory)
{
    size_t cost = message_cost(msg);

    if (t->count + t->settles >= SL_TRANSACTION_ACTIONS_MAX ||
        t->bytes + cost > SL_TRANSACTION_BYTES_MAX || !make_room(t))
        return false;
    t->publishes[t->count++] =
        (struct transaction_publish){.msg = msg, .is_mandatory = is_mandatory};
    t->bytes += cost;
    return true;
}

bool transaction_add_settle(struct transaction *t)
{
    if (t->count + t->settles >= SL_TRANSACTION_ACTIONS_MAX)
        return false;
    t->settles++;
    return true;
}

enum sl_err transaction_prepare(struct transaction *t, struct client *c, size_t loans,
                                const struct message **at_fault)
{
    struct routing r = {.places = loans};

    drop_routes(t);
    for (uint32_t i = 0; i < t->count; i++) {
        *at_fault = t->publishes[i].msg;
        SL_TRY(route_one(&t->publishes[i], c, &r));
    }
    return r.places > SL_TRANSACTION_PLACES_MAX ? SL_ETOOBIG : take_places(t, at_fault);
}

void transaction_publish_all(struct transaction *t, struct client *c,
                             void (*unroutable)(void *context, struct message *msg), void *context)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct transaction_publish *p = &t->publishes[i];

        if (p->route->count == p->route->held && p->is_mandatory && unroutable != NULL)
            unroutable(context, p->msg);
        if (p->route->histories != NULL)
            history_set_note(p->route->histories, p->msg);
        broker_publish_admitted(c, p->route, p->msg);
        p->msg = NULL;
    }
    transaction_clear(t);
}

void transaction_clear(struct transaction *t)
{
    drop_routes(t);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->publishes[i].msg != NULL)
            message_unref(t->publishes[i].msg);
    free(t->publishes);
    *t = (struct transaction){0};
}

static bool make_room(struct transaction *t)
{
    if (t->count < t->room)
        return true;
    uint32_t room = t->room == 0 ? ROOM_FIRST : t->room * 2;
    struct transaction_publish *publishes = realloc(t->publishes, room * sizeof *publishes);
    if (publishes == NULL)
        return false;
    t->publishes = publishes;
    t->room = room;
    return true;
}

static enum sl_err take_places(struct transaction *t, const struct message **at_fault)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct transaction_publish *p = &t->publishes[i];
        t->full = admission_take_all(p->route, message_body(p->msg).len);
        if (t->full == NULL)
            continue;
        *at_fault = p->msg;
        while (i-- > 0)
            admission_give_all(t->publishes[i].route, message_body(t->publishes[i].msg).len);
        return SL_EFULL;
    }
    return SL_OK;
}

/* The cache may forget a route when the next one is asked for, so it is copied; a row of messages
 * to one place shares its copy. */
static enum sl_err route_one(struct transaction_publish *p, struct client *c, struct routing *r)
{
    const struct routed what = routed_of(p->msg);
    const struct route *route;

    SL_TRY(broker_route(c, &what, &route));
    r->places += route->count;
    if (r->places > SL_TRANSACTION_PLACES_MAX)
        return SL_ETOOBIG;
    if (r->copy == NULL || route != r->last || !route->is_fixed ||
        r->epoch != broker_route_epoch(c)) {
        r->copy = copy_route(route);
        if (r->copy == NULL)
            return SL_ENOMEM;
        r->last = route;
        r->epoch = broker_route_epoch(c);
        p->owns_route = true;
    }
    p->route = r->copy;
    return SL_OK;
}

/* Without its encoded form, which only the front end's own cache needs. */
static struct route *copy_route(const struct route *route)
{
    size_t targets = route->count * sizeof route->targets[0];
    struct route *copy = malloc(sizeof *copy + targets);

    if (copy == NULL)
        return NULL;
    *copy = *route;
    copy->encoded = (struct sl_bytes){NULL, 0};
    if (targets != 0)
        memcpy(copy->targets, route->targets, targets);
    route_hold(copy);
    return copy;
}

static void drop_routes(struct transaction *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->publishes[i].owns_route) {
            route_let_go(t->publishes[i].route);
            free(t->publishes[i].route);
        }
        t->publishes[i].route = NULL;
        t->publishes[i].owns_route = false;
    }
}
