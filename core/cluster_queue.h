/*
 * cluster_queue.h - topic between clusters, queue within a cluster (SEMANTICS 2): what a name
 * means to a client, what it may do with the queue, and how a shard makes one.
 *
 * The facade resolves every queue's name by itself.  A front end asks only for what it decides:
 * whether a subscription means a cluster queue, which it then declares (is_cluster, with the own
 * name) before it consumes.
 */
#ifndef SLUICE_CORE_CLUSTER_QUEUE_H
#define SLUICE_CORE_CLUSTER_QUEUE_H

#include "core/client.h"
#include "core/cluster_name.h"

struct queue;
struct reminder;
struct shard;

/* ---- thread: the worker that owns the session ---- */

/* Where *name is a spelling of a cluster queue's it becomes the queue's own, in room; *is_cluster
 * says so.  SL_EPRECOND. */
SL_MUST_CHECK enum sl_err cluster_queue_resolve(const struct vhost *v, struct sl_bytes *name,
                                                struct cluster_name *room, bool *is_cluster,
                                                struct text *reason);

/* The cluster queue that a subscription to that name means: one that is named in full, or with
 * the client's ClusterID /topic/PATTERN and /exchange/...  SL_ENOENT: none; SL_EPRECOND. */
SL_MUST_CHECK enum sl_err cluster_queue_of_subscription(const struct client *c,
                                                        struct sl_bytes name,
                                                        struct cluster_name *out,
                                                        struct text *reason);

/* May c subscribe to the cluster queue of that own name?  And, where it is missing, make it? */
SL_MUST_CHECK enum sl_err cluster_queue_check_access(const struct client *c, struct sl_bytes own,
                                                     struct text *reason);
SL_MUST_CHECK enum sl_err cluster_queue_check_making(const struct client *c, struct sl_bytes own,
                                                     struct text *reason);

/* ---- thread: the owning shard, under the topology lock ---- */

/* Logs what topology_declare_cluster did, all of it or nothing; the queue of a new definition is
 * entered.  def->bound_place is where, and reminder gets what a new binding brings. */
void cluster_queue_log(struct shard *s, struct queue *q, struct topology_queue *def,
                       unsigned changes, struct reminder *reminder);

#endif
