#include "core/permission.h"

#include "core/access.h"
#include "core/broker.h"
#include "core/prepared_form.h"
#include "core/table.h"

static struct topology *topology_of(const struct client *c);
static struct grant *take_grant(const struct client *c);
static bool is_allowed(const struct grant *g, enum permission what, struct sl_bytes name);
static enum sl_err refuse(const struct client *c, struct text *reason);
static struct resource queue_of(const struct client *c, struct sl_bytes name);
static struct resource exchange_of(const struct client *c, struct sl_bytes name);
static bool find_text(struct sl_bytes arguments, const char *name, struct sl_bytes *out);
static bool is_topic(const struct client *c, struct sl_bytes exchange);
static bool may_publish_as_before(const struct client *c, const struct grant *g,
                                  struct sl_bytes exchange);

enum sl_err permission_check(const struct client *c, enum permission what, struct resource about,
                             struct text *reason)
{
    if (c->is_trusted)
        return SL_OK;
    if (about.name.len == 0 && strcmp(about.kind, "exchange") == 0)
        about.name = SL_BYTES_LITERAL("amq.default");
    struct grant *g = take_grant(c);
    bool is_good = is_allowed(g, what, about.name);
    grant_unref(g);
    if (is_good)
        return SL_OK;
    text_add(reason, "access to ");
    resource_describe(about, reason);
    return refuse(c, reason);
}

enum sl_err permission_check_topic(const struct client *c, enum permission what,
                                   struct resource exchange, struct sl_bytes key,
                                   struct text *reason)
{
    if (c->is_trusted)
        return SL_OK;
    struct grant *g = take_grant(c);
    const struct topic_grant *t = g == NULL ? NULL : grant_topic(g, exchange.name);
    bool is_good = g != NULL && (t == NULL || name_pattern_matches(&t->patterns[what], key));
    grant_unref(g);
    if (is_good)
        return SL_OK;
    text_add(reason, "access to topic '");
    text_add_bytes(reason, key);
    text_add(reason, "' in ");
    resource_describe(exchange, reason);
    return refuse(c, reason);
}

enum sl_err permission_to_declare_queue(const struct client *c, const struct queue_declaration *d,
                                        struct text *reason)
{
    if (d->is_passive)
        return SL_OK;
    return permission_check(c, PERMISSION_CONFIGURE, queue_of(c, d->name), reason);
}

/* The dead-letter exchange matters to who makes the queue: it is the queue that reads and writes
 * then. */
enum sl_err permission_to_make_queue(const struct client *c, const struct queue_declaration *d,
                                     struct text *reason)
{
    struct sl_bytes letters;

    if (d->is_passive || !find_text(d->arguments, "x-dead-letter-exchange", &letters))
        return SL_OK;
    SL_TRY(permission_check(c, PERMISSION_READ, queue_of(c, d->name), reason));
    return permission_check(c, PERMISSION_WRITE, exchange_of(c, letters), reason);
}

enum sl_err permission_to_declare_exchange(const struct client *c,
                                           const struct exchange_declaration *d,
                                           struct text *reason)
{
    if (d->is_passive || d->name.len == 0)
        return SL_OK; /* the default exchange has its own refusal */
    return permission_check(c, PERMISSION_CONFIGURE, exchange_of(c, d->name), reason);
}

enum sl_err permission_to_make_exchange(const struct client *c,
                                        const struct exchange_declaration *d, struct text *reason)
{
    struct sl_bytes alternate;

    if (d->is_passive || !find_text(d->arguments, "alternate-exchange", &alternate))
        return SL_OK;
    SL_TRY(permission_check(c, PERMISSION_READ, exchange_of(c, d->name), reason));
    return permission_check(c, PERMISSION_WRITE, exchange_of(c, alternate), reason);
}

/* Those that nobody may delete have their own refusal. */
enum sl_err permission_to_delete_exchange(const struct client *c, struct sl_bytes name,
                                          struct text *reason)
{
    if (name.len == 0 || sl_bytes_begin(name, "amq."))
        return SL_OK;
    return permission_check(c, PERMISSION_CONFIGURE, exchange_of(c, name), reason);
}

enum sl_err permission_to_bind(const struct client *c, const struct binding_request *r,
                               struct text *reason)
{
    struct resource to = r->to_exchange ? exchange_of(c, r->destination)
                                        : queue_of(c, r->destination);

