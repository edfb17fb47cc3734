/* views_routing.c - /exchanges and /bindings. */
#include "gateway/admin/views.h"

#include "core/exchange.h"
#include "core/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_EXCHANGE "amq.default" /* how a path says it */

static json_t *render_exchange(const struct view *v, const void *row);
static bool exchange_is_in_vhost(const struct view *v, const void *row);
static int compare_exchanges(const void *row, const void *other);

static json_t *render_binding(const struct view *v, const void *row);
static void add_quoted(struct text *to, struct sl_bytes bytes);
static uint64_t hash_of(struct sl_bytes bytes);
static bool binding_is_in_vhost(const struct view *v, const void *row);
static bool binding_is_of_queue(const struct view *v, const void *row);
static bool binding_is_from(const struct view *v, const void *row);
static bool binding_is_to(const struct view *v, const void *row);
static bool binding_is_between(const struct view *v, const void *row);
static bool binding_is_between_exchanges(const struct view *v, const void *row);
static bool is_exchange(struct sl_bytes argument, struct sl_bytes name);
static int compare_bindings(const void *row, const void *other);
static unsigned one_binding(struct view *v,
                            bool (*is_between)(const struct view *v, const void *row));
static unsigned list_bindings(struct view *v, bool (*wants)(const struct view *v, const void *row));

static const struct list_of EXCHANGES = {INSPECT_EXCHANGES, exchange_is_in_vhost, render_exchange,
                                         compare_exchanges};

unsigned view_exchanges(struct view *v)
{
    return view_list(v, &EXCHANGES);
}

unsigned view_exchange(struct view *v)
{
    struct findings_cursor at = {0};
    const struct inspect_exchange *e;

    while ((e = findings_next(v->found, INSPECT_EXCHANGES, &at)) != NULL)
        if (exchange_is_in_vhost(v, e) && is_exchange(v->arguments[1], e->name))
            return view_object(v, render_exchange(v, e));
    return view_not_found(v);
}

unsigned view_bindings(struct view *v)
{
    return list_bindings(v, binding_is_in_vhost);
}

unsigned view_bindings_of_queue(struct view *v)
{
    return list_bindings(v, binding_is_of_queue);
}

unsigned view_bindings_from(struct view *v)
{
    return list_bindings(v, binding_is_from);
}

unsigned view_bindings_to(struct view *v)
{
    return list_bindings(v, binding_is_to);
}

unsigned view_bindings_between(struct view *v)
{
    return list_bindings(v, binding_is_between);
}

unsigned view_bindings_between_exchanges(struct view *v)
{
    return list_bindings(v, binding_is_between_exchanges);
}

unsigned view_binding(struct view *v)
{
    return one_binding(v, binding_is_between);
}

unsigned view_binding_of_exchanges(struct view *v)
{
    return one_binding(v, binding_is_between_exchanges);
}

json_t *view_properties_key(struct sl_bytes key, struct sl_bytes arguments)
{
    char room[3 * 255 + 32];
    struct text text = text_on(room, sizeof room);
    bool has_arguments = arguments.len > 4;

    add_quoted(&text, key);
    if (has_arguments)
        text_add(&text, "~%016" PRIx64, hash_of(arguments));
    else if (key.len == 0)
        text_add(&text, "~");
    return json_string(room);
}

static json_t *render_exchange(const struct view *v, const void *row)
{
    const struct inspect_exchange *e = row;
    json_t *o = json_object();

    (void)v;
    json_put(o, "name", json_of_bytes(e->name));
    json_put(o, "vhost", json_of_bytes(e->vhost));
    json_put(o, "type", json_string(exchange_type_name(e->type)));
    json_put(o, "durable", json_boolean(e->is_durable));
    json_put(o, "auto_delete", json_boolean(e->is_auto_delete));
    json_put(o, "internal", json_boolean(e->is_internal));
    if (e->is_delaying)
        json_put(o, "messages_delayed", json_integer((json_int_t)e->held));
    json_put(o, "arguments", json_of_table(e->arguments));
    view_put_policies(o, e->policy, e->operator_policy, e->policy_keys);
    return o;
}

static bool exchange_is_in_vhost(const struct view *v, const void *row)
{
    return v->arguments[0].at == NULL ||
           sl_bytes_equal(((const struct inspect_exchange *)row)->vhost, v->arguments[0]);
}

