/* definitions_export.c - the part of definitions.h that writes: what survives a restart. */
#include "gateway/admin/definitions.h"

#include "core/base/log.h"
#include "core/exchange.h"
#include "core/table.h"
#include "gateway/admin/account_json.h"
#include "gateway/admin/views.h"

#include <stdlib.h>

static unsigned export(struct view *v);
static void put_remarks(json_t *root, const struct view *v);
static void put_accounts(json_t *root, const struct view *v);
static void note_scrypt(const struct user *u, struct text *to);
static json_t *policies(const struct view *v);
static json_t *parameters(const struct view *v);
static void add_parameter(const struct view *v, json_t *list, const char *component,
                          struct sl_bytes vhost, json_t *name, json_t *value);
static json_t *queues(struct view *v);
static json_t *exchanges(struct view *v);
static json_t *bindings(const struct view *v);
static json_t *vhosts(const struct view *v);
static bool is_in(const struct view *v, struct sl_bytes vhost);
static void see(struct view *v, char kind, struct sl_bytes vhost, struct sl_bytes name);
static bool is_seen(const struct view *v, char kind, struct sl_bytes vhost, struct sl_bytes name);
static void put_vhost(json_t *o, const struct view *v, struct sl_bytes vhost);
static void forget_seen(struct view *v);

struct seen { /* the name of what is written, for the bindings */
    size_t len;
    uint8_t key[];
};

#define KEY_BYTES_MAX (1 + 1 + 255 + 255)

unsigned view_definitions(struct view *v)
{
    return export(v);
}

unsigned view_definitions_of_vhost(struct view *v)
{
    return export(v);
}

static unsigned export(struct view *v)
{
    json_t *root = json_object();

    put_remarks(root, v);
    if (v->arguments[0].at == NULL)
        put_accounts(root, v);
    json_put(root, "parameters", parameters(v));
    json_put(root, "policies", policies(v));
    json_put(root, "exchanges", exchanges(v));
    json_put(root, "queues", queues(v));
    json_put(root, "bindings", bindings(v));
    forget_seen(v);
    return view_object(v, root);
}

static void put_remarks(json_t *root, const struct view *v)
{
    json_put(root, "rabbit_version", json_string(v->facts->server_version));
    json_put(root, "rabbitmq_version", json_string(v->facts->server_version));
    json_put(root, "product_name", json_string("Sluice"));
    json_put(root, "product_version", json_string(SLUICE_VERSION));
}

static json_t *vhosts(const struct view *v)
{
    json_t *list = json_array();
    const struct vhost *vhost;
    size_t cursor = 0;

    topology_lock(v->topology);
    while ((vhost = hash_map_next(&v->topology->vhosts, &cursor)) != NULL) {
        json_t *o = json_object();
        json_put(o, "name", json_of_bytes(vhost->name));
        account_put_vhost(o, vhost);
        (void)json_array_append_new(list, o);
    }
    topology_unlock(v->topology);
    return list;
}

static void put_accounts(json_t *root, const struct view *v)
{
    json_t *users = json_array();
    json_t *permissions = json_array();
    json_t *topics = json_array();
    struct topic_grant *topic;
    struct user *u;
    size_t cursor = 0;
    char room[1024];
    struct text ours = text_on(room, sizeof room);

    topology_lock(v->topology);
    while ((u = hash_map_next(&v->topology->accounts->users, &cursor)) != NULL) {
        struct grant *g;
        size_t at = 0;
        note_scrypt(u, &ours);
        (void)json_array_append_new(users, account_json_user(u));
        while ((g = hash_map_next(&u->grants, &at)) != NULL) {
            if (g->has_permission)
                (void)json_array_append_new(permissions, account_json_permission(g));
            for (topic = g->topics; topic != NULL; topic = topic->next)
                (void)json_array_append_new(topics, account_json_topic(g, topic));
        }
    }
    topology_unlock(v->topology);
    if (ours.len != 0) {
        json_put(root, "explanation", json_string(room));
        sl_log_peer(SL_LOG_WARN, "definitions.scrypt", "users=\"%s\"", room);
    }
    json_put(root, "users", users);
    json_put(root, "vhosts", vhosts(v));
    json_put(root, "permissions", permissions);
    json_put(root, "topic_permissions", topics);
}

/* RabbitMQ cannot read our hashes, so to it these users have no password. */
static void note_scrypt(const struct user *u, struct text *to)
{
    if (u->password.form != PASSWORD_SCRYPT)
        return;
    text_add(to, to->len == 0 ? "RabbitMQ cannot read the passwords of: " : ", ");
    text_add_bytes(to, u->name);
}

/* What RabbitMQ keeps as parameters. */
static json_t *parameters(const struct view *v)
{
    json_t *list = json_array();
    const struct vhost *vhost;
    size_t cursor = 0;

    topology_lock(v->topology);
    while ((vhost = hash_map_next(&v->topology->vhosts, &cursor)) != NULL) {
        json_t *limits = account_json_vhost_limits(vhost);
        if (is_in(v, vhost->name) && json_object_size(limits) != 0)
            add_parameter(v, list, "vhost-limits", vhost->name, json_string("limits"),
                          json_incref(limits));
        json_decref(limits);
    }
    for (size_t i = 0; i < v->topology->policies.count; i++) {
        const struct policy_definition *d = &v->topology->policies.at[i]->is;
        if (!d->is_operator || !is_in(v, d->vhost))
            continue;
        json_t *value = view_render_policy(d);
        (void)json_object_del(value, "vhost");
        (void)json_object_del(value, "name");
        add_parameter(v, list, "operator_policy", d->vhost, json_of_bytes(d->name), value);
    }
    topology_unlock(v->topology);
    return list;
}

