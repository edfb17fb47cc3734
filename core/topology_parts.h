/*
 * topology_parts.h - what the files of the topology share: topology.c, topology_vhost.c,
 * topology_queue.c, topology_exchange.c, topology_binding.c and topology_policy.c.
 *
 * Thread: any, under topology_lock.
 */
#ifndef SLUICE_CORE_TOPOLOGY_PARTS_H
#define SLUICE_CORE_TOPOLOGY_PARTS_H

#include "core/exchange.h"
#include "core/refusal.h"
#include "core/topology.h"

/* The exchanges that every virtual host has from the start. */
SL_MUST_CHECK enum sl_err exchanges_declare_own(struct vhost *v);

struct vhost *vhost_new(struct sl_bytes name); /* NULL: no memory */
void vhost_free(struct vhost *v);
/* Of a deleted one without queues little more than its name stays. */
void vhost_trim(struct vhost *v);
void topology_queue_free(struct topology_queue *q); /* no binding points to it */

/* Releases the exchange and the bindings that it is the source of.  Not for one that is still
 * somebody's destination. */
void exchange_free(struct exchange *e);

/* Ends the binding.  A source that was to go with its last binding is put on the list that
 * exchanges_remove_idle works off: what goes may take others with it. */
void binding_end(struct binding *b, struct exchange **idle);
void exchanges_remove_idle(struct topology *t, struct exchange *idle);

/* Enters a queue that was checked and is not there.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err queue_add(struct topology *t, struct vhost *v, struct sl_handle who,
                                    const struct queue_declaration *d, struct topology_queue **out);

/* ---- topology_holding.c: queues that hold what waits for its time ---- */

bool holding_is(struct sl_bytes name);
/* Finds the exchange that it holds for; the younger of two queues is its. */
void holding_link(struct topology *t, struct topology_queue *q);
/* The exchange goes: so must what waits for it. */
void holding_abandon(struct topology *t, struct exchange *e);

/* SL_EPRECOND: the virtual host has as many queues as it may have. */
SL_MUST_CHECK enum sl_err queue_check_room(const struct vhost *v, struct sl_bytes name,
                                           struct text *reason);

/* Counts one queue more of the ClusterID in name, a cluster queue's own, or one less. */
SL_MUST_CHECK enum sl_err cluster_join(struct vhost *v, struct sl_bytes name, struct cluster **out);
void cluster_leave(struct vhost *v, struct cluster *c);
/* Is that the binding that the cluster queue comes with? */
bool cluster_owns_binding(const struct topology_queue *q, const struct binding_request *r);

/* Notes what topology_unlock shall log about arguments that have no effect yet: nobody writes
 * to a file under the lock. */
void topology_note_dormant(struct topology *t, struct resource about, struct sl_bytes arguments);

/* Brings its admission in line with its arguments.  False: no memory. */
SL_MUST_CHECK bool topology_limit_queue(struct topology_queue *q);

static inline struct resource exchange_resource(const struct vhost *v, struct sl_bytes name)
{
    return (struct resource){"exchange", name, v->name};
}

static inline struct resource queue_resource(const struct vhost *v, struct sl_bytes name)
{
    return (struct resource){"queue", name, v->name};
}

static inline const char *truth_word(bool truth)
{
    return truth ? "true" : "false";
}

#endif
