/*
 * policing.h - a policy changes, and with it what is in force for queues and exchanges that exist.
 *
 * The catalogue is gone through under its lock; queues whose rules become others are told by their
 * shards, all at the place in the order where the change is in the log: what was published before
 * meets the old rules, also in replay.
 *
 *   administration   policing_set                    under the topology lock, record and items in one
 *   shards           rules_turn_take (LANE_RULES)    each for its own queues
 *
 * Entries keep the deadline that they came with: another time to live is for those that come.
 */
#ifndef SLUICE_CORE_POLICING_H
#define SLUICE_CORE_POLICING_H

#include "core/client.h"
#include "core/policies.h"
#include "core/store/record.h"
#include "core/topology.h"

struct shard;
struct rules_turn;

/* ---- the desk's tasks; one answer to the ticket, when it is durable ---- */

/* SL_ENOENT the virtual host; SL_EPRECOND a key or a value; SL_ESYNTAX the pattern. */
void policing_set(struct client *c, uint64_t ticket, const struct policy_definition *d);
/* SL_ENOENT: there is none. */
void policing_clear(struct client *c, uint64_t ticket, struct sl_bytes vhost, bool is_operator,
                    struct sl_bytes name);

/* ---- replay: before anything runs, under the topology lock ---- */

SL_MUST_CHECK enum sl_err policing_replay(struct topology *t, struct shard *const *shards,
                                          const struct record *record, struct text *reason);

/* ---- for shard.c ---- */

void rules_turn_take(struct shard *s, struct rules_turn *turn); /* and its reference */
void rules_turn_unref(struct rules_turn *turn);

#endif
