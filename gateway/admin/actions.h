/*
 * actions.h - what a request may change: one row for each method and path.
 *
 * A handler looks at the request and either answers it at once, or gathers the calls that the
 * broker is to carry out (change.h); then the request is answered when all of them are durable.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_ACTIONS_H
#define SLUICE_GATEWAY_ADMIN_ACTIONS_H

#include "gateway/admin/change.h"
#include "gateway/admin/view.h"
#include "gateway/reload.h"

struct action { /* borrowed */
    struct gateway *gateway;
    struct reload *reload;
    struct view *view;  /* with query, arguments and user; and for an answer at once */
    const json_t *body; /* NULL: there was none */
    struct change *change;
};

/* Gives the HTTP status with the view's body written, or 0: the change is to be carried out, and
 * its status is the answer. */
typedef unsigned (*action_handler)(struct action *a);

struct action_route {
    unsigned method;  /* of http_parser: HTTP_PUT, HTTP_POST, HTTP_DELETE */
    const char *path; /* as in routes.h */
    action_handler begin;
};

/* NULL: nothing is there.  The arguments are borrowed from the query. */
const struct action_route *action_find(unsigned method, const struct query *q,
                                       struct sl_bytes arguments[VIEW_ARGUMENTS_MAX]);

/* The change is done: gives the status, with a body that has the reason where it was refused. */
unsigned action_answer(const struct change *c, struct view *v);
unsigned action_bad_request(const struct action *a, const char *reason);

/* A boolean of the body; absent is no.  False: it is something else. */
SL_MUST_CHECK bool action_switch(const struct action *a, const char *name, bool *out);
/* A text of the body; absent is empty.  False: it is something else, or too long for a name. */
SL_MUST_CHECK bool action_name(const struct action *a, const char *name, struct sl_bytes *out);
/* The body's arguments as a table that the change keeps. */
SL_MUST_CHECK bool action_arguments(const struct action *a, struct sl_bytes *out);

/* actions_accounts.c: arguments are the user or virtual host, or virtual host and user */
unsigned act_put_user(struct action *a);
unsigned act_delete_user(struct action *a);
unsigned act_delete_users(struct action *a);
unsigned act_put_permission(struct action *a);
unsigned act_delete_permission(struct action *a);
unsigned act_put_topic_permission(struct action *a);
unsigned act_delete_topic_permission(struct action *a);
unsigned act_put_vhost(struct action *a);
unsigned act_delete_vhost(struct action *a);
unsigned act_put_user_limit(struct action *a); /* and the limit's name */
unsigned act_delete_user_limit(struct action *a);
unsigned act_put_vhost_limit(struct action *a);
unsigned act_delete_vhost_limit(struct action *a);
unsigned act_close_connection(struct action *a); /* its name */

/* actions_routing.c */
unsigned act_put_queue(struct action *a);
unsigned act_delete_queue(struct action *a);
unsigned act_purge_queue(struct action *a);
unsigned act_put_exchange(struct action *a);
unsigned act_delete_exchange(struct action *a);
unsigned act_bind_queue(struct action *a);
unsigned act_bind_exchange(struct action *a);
unsigned act_unbind_queue(struct action *a); /* its properties_key behind the names */
unsigned act_unbind_exchange(struct action *a);
unsigned act_reload(struct action *a);

/* actions_policies.c */
unsigned act_put_policy(struct action *a);
unsigned act_put_operator_policy(struct action *a);
unsigned act_delete_policy(struct action *a);
unsigned act_delete_operator_policy(struct action *a);
unsigned act_import(struct action *a);
unsigned act_import_into_vhost(struct action *a);
/* Reads what JSON says of a policy beyond its names, for the change to keep; d says already whose
 * it is.  False: *why is a literal. */
SL_MUST_CHECK bool action_read_policy(struct change *c, const json_t *o,
                                      struct policy_definition *d, const char **why);

/* actions_prepared.c: arguments are virtual host, user and id */
unsigned act_commit(struct action *a);
unsigned act_rollback(struct action *a);

#endif
