/*
 * routes.h - what is served where: one row for each path.
 */
#ifndef SLUICE_GATEWAY_ADMIN_ROUTES_H
#define SLUICE_GATEWAY_ADMIN_ROUTES_H

#include "gateway/admin/view.h"

enum route_scope {
    ROUTE_OF_ALL,
    ROUTE_OF_VHOST, /* the first argument is a virtual host, which must exist */
    ROUTE_OF_QUEUE, /* and the second a queue */
};

struct admin_route {
    const char *path; /* below /api/; ":" is an argument */
    enum route_scope scope;
    unsigned needs; /* bits of NEEDS */
    view_handler view;
};

#define ROUTE_METHODS "GET, HEAD, PUT, POST, DELETE, OPTIONS"

/* Is that the path?  Gives its arguments. */
bool route_matches(const char *path, const struct query *q, struct sl_bytes *arguments);
/* NULL: nothing is there.  The arguments are borrowed from the query. */
const struct admin_route *route_find(const struct query *q,
                                     struct sl_bytes arguments[VIEW_ARGUMENTS_MAX]);

#endif
