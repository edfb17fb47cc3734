/* definitions_import.c - the part of definitions.h that reads. */
#include "gateway/admin/definitions.h"

#include "core/base/limits.h"
#include "core/cluster_name.h"
#include "gateway/admin/actions.h"
#include "gateway/admin/definitions_parts.h"
#include "gateway/admin/json_table.h"

#include <stdlib.h>

struct section {
    const char *name;
    const char *const *fields; /* that are read, or need not be; NULL: it is passed over */
    bool (*read)(struct import *in, const json_t *o);
};

static bool read_policy(struct import *in, const json_t *o);
static bool read_operator_policy(struct import *in, const json_t *o);
static bool read_queue(struct import *in, const json_t *o);
static bool is_cluster_queue(struct sl_bytes name);
static bool read_exchange(struct import *in, const json_t *o);
static bool read_binding(struct import *in, const json_t *o);

static enum sl_err read_section(struct import *in, const struct section *s, const json_t *list,
                                struct text *why);
static void note_unknown_fields(struct import *in, const struct section *s, const json_t *o);
static void note_unknown_sections(struct import *in, const json_t *root);
static bool is_listed(const char *list, const char *name);
static bool is_among(const char *name, const char *const *names);
static bool add_policy(struct import *in, const json_t *o, bool is_operator);
static bool truth_of(struct import *in, const json_t *o, const char *field, bool otherwise,
                     bool *out);
static bool arguments_of(struct import *in, const json_t *o, const json_t *type,
                         struct sl_bytes *out);

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* In the order in which they are carried out. */
static const struct section SECTIONS[] = {
    {"vhosts",
     FIELDS("name", "description", "tags", "metadata", "tracing", "default_queue_type", "limits"),
     import_vhost},
    {"users",
     FIELDS("name", "password_hash", "hashing_algorithm", "scrypt_hash", "tags", "limits",
            "cluster_id"),
     import_user},
    {"permissions", FIELDS("user", "vhost", "configure", "write", "read"), import_permission},
    {"topic_permissions", FIELDS("user", "vhost", "exchange", "write", "read"),
     import_topic_permission},
    {"parameters", FIELDS("vhost", "component", "name", "value"), import_parameter},
    {"global_parameters", FIELDS("name", "value"), import_global_parameter},
    {"policies", FIELDS("vhost", "name", "pattern", "apply-to", "definition", "priority"),
     read_policy},
    {"operator_policies", FIELDS("vhost", "name", "pattern", "apply-to", "definition", "priority"),
     read_operator_policy},
    {"exchanges",
     FIELDS("vhost", "name", "type", "durable", "auto_delete", "internal", "arguments"),
     read_exchange},
    {"queues", FIELDS("vhost", "name", "type", "durable", "auto_delete", "arguments"), read_queue},
    {"bindings",
     FIELDS("vhost", "source", "destination", "destination_type", "routing_key", "arguments",
            "properties_key"),
     read_binding},
};
#define SECTIONS_COUNT (sizeof SECTIONS / sizeof *SECTIONS)

/* Who wrote it, when and why. */
static const char *const REMARKS[] = {"rabbit_version",
                                      "rabbitmq_version",
                                      "product_name",
                                      "product_version",
                                      "rabbitmq_definition_format",
                                      "original_cluster_name",
                                      "original_vhost_name",
                                      "explanation",
                                      "description",
                                      "metadata",
                                      "default_queue_type",
                                      NULL};

enum sl_err definitions_import(struct change *c, const json_t *root, struct sl_bytes vhost,
                               struct text *passed_over, struct text *why)
{
    struct import in = {.change = c, .vhost = vhost, .passed_over = passed_over};

    if (vhost.at != NULL)
        in.vhost = change_keep(c, vhost); /* who asks may leave before it is carried out */
    if (!json_is_object(root)) {
        text_add(why, "definitions are an object of sections");
        return SL_ESYNTAX;
    }
    for (size_t i = 0; i < SECTIONS_COUNT; i++) {
        const json_t *list = json_object_get(root, SECTIONS[i].name);
        if (list != NULL)
            SL_TRY(read_section(&in, &SECTIONS[i], list, why));
    }
    note_unknown_sections(&in, root);
    change_sort(c);
    c->tells_which = true;
    return SL_OK;
}