/* Takes name and value. */
static void add_parameter(const struct view *v, json_t *list, const char *component,
                          struct sl_bytes vhost, json_t *name, json_t *value)
{
    json_t *o = json_object();

    json_put(o, "component", json_string(component));
    put_vhost(o, v, vhost);
    json_put(o, "name", name);
    json_put(o, "value", value);
    (void)json_array_append_new(list, o);
}

static json_t *policies(const struct view *v)
{
    json_t *list = json_array();

    topology_lock(v->topology);
    for (size_t i = 0; i < v->topology->policies.count; i++) {
        const struct policy_definition *d = &v->topology->policies.at[i]->is;
        if (d->is_operator || !is_in(v, d->vhost))
            continue;
        json_t *o = view_render_policy(d);
        if (v->arguments[0].at != NULL)
            (void)json_object_del(o, "vhost");
        (void)json_array_append_new(list, o);
    }
    topology_unlock(v->topology);
    return list;
}

static json_t *exchanges(struct view *v)
{
    json_t *list = json_array();
    struct findings_cursor at = {0};
    const struct inspect_exchange *e;

    while ((e = findings_next(v->found, INSPECT_EXCHANGES, &at)) != NULL) {
        if (!is_in(v, e->vhost) || !e->is_durable)
            continue;
        see(v, 'e', e->vhost, e->name);
        if (e->name.len == 0 || sl_bytes_begin(e->name, "amq."))
            continue;
        json_t *o = json_object();
        json_put(o, "name", json_of_bytes(e->name));
        put_vhost(o, v, e->vhost);
        json_put(o, "type", json_string(exchange_type_name(e->type)));
        json_put(o, "durable", json_true());
        json_put(o, "auto_delete", json_boolean(e->is_auto_delete));
        json_put(o, "internal", json_boolean(e->is_internal));
        json_put(o, "arguments", json_of_table(e->arguments));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *queues(struct view *v)
{
    json_t *list = json_array();
    struct findings_cursor at = {0};
    const struct inspect_queue *q;

    while ((q = findings_next(v->found, INSPECT_QUEUES, &at)) != NULL) {
        struct table_value type;
        struct sl_bytes word = SL_BYTES_LITERAL("classic");
        if (!is_in(v, q->vhost) || !q->is_durable || q->is_exclusive)
            continue;
        see(v, 'q', q->vhost, q->name);
        if (table_find(q->arguments, "x-queue-type", &type))
            (void)table_value_string(type, &word);
        json_t *o = json_object();
        json_put(o, "name", json_of_bytes(q->name));
        put_vhost(o, v, q->vhost);
        json_put(o, "type", json_of_bytes(word));
        json_put(o, "durable", json_true());
        json_put(o, "auto_delete", json_boolean(q->is_auto_delete));
        json_put(o, "arguments", json_of_table(q->arguments));
        (void)json_array_append_new(list, o);
    }
    return list;
}

/* Those whose both ends are written. */
static json_t *bindings(const struct view *v)
{
    json_t *list = json_array();
    struct findings_cursor at = {0};
    const struct inspect_binding *b;

    while ((b = findings_next(v->found, INSPECT_BINDINGS, &at)) != NULL) {
        if (!is_in(v, b->vhost) || b->source.len == 0 || !is_seen(v, 'e', b->vhost, b->source) ||
            !is_seen(v, b->to_exchange ? 'e' : 'q', b->vhost, b->destination))
            continue;
        json_t *o = json_object();
        json_put(o, "source", json_of_bytes(b->source));
        put_vhost(o, v, b->vhost);
        json_put(o, "destination", json_of_bytes(b->destination));
        json_put(o, "destination_type", json_string(b->to_exchange ? "exchange" : "queue"));
        json_put(o, "routing_key", json_of_bytes(b->key));
        json_put(o, "arguments", json_of_table(b->arguments));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static bool is_in(const struct view *v, struct sl_bytes vhost)
{
    return v->arguments[0].at == NULL || sl_bytes_equal(vhost, v->arguments[0]);
}

/* What one virtual host defines is to be put into any. */
static void put_vhost(json_t *o, const struct view *v, struct sl_bytes vhost)
{
    if (v->arguments[0].at == NULL)
        json_put(o, "vhost", json_of_bytes(vhost));
}

static struct sl_bytes write_key(uint8_t room[KEY_BYTES_MAX], char kind, struct sl_bytes vhost,
                                 struct sl_bytes name)
{
    struct sl_writer w = {room, room + KEY_BYTES_MAX, false};

    sl_write_u8(&w, (uint8_t)kind);
    sl_write_short_string(&w, vhost);
    sl_write_bytes(&w, name);
    return (struct sl_bytes){room, (size_t)(w.pos - room)};
}

static void see(struct view *v, char kind, struct sl_bytes vhost, struct sl_bytes name)
{
    uint8_t room[KEY_BYTES_MAX];
    struct sl_bytes key = write_key(room, kind, vhost, name);
    struct seen *s = malloc(sizeof *s + key.len);

    if (s == NULL)
        return; /* then its bindings are not written, and the answer is short of memory anyway */
    s->len = key.len;
    memcpy(s->key, key.at, key.len);
    if (hash_map_put(&v->seen, (struct sl_bytes){s->key, s->len}, s) != SL_OK)
        free(s);
}

static bool is_seen(const struct view *v, char kind, struct sl_bytes vhost, struct sl_bytes name)
{
    uint8_t room[KEY_BYTES_MAX];

    return hash_map_get(&v->seen, write_key(room, kind, vhost, name)) != NULL;
}

static void forget_seen(struct view *v)
{
    struct seen *s;
    size_t cursor = 0;

    while ((s = hash_map_next(&v->seen, &cursor)) != NULL)
        free(s);
    hash_map_deinit(&v->seen);
}
