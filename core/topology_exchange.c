/* topology_exchange.c - how exchanges come, are compared and go. */
#include "core/topology_parts.h"

#include "core/arguments.h"
#include "core/base/assert.h"
#include "core/journal.h"
#include "core/prepared_form.h"

#include <stdlib.h>

static enum sl_err compare_exchange(const struct exchange *e, const struct exchange_declaration *d,
                                    enum exchange_type type, struct text *reason);
static enum sl_err add_exchange(struct vhost *v, const struct exchange_declaration *d,
                                enum exchange_type type, struct text *reason);
static struct exchange *exchange_new(struct vhost *v, const struct exchange_declaration *d,
                                     enum exchange_type type);
static bool asks_ids(struct sl_bytes arguments);
static void remove_exchange(struct topology *t, struct exchange *e, struct exchange **idle);

enum sl_err topology_declare_exchange(struct topology *t, struct vhost *v,
                                      const struct exchange_declaration *d, struct text *reason)
{
    struct resource about = exchange_resource(v, d->name);
    enum exchange_type type;

    if (v->is_gone)
        return refusal_no_vhost(v->name, reason);
    if (d->name.len == 0)
        return refusal_default_exchange(reason);
    struct exchange *e = topology_exchange(v, d->name);
    if (d->is_passive)
        return e == NULL ? refusal_missing(about, reason) : SL_OK;
    if (exchange_type_parse(d->type, &type) != SL_OK) {
        text_add(reason, "unknown exchange type '");
        text_add_bytes(reason, d->type);
        text_add(reason, "'");
        return SL_EPRECOND;
    }
    if (e != NULL)
        return compare_exchange(e, d, type, reason);
    if (sl_bytes_begin(d->name, "amq."))
        return refusal_reserved_name(about, reason);
    SL_TRY(arguments_check_exchange(about, d->arguments, reason));
    SL_TRY(exchange_check_delayed(type, d->arguments, reason));
    SL_TRY(add_exchange(v, d, type, reason));
    (void)topology_police_exchange(t, topology_exchange(v, d->name));
    t->is_changed = true;
    topology_note_dormant(t, about, d->arguments);
    return SL_OK;
}

enum sl_err topology_delete_exchange(struct topology *t, struct vhost *v, struct sl_bytes name,
                                     bool if_unused, struct text *reason)
{
    struct resource about = exchange_resource(v, name);
    struct exchange *e = topology_exchange(v, name);
    struct exchange *idle = NULL;

    if (name.len == 0)
        return refusal_default_exchange(reason);
    if (sl_bytes_begin(name, "amq.")) {
        text_add(reason, "deletion of system ");
        resource_describe(about, reason);
        text_add(reason, " not allowed");
        return SL_EDENIED;
    }
    if (e == NULL)
        return SL_OK;
    if (if_unused && bindings_count(e->bindings) != 0)
        return refusal_in_use(about, reason);
    remove_exchange(t, e, &idle);
    exchanges_remove_idle(t, idle);
    return SL_OK;
}

enum sl_err exchanges_declare_own(struct vhost *v)
{
    static const struct {
        const char *name;
        enum exchange_type type;
    } own[] = {{"", EXCHANGE_DIRECT},
               {"amq.direct", EXCHANGE_DIRECT},
               {"amq.fanout", EXCHANGE_FANOUT},
               {"amq.topic", EXCHANGE_TOPIC},
               {"amq.headers", EXCHANGE_HEADERS},
               {"amq.match", EXCHANGE_HEADERS},
               {PREPARED_EXCHANGE, EXCHANGE_DIRECT}};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct exchange_declaration d = {.name = sl_bytes_of(own[i].name), .is_durable = true};
        SL_TRY(add_exchange(v, &d, own[i].type, NULL));
    }
    return SL_OK;
}

void exchange_free(struct exchange *e)
{
    SL_ASSERT(list_is_empty(&e->as_destination));
    if (e->holding != NULL)
        e->holding->holds_for = NULL;
    bindings_clear(e->bindings);
    bindings_free(e->bindings);
    effective_unref(e->effective);
    list_remove(&e->of_vhost);
    free(e);
}

