/*
 * policing.h - a policy changes, and with it what is in force for queues and exchanges that exist.
 *
 * The catalogue has the change first; then exchanges and queues are gone through, some in each turn,
 * with a rest where many become others, and the queues that do are told by their shards.  The record takes its place in the order
 * together with the last of them: from there on the change holds everywhere, also in replay, and
 * what is answered is durable.  One change is under way at a time; others wait.
 *
 *   administration   policing_set                    begins; then a slice a turn: desk_go_on, desk_rest
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

/* ---- the desk's tasks, with its client; one answer to the ticket, when it is durable ---- */

/* SL_ENOENT the virtual host; SL_EPRECOND a key or a value; SL_ESYNTAX the pattern. */
void policing_set(struct client *c, uint64_t ticket, const struct policy_definition *d);
/* SL_ENOENT: there is none. */
void policing_clear(struct client *c, uint64_t ticket, struct sl_bytes vhost, bool is_operator,
                    struct sl_bytes name);
/* Those that are under way, at the end: no worker runs any more. */
void policing_drop(struct topology *t);

/* ---- replay: before anything runs, under the topology lock ---- */

SL_MUST_CHECK enum sl_err policing_replay(struct topology *t, struct shard *const *shards,
                                          const struct record *record, struct text *reason);

/* ---- for shard.c ---- */

void rules_turn_take(struct shard *s, struct rules_turn *turn); /* and its reference */
void rules_turn_unref(struct rules_turn *turn);

#endif