static enum sl_err read_section(struct import *in, const struct section *s, const json_t *list,
                                struct text *why)
{
    if (!json_is_array(list)) {
        text_add(why, "%s is not a list", s->name);
        return SL_ESYNTAX;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const json_t *name = json_object_get(o, "name");

        in->why = "it is not an object";
        if (json_is_object(o) && s->read(in, o)) {
            note_unknown_fields(in, s, o);
            continue;
        }
        text_add(why, "%s[%zu]", s->name, i);
        if (json_is_string(name)) {
            text_add(why, " '");
            text_add_bytes(why, sl_bytes_of(json_string_value(name)));
            text_add(why, "'");
        }
        text_add(why, ": %s", in->why);
        return SL_ESYNTAX;
    }
    return SL_OK;
}

static void note_unknown_fields(struct import *in, const struct section *s, const json_t *o)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)o, name, value)
    {
        if (!is_among(name, s->fields))
            import_pass_over(in, s->name, name);
    }
}

static void note_unknown_sections(struct import *in, const json_t *root)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)root, name, value)
    {
        bool is_known = is_among(name, REMARKS);
        for (size_t i = 0; i < SECTIONS_COUNT && !is_known; i++)
            is_known = strcmp(name, SECTIONS[i].name) == 0;
        if (!is_known && json_array_size(value) + json_object_size(value) != 0)
            import_pass_over(in, name, NULL);
    }
}

/* Each name once. */
void import_pass_over(struct import *in, const char *section, const char *field)
{
    char room[128];
    struct text name = text_on(room, sizeof room);

    text_add_bytes(&name, sl_bytes_of(section));
    if (field != NULL) {
        text_add(&name, ".");
        text_add_bytes(&name, sl_bytes_of(field));
    }
    if (is_listed(in->passed_over->at, room))
        return;
    text_add(in->passed_over, "%s%s", in->passed_over->len == 0 ? "" : ",", room);
}

/* Between commas. */
static bool is_listed(const char *list, const char *name)
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        if (len == strlen(name) && memcmp(list, name, len) == 0)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