void binding_end(struct binding *b, struct exchange **idle)
{
    struct exchange *source = b->source;

    bindings_remove(b);
    if (!source->is_auto_delete || bindings_count(source->bindings) != 0)
        return;
    source->next = *idle; /* comes here once: a binding was its last */
    *idle = source;
}

/* A binding of something that is not durable may have been the last, and that one is not in the
 * log: so the log has to say which exchanges go. */
void exchanges_remove_idle(struct topology *t, struct exchange *idle)
{
    while (idle != NULL && !t->is_replaying) {
        struct exchange *e = idle;
        idle = e->next;
        if (e->is_durable && t->journal != NULL)
            journal_delete_exchange(t->journal, e);
        remove_exchange(t, e, &idle);
    }
}

static enum sl_err compare_exchange(const struct exchange *e, const struct exchange_declaration *d,
                                    enum exchange_type type, struct text *reason)
{
    struct resource about = exchange_resource(e->vhost, e->name);

    if (e->type != type)
        return refusal_inequivalent(about, "type", exchange_type_name(type),
                                    exchange_type_name(e->type), reason);
    if (e->is_durable != d->is_durable)
        return refusal_inequivalent(about, "durable", truth_word(d->is_durable),
                                    truth_word(e->is_durable), reason);
    if (e->is_auto_delete != d->is_auto_delete)
        return refusal_inequivalent(about, "auto_delete", truth_word(d->is_auto_delete),
                                    truth_word(e->is_auto_delete), reason);
    if (e->is_internal != d->is_internal)
        return refusal_inequivalent(about, "internal", truth_word(d->is_internal),
                                    truth_word(e->is_internal), reason);
    return arguments_compare_exchange(about, d->arguments, e->arguments, reason);
}

static enum sl_err add_exchange(struct vhost *v, const struct exchange_declaration *d,
                                enum exchange_type type, struct text *reason)
{
    struct exchange *e = exchange_new(v, d, type);

    if (e == NULL)
        return SL_ENOMEM;
    enum sl_err err = bindings_obey(e->bindings, e->arguments, reason);
    if (err == SL_OK)
        err = hash_map_put(&v->exchanges, e->name, e);
    if (err == SL_OK)
        list_push(&v->exchange_order, &e->of_vhost);
    else
        exchange_free(e);
    return err;
}

/* One block: the exchange, its name, its arguments. */
static struct exchange *exchange_new(struct vhost *v, const struct exchange_declaration *d,
                                     enum exchange_type type)
{
    struct sl_bytes arguments = d->arguments.len == 0 ? table_empty : d->arguments;
    struct exchange *e = calloc(1, sizeof *e + d->name.len + arguments.len);

    if (e == NULL)
        return NULL;
    e->matching = exchange_matching(type, arguments);
    e->bindings = bindings_new(e->matching);
    if (e->bindings == NULL) {
        free(e);
        return NULL;
    }
    uint8_t *at = (uint8_t *)(e + 1);
    memcpy(at, d->name.at, d->name.len);
    memcpy(at + d->name.len, arguments.at, arguments.len);
    e->vhost = v;
    e->name = (struct sl_bytes){at, d->name.len};
    e->arguments = (struct sl_bytes){at + d->name.len, arguments.len};
    e->type = type;
    e->is_durable = d->is_durable;
    e->is_auto_delete = d->is_auto_delete;
    e->is_internal = d->is_internal;
    e->asks_ids = e->matching == EXCHANGE_DEDUPLICATION || asks_ids(arguments);
    list_init(&e->as_destination);
    list_init(&e->of_vhost);
    return e;
}

/* As LavinMQ has it, for exchanges of any type. */
static bool asks_ids(struct sl_bytes arguments)
{
    struct table_value value;
    bool is_true = false;

    return table_find(arguments, "x-message-deduplication", &value) &&
           table_value_bool(value, &is_true) && is_true;
}

/* Its own bindings first, so that one to itself does not make it idle too. */
static void remove_exchange(struct topology *t, struct exchange *e, struct exchange **idle)
{
    bindings_clear(e->bindings);
    holding_abandon(t, e);
    while (!list_is_empty(&e->as_destination))
        binding_end(LIST_OF(e->as_destination.next, struct binding, of_destination), idle);
    hash_map_remove(&e->vhost->exchanges, e->name);
    exchange_free(e);
    t->is_changed = true;
}
