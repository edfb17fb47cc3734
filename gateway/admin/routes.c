#include "gateway/admin/routes.h"

#include "gateway/admin/definitions.h"
#include "gateway/admin/views.h"

#define OVERVIEW NEEDS(TOTALS) | NEEDS(CONNECTIONS) | NEEDS(EXCHANGES)
#define QUEUES NEEDS(QUEUES) | NEEDS(CONNECTIONS)
#define CONSUMERS NEEDS(CONSUMERS) | NEEDS(TAGS)

static const struct admin_route ROUTES[] = {
    {"overview", ROUTE_OF_ALL, OVERVIEW, view_overview},
    {"cluster-name", ROUTE_OF_ALL, 0, view_cluster_name},
    {"nodes", ROUTE_OF_ALL, 0, view_nodes},
    {"nodes/:", ROUTE_OF_ALL, 0, view_node},
    {"whoami", ROUTE_OF_ALL, 0, view_whoami},

    {"vhosts", ROUTE_OF_ALL, NEEDS(VHOSTS) | NEEDS(QUEUES), view_vhosts},
    {"vhosts/:", ROUTE_OF_VHOST, NEEDS(VHOSTS) | NEEDS(QUEUES), view_vhost},
    {"vhosts/:/connections", ROUTE_OF_VHOST, NEEDS(CONNECTIONS), view_connections_of_vhost},
    {"vhosts/:/channels", ROUTE_OF_VHOST, NEEDS(CHANNELS), view_channels_of_vhost},

    {"vhosts/:/permissions", ROUTE_OF_VHOST, 0, view_permissions_of_vhost},
    {"vhosts/:/topic-permissions", ROUTE_OF_VHOST, 0, view_topic_permissions_of_vhost},

    {"users", ROUTE_OF_ALL, 0, view_users},
    {"users/without-permissions", ROUTE_OF_ALL, 0, view_users_without_permissions},
    {"users/:", ROUTE_OF_ALL, 0, view_user},
    {"users/:/permissions", ROUTE_OF_ALL, 0, view_permissions_of_user},
    {"users/:/topic-permissions", ROUTE_OF_ALL, 0, view_topic_permissions_of_user},
    {"permissions", ROUTE_OF_ALL, 0, view_permissions},
    {"permissions/:/:", ROUTE_OF_VHOST, 0, view_permission},
    {"topic-permissions", ROUTE_OF_ALL, 0, view_topic_permissions},
    {"topic-permissions/:/:", ROUTE_OF_VHOST, 0, view_topic_permission},
    {"user-limits", ROUTE_OF_ALL, 0, view_user_limits},
    {"user-limits/:", ROUTE_OF_ALL, 0, view_user_limits},
    {"vhost-limits", ROUTE_OF_ALL, 0, view_vhost_limits},
    {"vhost-limits/:", ROUTE_OF_VHOST, 0, view_vhost_limits},

    {"queues", ROUTE_OF_ALL, QUEUES, view_queues},
    {"queues/:", ROUTE_OF_VHOST, QUEUES, view_queues},
    {"queues/:/:", ROUTE_OF_QUEUE, QUEUES | CONSUMERS, view_queue},
    {"queues/:/:/bindings", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_bindings_of_queue},

    {"clusters", ROUTE_OF_ALL, NEEDS(QUEUES), view_clusters},
    {"clusters/:", ROUTE_OF_VHOST, NEEDS(QUEUES), view_clusters},

    {"exchanges", ROUTE_OF_ALL, NEEDS(EXCHANGES), view_exchanges},
    {"exchanges/:", ROUTE_OF_VHOST, NEEDS(EXCHANGES), view_exchanges},
    {"exchanges/:/:", ROUTE_OF_VHOST, NEEDS(EXCHANGES), view_exchange},
    {"exchanges/:/:/bindings/source", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_bindings_from},
    {"exchanges/:/:/bindings/destination", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_bindings_to},

    {"bindings", ROUTE_OF_ALL, NEEDS(BINDINGS), view_bindings},
    {"bindings/:", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_bindings},
    {"bindings/:/e/:/q/:", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_bindings_between},
    {"bindings/:/e/:/e/:", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_bindings_between_exchanges},
    {"bindings/:/e/:/q/:/:", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_binding},
    {"bindings/:/e/:/e/:/:", ROUTE_OF_VHOST, NEEDS(BINDINGS), view_binding_of_exchanges},

    {"definitions", ROUTE_OF_ALL, DEFINITIONS_NEEDS, view_definitions},
    {"definitions/:", ROUTE_OF_VHOST, DEFINITIONS_NEEDS, view_definitions_of_vhost},
    {"policies", ROUTE_OF_ALL, 0, view_policies},
    {"policies/:", ROUTE_OF_VHOST, 0, view_policies},
    {"policies/:/:", ROUTE_OF_VHOST, 0, view_policy},
    {"operator-policies", ROUTE_OF_ALL, 0, view_operator_policies},
    {"operator-policies/:", ROUTE_OF_VHOST, 0, view_operator_policies},
    {"operator-policies/:/:", ROUTE_OF_VHOST, 0, view_operator_policy},

    {"connections", ROUTE_OF_ALL, NEEDS(CONNECTIONS), view_connections},
    {"connections/username/:", ROUTE_OF_ALL, NEEDS(CONNECTIONS), view_connections_of_user},
    {"connections/:", ROUTE_OF_ALL, NEEDS(CONNECTIONS), view_connection},
    {"connections/:/channels", ROUTE_OF_ALL, NEEDS(CONNECTIONS) | NEEDS(CHANNELS),
     view_channels_of_connection},
    {"channels", ROUTE_OF_ALL, NEEDS(CHANNELS), view_channels},
    {"channels/:", ROUTE_OF_ALL, NEEDS(CHANNELS), view_channel},
    {"prepared", ROUTE_OF_ALL, NEEDS(PREPARED), view_prepared},
    {"prepared/:", ROUTE_OF_VHOST, NEEDS(PREPARED), view_prepared},
    {"consumers", ROUTE_OF_ALL, CONSUMERS, view_consumers},
    {"consumers/:", ROUTE_OF_VHOST, CONSUMERS, view_consumers_of_vhost},
};

const struct admin_route *route_find(const struct query *q,
                                     struct sl_bytes arguments[VIEW_ARGUMENTS_MAX])
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        memset(arguments, 0, VIEW_ARGUMENTS_MAX * sizeof *arguments);
        if (route_matches(ROUTES[i].path, q, arguments))
            return &ROUTES[i];
    }
    return NULL;
}

bool route_matches(const char *path, const struct query *q, struct sl_bytes *arguments)
{
    size_t at = 1;

    if (q->segments_count == 0 || !sl_bytes_are(q->segments[0], "api"))
        return false;
    for (; *path != '\0'; at++) {
        size_t len = strcspn(path, "/");
        struct sl_bytes word = {(const uint8_t *)path, len};

        if (at == q->segments_count)
            return false;
        if (len == 1 && *path == ':')
            *arguments++ = q->segments[at];
        else if (!sl_bytes_equal(word, q->segments[at]))
            return false;
        path += len + (path[len] == '/');
    }
    return at == q->segments_count;
}