static bool is_among(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bool read_policy(struct import *in, const json_t *o)
{
    return add_policy(in, o, false);
}

static bool read_operator_policy(struct import *in, const json_t *o)
{
    return add_policy(in, o, true);
}

static bool read_queue(struct import *in, const json_t *o)
{
    struct queue_declaration d = {.is_passive = false};
    struct sl_bytes vhost;

    if (!import_vhost_of(in, o, &vhost) || !import_name(in, o, "name", &d.name) ||
        !truth_of(in, o, "durable", true, &d.is_durable) ||
        !truth_of(in, o, "auto_delete", false, &d.is_auto_delete) ||
        !arguments_of(in, o, json_object_get(o, "type"), &d.arguments))
        return false;
    in->why = "it has no name";
    if (d.name.len == 0)
        return false;
    d.may_be_reserved = sl_bytes_begin(d.name, "amq."); /* a broker made it up */
    d.is_cluster = d.is_durable && !d.is_auto_delete && is_cluster_queue(d.name);
    change_add(in->change, CHANGE_DECLARE_QUEUE, PHASE_DECLARE, vhost)->queue = d;
    return true;
}

/* By its own name, also where clients may not name one that way. */
static bool is_cluster_queue(struct sl_bytes name)
{
    char room[128];
    struct text ignored = text_on(room, sizeof room);
    struct cluster_name read;

    return cluster_name_read(name, &read, &ignored) == SL_OK && sl_bytes_equal(name, read.own);
}

static bool read_exchange(struct import *in, const json_t *o)
{
    struct exchange_declaration d = {.is_passive = false};
    struct sl_bytes vhost;

    if (!import_vhost_of(in, o, &vhost) || !import_name(in, o, "name", &d.name) ||
        !import_name(in, o, "type", &d.type) || !truth_of(in, o, "durable", true, &d.is_durable) ||
        !truth_of(in, o, "auto_delete", false, &d.is_auto_delete) ||
        !truth_of(in, o, "internal", false, &d.is_internal) ||
        !arguments_of(in, o, NULL, &d.arguments))
        return false;
    if (d.name.len != 0) /* the default one is always there */
        change_add(in->change, CHANGE_DECLARE_EXCHANGE, PHASE_DECLARE, vhost)->exchange = d;
    return true;
}

static bool read_binding(struct import *in, const json_t *o)
{
    const json_t *type = json_object_get(o, "destination_type");
    struct binding_request r = {.to_exchange = false};
    struct sl_bytes vhost;

    if (!import_vhost_of(in, o, &vhost) || !import_name(in, o, "source", &r.source) ||
        !import_name(in, o, "destination", &r.destination) ||
        !import_name(in, o, "routing_key", &r.key) || !arguments_of(in, o, NULL, &r.arguments))
        return false;
    in->why = "destination_type is queue or exchange";
    if (!json_is_string(type))
        return false;
    r.to_exchange = strcmp(json_string_value(type), "exchange") == 0;
    if (!r.to_exchange && strcmp(json_string_value(type), "queue") != 0)
        return false;
    if (r.source.len != 0) /* every queue is bound to the default exchange */
        change_add(in->change, CHANGE_BIND, PHASE_BIND, vhost)->binding = r;
    return true;
}

static bool add_policy(struct import *in, const json_t *o, bool is_operator)
{
    struct sl_bytes vhost;
    struct sl_bytes name;

    return import_vhost_of(in, o, &vhost) && import_name(in, o, "name", &name) &&
           import_policy(in, o, vhost, name, is_operator);
}

bool import_policy(struct import *in, const json_t *o, struct sl_bytes vhost, struct sl_bytes name,
                   bool is_operator)
{
    struct policy_definition d = {.name = name, .is_operator = is_operator};

    if (!action_read_policy(in->change, o, &d, &in->why))
        return false;
    struct change_call *call = change_add(in->change, CHANGE_SET_POLICY, PHASE_POLICIES, vhost);
    d.vhost = call->vhost;
    call->policy = d;
    return true;
}

bool import_vhost_of(struct import *in, const json_t *o, struct sl_bytes *out)
{
    *out = in->vhost;
    return in->vhost.at != NULL || import_name(in, o, "vhost", out);
}

bool import_name(struct import *in, const json_t *o, const char *field, struct sl_bytes *out)
{
    const json_t *value = json_object_get(o, field);

    struct text why = text_on(in->room, sizeof in->room);

    text_add(&why, "%s is a text of at most 255 bytes", field);
    in->why = in->room;
    if (!json_is_string(value) || json_string_length(value) > SL_NAME_BYTES_MAX)
        return false;
    *out = change_keep(in->change, (struct sl_bytes){(const uint8_t *)json_string_value(value),
                                                     json_string_length(value)});
    return true;
}

static bool truth_of(struct import *in, const json_t *o, const char *field, bool otherwise,
                     bool *out)
{
    const json_t *value = json_object_get(o, field);

    in->why = "durable, auto_delete and internal are true or false";
    *out = value == NULL ? otherwise : json_is_true(value);
    return value == NULL || json_is_boolean(value);
}

/* type: of a queue, where its arguments do not say it. */
static bool arguments_of(struct import *in, const json_t *o, const json_t *type,
                         struct sl_bytes *out)
{
    json_t *arguments = json_copy(json_object_get(o, "arguments"));
    struct sl_buffer table;

    in->why = "arguments is an object of arguments";
    if (arguments == NULL)
        arguments = json_object();
    if (json_is_string(type) && strcmp(json_string_value(type), "classic") != 0 &&
        json_object_get(arguments, "x-queue-type") == NULL)
        (void)json_object_set(arguments, "x-queue-type", (json_t *)(uintptr_t)type);
    sl_buffer_init(&table, JSON_TABLE_BYTES_MAX);
    bool is_good = json_to_table(arguments, &table) == SL_OK;
    if (is_good)
        *out = change_keep(in->change, sl_buffer_bytes(&table));
    sl_buffer_deinit(&table);
    json_decref(arguments);
    return is_good;
}
