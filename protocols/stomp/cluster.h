/*
 * cluster.h - what a STOMP client's ClusterID makes of its subscriptions (SEMANTICS 2).
 *
 * The frame says it in its destination (/topic/PATTERN@ID, or as ActiveMQ does) or in a header
 * cluster-id; else the connection does, by the same header on CONNECT, or the account.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_CLUSTER_H
#define SLUICE_PROTOCOLS_STOMP_CLUSTER_H

#include "core/cluster_name.h"
#include "protocols/stomp/destination.h"

struct stomp_frame;
struct stomp_headers;
struct stomp_session;

enum stomp_cluster {
    STOMP_NO_CLUSTER,
    STOMP_CLUSTER,
    STOMP_CLUSTER_REFUSED /* which was answered */
};

/* Which cluster queue the SUBSCRIBE means, if any.  Takes the ClusterID out of what d says, and
 * the escapes that only this form has. */
enum stomp_cluster stomp_cluster_of_subscribe(struct stomp_session *s, const struct stomp_frame *f,
                                              struct stomp_destination *d,
                                              struct cluster_name *out);

/* Where d is a queue said as ActiveMQ's virtual topics have them, its key becomes the cluster
 * queue's own name.  False: it cannot be one, which was answered. */
bool stomp_cluster_resolve_queue(struct stomp_session *s, const struct stomp_frame *f,
                                 struct stomp_destination *d);

/* Reads the header of CONNECT.  False: it is bad, which was answered. */
bool stomp_cluster_of_connection(struct stomp_session *s, const struct stomp_headers *h);

#endif
