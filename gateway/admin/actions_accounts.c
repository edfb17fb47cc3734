/* actions_accounts.c - users, permissions, limits and virtual hosts are made and unmade. */
#include "gateway/admin/account_json.h"
#include "gateway/admin/actions.h"

#define REASON_BYTES_MAX 512u

static unsigned put(struct action *a, const struct account_change *c, enum sl_err err,
                    const char *why);
static bool is_new(struct action *a, const struct account_change *c);
static struct account_change of_user_in_vhost(const struct action *a, enum record_kind kind);
static unsigned change_limit(struct action *a, bool of_vhost, bool is_cleared);
static unsigned change_limits(struct action *a, struct account_change *c, bool is_cleared);

unsigned act_put_user(struct action *a)
{
    char room[REASON_BYTES_MAX];
    struct text why = text_on(room, sizeof room);
    struct account_change c = {.user = change_keep(a->change, a->view->arguments[0])};

    return put(a, &c, account_read_user(a->change, a->body, &c, &why), room);
}

unsigned act_delete_user(struct action *a)
{
    struct account_change c = {.kind = RECORD_DELETE_USER,
                               .user = change_keep(a->change, a->view->arguments[0])};

    return put(a, &c, SL_OK, NULL);
}

unsigned act_delete_users(struct action *a)
{
    const json_t *users = json_object_get(a->body, "users");

    for (size_t i = 0; i < json_array_size(users); i++) {
        const char *name = json_string_value(json_array_get(users, i));
        struct account_change c = {.kind = RECORD_DELETE_USER};
        if (name == NULL)
            return action_bad_request(a, "users is a list of names");
        c.user = change_keep(a->change, sl_bytes_of(name));
        change_add_account(a->change, 0, &c);
    }
    return json_array_size(users) == 0 ? action_bad_request(a, "users is a list of names") : 0;
}

unsigned act_put_permission(struct action *a)
{
    char room[REASON_BYTES_MAX];
    struct text why = text_on(room, sizeof room);
    struct account_change c = of_user_in_vhost(a, RECORD_PERMISSION);

    return put(a, &c, account_read_permission(a->change, a->body, &c, &why), room);
}

unsigned act_delete_permission(struct action *a)
{
    struct account_change c = of_user_in_vhost(a, RECORD_CLEAR_PERMISSION);

    return put(a, &c, SL_OK, NULL);
}

unsigned act_put_topic_permission(struct action *a)
{
    char room[REASON_BYTES_MAX];
    struct text why = text_on(room, sizeof room);
    struct account_change c = of_user_in_vhost(a, RECORD_TOPIC_PERMISSION);

    return put(a, &c, account_read_topic(a->change, a->body, &c, &why), room);
}

/* Of one exchange, or of all. */
unsigned act_delete_topic_permission(struct action *a)
{
    struct account_change c = of_user_in_vhost(a, RECORD_CLEAR_TOPIC_PERMISSION);

    c.of_all_exchanges = a->view->arguments[2].at == NULL;
    if (!c.of_all_exchanges)
        c.exchange = change_keep(a->change, a->view->arguments[2]);
    return put(a, &c, SL_OK, NULL);
}

unsigned act_put_vhost(struct action *a)
{
    char room[REASON_BYTES_MAX];
    struct text why = text_on(room, sizeof room);
    struct account_change c = {.vhost = change_keep(a->change, a->view->arguments[0])};

    return put(a, &c, account_read_vhost(a->change, a->body, &c, &why), room);
}

unsigned act_delete_vhost(struct action *a)
{
    struct account_change c = {.kind = RECORD_DELETE_VHOST,
                               .vhost = change_keep(a->change, a->view->arguments[0])};

    return put(a, &c, SL_OK, NULL);
}

unsigned act_put_user_limit(struct action *a)
{
    return change_limit(a, false, false);
}

unsigned act_delete_user_limit(struct action *a)
{
    return change_limit(a, false, true);
}

unsigned act_put_vhost_limit(struct action *a)
{
    return change_limit(a, true, false);
}

unsigned act_delete_vhost_limit(struct action *a)
{
    return change_limit(a, true, true);
}

/* Whether there is one of that name only its worker knows. */
unsigned act_close_connection(struct action *a)
{
    broker_close_connection(a->gateway->broker, a->view->arguments[0],
                            "Closed via management plugin");
    return 204;
}

static unsigned put(struct action *a, const struct account_change *c, enum sl_err err,
                    const char *why)
{
    if (err != SL_OK)
        return action_bad_request(a, why);
    a->change->status = is_new(a, c) ? 201 : 204;
    change_add_account(a->change, 0, c);
    return 0;
}

static bool is_new(struct action *a, const struct account_change *c)
{
    struct topology *t = broker_topology(a->gateway->broker);
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    bool is = false;

    topology_lock(t);
    (void)(accounts_check(t->accounts, c, &is, &reason) == SL_OK); /* it is refused later */
    topology_unlock(t);
    return is;
}

static struct account_change of_user_in_vhost(const struct action *a, enum record_kind kind)
{
    return (struct account_change){.kind = kind,
                                   .vhost = change_keep(a->change, a->view->arguments[0]),
                                   .user = change_keep(a->change, a->view->arguments[1])};
}

static unsigned change_limit(struct action *a, bool of_vhost, bool is_cleared)
{
    const struct sl_bytes *arguments = a->view->arguments;
    struct account_change c = {
        .kind = RECORD_ACCOUNT_LIMIT, .of_vhost = of_vhost, .value = LIMIT_NONE};

    *(of_vhost ? &c.vhost : &c.user) = change_keep(a->change, arguments[0]);
    if (arguments[1].at == NULL || (is_cleared && sl_bytes_are(arguments[1], "all")))
        return change_limits(a, &c, is_cleared);
    if (!account_limit_parse(arguments[1], of_vhost, &c.limit))
        return action_bad_request(a, "there is no such limit");
    if (!is_cleared && !account_limit_value(json_object_get(a->body, "value"), &c.value))
        return action_bad_request(a, "value is a whole number; one below 0 is no limit");
    return put(a, &c, SL_OK, NULL);
}

/* Those that the body names, or all. */
static unsigned change_limits(struct action *a, struct account_change *c, bool is_cleared)
{
    const char *name;
    json_t *value;

    for (int i = 0; is_cleared && i < ACCOUNT_LIMITS; i++) {
        c->limit = (enum account_limit)i;
        change_add_account(a->change, 0, c);
    }
    json_object_foreach((json_t *)(uintptr_t)a->body, name, value)
    {
        if (is_cleared)
            break;
        if (!account_limit_parse(sl_bytes_of(name), c->of_vhost, &c->limit) ||
            !account_limit_value(value, &c->value))
            return action_bad_request(a, "limits are whole numbers by name");
        change_add_account(a->change, 0, c);
    }
    return a->change->count == 0 ? action_bad_request(a, "limits are an object") : 0;
}