static int compare_exchanges(const void *row, const void *other)
{
    const struct inspect_exchange *a = row;
    const struct inspect_exchange *b = other;
    int order = view_compare_bytes(a->vhost, b->vhost);

    return order != 0 ? order : view_compare_bytes(a->name, b->name);
}

static json_t *render_binding(const struct view *v, const void *row)
{
    const struct inspect_binding *b = row;
    json_t *o = json_object();

    (void)v;
    json_put(o, "source", json_of_bytes(b->source));
    json_put(o, "vhost", json_of_bytes(b->vhost));
    json_put(o, "destination", json_of_bytes(b->destination));
    json_put(o, "destination_type", json_string(b->to_exchange ? "exchange" : "queue"));
    json_put(o, "routing_key", json_of_bytes(b->key));
    json_put(o, "arguments", json_of_table(b->arguments));
    json_put(o, "properties_key", view_properties_key(b->key, b->arguments));
    return o;
}

static void add_quoted(struct text *to, struct sl_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.at[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (is_plain)
            text_add(to, "%c", c);
        else if (c == ' ')
            text_add(to, "+");
        else
            text_add(to, "%%%02X", c);
    }
}

/* FNV-1a: the same in every process, so that what was read yesterday is found today. */
static uint64_t hash_of(struct sl_bytes bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.at[i]) * 0x100000001b3u;
    return hash;
}

static bool binding_is_in_vhost(const struct view *v, const void *row)
{
    return v->arguments[0].at == NULL ||
           sl_bytes_equal(((const struct inspect_binding *)row)->vhost, v->arguments[0]);
}

static bool binding_is_of_queue(const struct view *v, const void *row)
{
    const struct inspect_binding *b = row;

    return binding_is_in_vhost(v, row) && !b->to_exchange &&
           sl_bytes_equal(b->destination, v->arguments[1]);
}

static bool binding_is_from(const struct view *v, const void *row)
{
    return binding_is_in_vhost(v, row) &&
           is_exchange(v->arguments[1], ((const struct inspect_binding *)row)->source);
}

static bool binding_is_to(const struct view *v, const void *row)
{
    const struct inspect_binding *b = row;

    return binding_is_in_vhost(v, row) && b->to_exchange &&
           is_exchange(v->arguments[1], b->destination);
}

static bool binding_is_between(const struct view *v, const void *row)
{
    const struct inspect_binding *b = row;

    return binding_is_from(v, row) && !b->to_exchange &&
           sl_bytes_equal(b->destination, v->arguments[2]);
}

static bool binding_is_between_exchanges(const struct view *v, const void *row)
{
    const struct inspect_binding *b = row;

    return binding_is_from(v, row) && b->to_exchange &&
           is_exchange(v->arguments[2], b->destination);
}

static bool is_exchange(struct sl_bytes argument, struct sl_bytes name)
{
    return name.len == 0 ? sl_bytes_are(argument, DEFAULT_EXCHANGE)
                         : sl_bytes_equal(argument, name);
}

static int compare_bindings(const void *row, const void *other)
{
    const struct inspect_binding *a = row;
    const struct inspect_binding *b = other;
    int order = view_compare_bytes(a->vhost, b->vhost);

    if (order == 0)
        order = view_compare_bytes(a->source, b->source);
    if (order == 0)
        order = view_compare_bytes(a->destination, b->destination);
    return order != 0 ? order : view_compare_bytes(a->key, b->key);
}

static unsigned one_binding(struct view *v,
                            bool (*is_between)(const struct view *v, const void *row))
{
    struct findings_cursor at = {0};
    const struct inspect_binding *b;

    while ((b = findings_next(v->found, INSPECT_BINDINGS, &at)) != NULL) {
        if (!is_between(v, b))
            continue;
        json_t *key = view_properties_key(b->key, b->arguments);
        bool is_that = key != NULL && sl_bytes_are(v->arguments[3], json_string_value(key));
        json_decref(key);
        if (is_that)
            return view_object(v, render_binding(v, b));
    }
    return view_not_found(v);
}

static unsigned list_bindings(struct view *v, bool (*wants)(const struct view *v, const void *row))
{
    struct list_of list = {INSPECT_BINDINGS, wants, render_binding, compare_bindings};

    return view_list(v, &list);
}
