/*
 * views.h - the handlers of routes.c: paths and fields of RabbitMQ's HTTP API.
 *
 * A field that is not known here is left out, not made up.
 */
#ifndef SLUICE_GATEWAY_ADMIN_VIEWS_H
#define SLUICE_GATEWAY_ADMIN_VIEWS_H

#include "core/policy.h"
#include "gateway/admin/view.h"

/* views_overview.c */
unsigned view_overview(struct view *v);
unsigned view_cluster_name(struct view *v);
unsigned view_nodes(struct view *v);
unsigned view_node(struct view *v);
unsigned view_whoami(struct view *v);
unsigned view_vhosts(struct view *v);
unsigned view_vhost(struct view *v);

/* views_accounts.c: the user or virtual host; or virtual host and user */
unsigned view_users(struct view *v);
unsigned view_users_without_permissions(struct view *v);
unsigned view_user(struct view *v);
unsigned view_permissions(struct view *v);
unsigned view_permissions_of_vhost(struct view *v);
unsigned view_permissions_of_user(struct view *v);
unsigned view_permission(struct view *v);
unsigned view_topic_permissions(struct view *v);
unsigned view_topic_permissions_of_vhost(struct view *v);
unsigned view_topic_permissions_of_user(struct view *v);
unsigned view_topic_permission(struct view *v);
unsigned view_user_limits(struct view *v);
unsigned view_vhost_limits(struct view *v);

/* views_queues.c: arguments are virtual host and queue */
unsigned view_queues(struct view *v);
unsigned view_queue(struct view *v);

/* views_clusters.c: cluster queues, by topic and ClusterID; of the virtual host, if there is one */
unsigned view_clusters(struct view *v);
/* What the name of a cluster queue says, for other views. */
json_t *view_render_cluster(const struct inspect_queue *q);

/* views_routing.c: arguments are virtual host and exchange, or as said */
unsigned view_exchanges(struct view *v);
unsigned view_exchange(struct view *v);
unsigned view_bindings(struct view *v);
unsigned view_bindings_of_queue(struct view *v); /* virtual host, queue */
unsigned view_bindings_from(struct view *v);
unsigned view_bindings_to(struct view *v);
unsigned view_bindings_between(struct view *v);           /* virtual host, exchange, queue */
unsigned view_bindings_between_exchanges(struct view *v); /* virtual host, source, destination */
unsigned view_binding(struct view *v);                    /* and properties_key */
unsigned view_binding_of_exchanges(struct view *v);

/* views_policies.c: arguments are virtual host and policy */
unsigned view_policies(struct view *v);
unsigned view_policy(struct view *v);
unsigned view_operator_policies(struct view *v);
unsigned view_operator_policy(struct view *v);
json_t *view_render_policy(const struct policy_definition *d);

/* views_sessions.c */
unsigned view_connections(struct view *v);
unsigned view_connections_of_user(struct view *v);
unsigned view_connections_of_vhost(struct view *v);
unsigned view_connection(struct view *v);
unsigned view_channels(struct view *v);
unsigned view_channels_of_vhost(struct view *v);
unsigned view_channels_of_connection(struct view *v);
unsigned view_channel(struct view *v);
unsigned view_consumers(struct view *v);
unsigned view_consumers_of_vhost(struct view *v);

/* views_prepared.c */
unsigned view_prepared(struct view *v);

/* What policies make of a row: policy, operator_policy, effective_policy_definition. */
void view_put_policies(json_t *o, struct sl_bytes policy, struct sl_bytes by_operator,
                       struct sl_bytes keys);
/* For other views: the consumer as it is listed, and the connection's name and addresses. */
json_t *view_render_consumer(const struct view *v, const void *row);
json_t *view_render_address(const struct described_session *s);
/* Enters the described_tag rows into v->seen by their key, or the connections by handle. */
void view_see_tags(struct view *v);
void view_see_connections(struct view *v);

/* Of a binding, as one word of a path: "~" for neither key nor arguments, the key quoted, and
 * behind a "~" of its own a hash of the arguments. */
json_t *view_properties_key(struct sl_bytes key, struct sl_bytes arguments);

#endif
