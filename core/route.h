/*
 * route.h - exchange and key in, queues out.
 *
 * route_resolve is pure: it reads the topology under its lock and decides nothing else.  A
 * worker remembers what it resolved in a route_cache by (exchange, key) and forgets all of it
 * when the topology's version has moved; so a message costs neither the lock nor a hash, as
 * its channel keeps the route of its last publish while the cache's epoch stands.
 */
#ifndef SLUICE_CORE_ROUTE_H
#define SLUICE_CORE_ROUTE_H

#include "core/history.h"
#include "core/known_headers.h"
#include "core/message.h"
#include "core/topology.h"

struct route {
    struct sl_bytes encoded; /* exchange and key as message_new_routed wants them; owned */
    uint32_t count;
    uint32_t durable; /* how many of them are durable queues */
    uint32_t limited; /* how many of them may refuse: route_let_go gives up their admissions */
    uint32_t held;    /* how many of them hold what waits for its time */
    bool asks_ids; /* of its exchange: queues ask for ids, each with a window for that exchange */
    bool asks_always; /* some queue may find an id in any message */
    bool is_fixed;    /* false: depends on more than exchange and key, valid for this one only */
    struct history_set *histories; /* counted; who notes what goes by it, before; NULL: nobody */
    struct queue_ref targets[];
};

/* Counts the admissions and histories of a copy of a route; and lets go of those of one that ends. */
void route_hold(const struct route *route);
void route_let_go(const struct route *route);

struct routed { /* what is routed */
    struct sl_bytes exchange;
    struct sl_bytes key;        /* these two at most 255 bytes */
    struct sl_bytes properties; /* flat, checked; or {NULL, 0} */
    struct sl_bytes copies;     /* properties whose CC and BCC it goes by too; or {NULL, 0} */
    bool is_scheduled;          /* not to its queues yet, but to wait: schedule.h */
};

static inline struct routed routed_of(const struct message *msg)
{
    struct sl_bytes none = {NULL, 0};
    struct sl_bytes properties = message_properties(msg);

    return (struct routed){message_exchange(msg), message_key(msg), properties,
                           (msg->marks & MARK_COPIES) != 0 ? properties : none, msg->is_scheduled};
}

struct target_set { /* growable; zeroed is empty */
    struct queue_ref *at;
    uint32_t count;
    uint32_t room;
    bool asks_ids;                 /* of the exchange that was asked for last */
    struct history_set *histories; /* counted; of the last search */
};

void target_set_deinit(struct target_set *s);
SL_MUST_CHECK enum sl_err target_set_add(struct target_set *s,
                                         struct queue_ref ref); /* SL_ENOMEM */

/* Does the queue take a message with these properties, however it comes there?  Under the lock; false
 * without memory too. */
bool route_selects(const struct topology_queue *q, struct sl_bytes properties);

/* Adds every queue that it reaches, each once, over bindings between exchanges too.  *is_fixed: any
 * other message with this exchange and key reaches the same.  SL_ENOENT: no such exchange;
 * SL_EDENIED: internal exchange; SL_EPRECOND: an exchange that it reaches delays, and its x-delay is
 * too long; SL_ENOMEM.  Under the lock. */
SL_MUST_CHECK enum sl_err route_resolve(struct topology *t, struct vhost *v,
                                        const struct routed *what, struct target_set *targets,
                                        bool *is_fixed);

/* The same for what the broker itself publishes: also through an internal exchange, and a delay that
 * is too long is none. */
SL_MUST_CHECK enum sl_err route_resolve_inside(struct topology *t, struct vhost *v,
                                               const struct routed *what,
                                               struct target_set *targets, bool *is_fixed);

struct grant;

/* Who was allowed to publish by a route, as of that epoch of the accounts: a grant that is held
 * since is no other one at its address.  grant NULL: nobody is remembered. */
struct route_writer {
    const struct grant *grant;
    uint64_t epoch;
};

struct route_cache { /* one per worker */
    struct topology *topology;
    struct hash_map routes; /* of struct cached_route, route_cache.c */
    uint64_t version;       /* of the topology when the routes were resolved */
    uint64_t epoch;         /* moves when routes are forgotten; never 0 */
    size_t targets;         /* in all routes together */
    struct target_set scratch;
    struct route *loose; /* the last route that was not fixed */
    size_t loose_room;
};

void route_cache_init(struct route_cache *c, struct topology *t);
void route_cache_deinit(struct route_cache *c);

/* Forgets everything when the topology has changed.  Called after reading from a socket and
 * before the bytes are looked at, and after every change that this worker makes: so a publish
 * that was sent after a definition was answered sees that definition. */
void route_cache_refresh(struct route_cache *c);

/* Lends the remembered route of who was the last to be noted as allowed there; NULL: ask. */
const struct route *route_cache_find(struct route_cache *c, struct vhost *v,
                                     const struct routed *what, struct route_writer writer);
/* Notes the writer at a route that route_cache_get has just lent. */
void route_cache_allow(const struct route *route, struct route_writer writer);

/* Lends the route: valid while c->epoch stands, a route that is not fixed until the next call.
 * Errors as route_resolve. */
SL_MUST_CHECK enum sl_err route_cache_get(struct route_cache *c, struct vhost *v,
                                          const struct routed *what, const struct route **out);

#endif
