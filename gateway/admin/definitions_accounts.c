/* definitions_accounts.c - the part of an import that says who there is, and what has limits. */
#include "gateway/admin/account_json.h"
#include "gateway/admin/definitions_parts.h"

typedef enum sl_err account_reader(struct change *c, const json_t *o, struct account_change *out,
                                   struct text *why);

static bool add(struct import *in, const json_t *o, uint32_t phase, struct account_change *c,
                account_reader *read);
static bool add_limits(struct import *in, const json_t *limits, struct sl_bytes name,
                       bool of_vhost);
static bool add_limit(struct import *in, const char *which, const json_t *value,
                      struct sl_bytes name, bool of_vhost);

bool import_user(struct import *in, const json_t *o)
{
    struct account_change c = {.kind = RECORD_USER};

    return import_name(in, o, "name", &c.user) && add(in, o, PHASE_USERS, &c, account_read_user) &&
           add_limits(in, json_object_get(o, "limits"), c.user, false);
}

bool import_vhost(struct import *in, const json_t *o)
{
    struct account_change c = {.kind = RECORD_VHOST};

    return import_name(in, o, "name", &c.vhost) &&
           add(in, o, PHASE_VHOSTS, &c, account_read_vhost) &&
           add_limits(in, json_object_get(o, "limits"), c.vhost, true);
}

bool import_permission(struct import *in, const json_t *o)
{
    struct account_change c = {.kind = RECORD_PERMISSION};

    return import_vhost_of(in, o, &c.vhost) && import_name(in, o, "user", &c.user) &&
           add(in, o, PHASE_GRANTS, &c, account_read_permission);
}

bool import_topic_permission(struct import *in, const json_t *o)
{
    struct account_change c = {.kind = RECORD_TOPIC_PERMISSION};

    return import_vhost_of(in, o, &c.vhost) && import_name(in, o, "user", &c.user) &&
           add(in, o, PHASE_GRANTS, &c, account_read_topic);
}

/* Limits of virtual hosts and operator policies are parameters to RabbitMQ; others are those of
 * plugins. */
bool import_parameter(struct import *in, const json_t *o)
{
    const json_t *value = json_object_get(o, "value");
    struct sl_bytes component;
    struct sl_bytes vhost;
    struct sl_bytes name;

    if (!import_vhost_of(in, o, &vhost) || !import_name(in, o, "component", &component) ||
        !import_name(in, o, "name", &name))
        return false;
    if (sl_bytes_are(component, "vhost-limits"))
        return add_limits(in, value, vhost, true);
    if (sl_bytes_are(component, "operator_policy"))
        return import_policy(in, value, vhost, name, true);
    import_pass_over(in, "parameters", (const char *)component.at);
    return true;
}

bool import_global_parameter(struct import *in, const json_t *o)
{
    struct sl_bytes name;

    if (!import_name(in, o, "name", &name))
        return false;
    import_pass_over(in, "global_parameters", (const char *)name.at);
    return true;
}

static bool add(struct import *in, const json_t *o, uint32_t phase, struct account_change *c,
                account_reader *read)
{
    struct text why = text_on(in->room, sizeof in->room);

    in->why = in->room;
    if (read(in->change, o, c, &why) != SL_OK)
        return false;
    change_add_account(in->change, phase, c);
    return true;
}

/* An object, or a list of pairs. */
static bool add_limits(struct import *in, const json_t *limits, struct sl_bytes name, bool of_vhost)
{
    const char *which;
    json_t *value;

    for (size_t i = 0; i < json_array_size(limits); i++) {
        const json_t *pair = json_array_get(limits, i);
        if (!add_limit(in, json_string_value(json_array_get(pair, 0)), json_array_get(pair, 1),
                       name, of_vhost))
            return false;
    }
    json_object_foreach((json_t *)(uintptr_t)limits, which, value)
    {
        if (!add_limit(in, which, value, name, of_vhost))
            return false;
    }
    return true;
}

static bool add_limit(struct import *in, const char *which, const json_t *value,
                      struct sl_bytes name, bool of_vhost)
{
    struct account_change c = {.kind = RECORD_ACCOUNT_LIMIT, .of_vhost = of_vhost};

    in->why = "limits are names and whole numbers";
    if (which == NULL)
        return false;
    *(of_vhost ? &c.vhost : &c.user) = name;
    if (!account_limit_parse(sl_bytes_of(which), of_vhost, &c.limit)) {
        import_pass_over(in, "limits", which);
        return true;
    }
    if (!account_limit_value(value, &c.value))
        return false;
    change_add_account(in->change, PHASE_GRANTS, &c);
    return true;
}