    if (c->is_trusted || r->source.len == 0 || (r->to_exchange && r->destination.len == 0))
        return SL_OK; /* the default exchange has its own refusal */
    SL_TRY(permission_check(c, PERMISSION_WRITE, to, reason));
    SL_TRY(permission_check(c, PERMISSION_READ, exchange_of(c, r->source), reason));
    struct grant *g = take_grant(c);
    bool has_topic = g != NULL && grant_topic(g, r->source) != NULL;
    grant_unref(g);
    if (!has_topic || !is_topic(c, r->source))
        return SL_OK;
    return permission_check_topic(c, PERMISSION_READ, exchange_of(c, r->source), r->key, reason);
}

enum sl_err permission_to_use_queue(const struct client *c, enum permission what,
                                    struct sl_bytes queue, struct text *reason)
{
    return permission_check(c, what, queue_of(c, queue), reason);
}

/* Once for each route that a channel or a worker does not remember. */
enum sl_err permission_to_publish(const struct client *c, struct sl_bytes exchange,
                                  struct sl_bytes key, struct text *reason)
{
    if (c->is_trusted || sl_bytes_are(exchange, PREPARED_EXCHANGE))
        return SL_OK; /* an outcome: it is asked for where it is known whose message it decides */
    struct grant *g = take_grant(c);
    bool is_good = may_publish_as_before(c, g, exchange);
    bool has_topic = g != NULL && grant_topic(g, exchange) != NULL;
    grant_unref(g);
    if (!is_good) {
        SL_TRY(permission_check(c, PERMISSION_WRITE, exchange_of(c, exchange), reason));
        if (c->access != NULL && exchange.len != 0) {
            memcpy(c->access->exchange, exchange.at, exchange.len);
            c->access->exchange_len = (uint32_t)exchange.len;
        }
    }
    if (!has_topic || !is_topic(c, exchange))
        return SL_OK;
    return permission_check_topic(c, PERMISSION_WRITE, exchange_of(c, exchange), key, reason);
}

struct route_writer permission_writer(const struct client *c)
{
    struct route_writer nobody = {NULL, 0};

    if (c->is_trusted || c->access == NULL)
        return nobody;
    const struct grant *g = access_grant(c->access, topology_of(c)->accounts);
    bool is_asked = g != NULL && (g->topics != NULL ||
                                  g->patterns[PERMISSION_WRITE].kind != NAME_PATTERN_OF_ALL);
    return is_asked ? (struct route_writer){g, c->access->epoch} : nobody;
}

static struct topology *topology_of(const struct client *c)
{
    return broker_topology(c->worker->broker);
}

/* A reference, or NULL. */
static struct grant *take_grant(const struct client *c)
{
    struct accounts *a = topology_of(c)->accounts;
    struct grant *g;

    if (c->access != NULL) {
        g = (struct grant *)(uintptr_t)access_grant(c->access, a);
        return g == NULL ? NULL : grant_ref(g);
    }
    accounts_lock(a);
    const struct user *u = accounts_user(a, c->user);
    g = u == NULL ? NULL : user_grant(u, c->vhost->name);
    if (g != NULL)
        grant_ref(g);
    accounts_unlock(a);
    return g;
}

static bool is_allowed(const struct grant *g, enum permission what, struct sl_bytes name)
{
    return g != NULL && g->has_permission && name_pattern_matches(&g->patterns[what], name);
}

static enum sl_err refuse(const struct client *c, struct text *reason)
{
    text_add(reason, " refused for user '");
    text_add_bytes(reason, c->user);
    text_add(reason, "'");
    return SL_EDENIED;
}

static struct resource queue_of(const struct client *c, struct sl_bytes name)
{
    return (struct resource){"queue", name, c->vhost->name};
}

static struct resource exchange_of(const struct client *c, struct sl_bytes name)
{
    return (struct resource){"exchange", name, c->vhost->name};
}

static bool find_text(struct sl_bytes arguments, const char *name, struct sl_bytes *out)
{
    struct table_value value;

    return arguments.len != 0 && table_find(arguments, name, &value) &&
           table_value_string(value, out);
}

static bool is_topic(const struct client *c, struct sl_bytes exchange)
{
    struct topology *t = topology_of(c);

    topology_lock(t);
    const struct exchange *e = topology_exchange(c->vhost, exchange);
    bool is = e != NULL && e->matching == EXCHANGE_TOPIC;
    topology_unlock(t);
    return is;
}

/* What may write everywhere, and what was asked for last, need no pattern. */
static bool may_publish_as_before(const struct client *c, const struct grant *g,
                                  struct sl_bytes exchange)
{
    const struct access *a = c->access;

    if (g == NULL || !g->has_permission)
        return false;
    if (g->patterns[PERMISSION_WRITE].kind == NAME_PATTERN_OF_ALL)
        return true;
    return a != NULL && a->exchange_len != 0 &&
           sl_bytes_equal((struct sl_bytes){a->exchange, a->exchange_len}, exchange);
}
