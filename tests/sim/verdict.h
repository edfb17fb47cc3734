/*
 * verdict.h - what a start has to bring back, checked against the model.
 *
 * After every start, whatever ended the life before:
 *
 *   - a definition that was answered is there, one whose deletion was answered is not, and what is
 *     not durable (exclusive queues too) is not; bindings likewise;
 *   - a persistent message that was confirmed is in every durable queue that it reached, once,
 *     unless somebody asked for it to go; one that a transaction put there and that was delivered
 *     counts as confirmed;
 *   - what was settled or purged with an answer is gone, and what was gone at an earlier start
 *     stays gone;
 *   - nothing is there that nobody published to that queue; bytes, route and properties are right;
 *   - entries stand in the order of their sequences, and of their publishers;
 *   - of what one publisher sent nothing is missing in front of something that is there;
 *   - of a transaction all is there or nothing, publishes and settles, over all queues;
 *   - a count is at least the last one that was synced, and what was out says redelivered;
 *   - a message that died in a queue with a dead-letter exchange is in one of both, never in both,
 *     and in none only where it may be gone.
 *
 *   - a policy or a user that was set with an answer is there, and likewise not (operate.c);
 *   - what was prepared waits, or is decided as was answered (prepared.c);
 *   - what was delayed waits, or has come, once and not before its time (delayed.c).
 *
 * After a stop, besides: every publish and every settle counts as confirmed, and what was never
 * out does not say redelivered.
 *
 * What is there at a start is durable from then on: the model takes it over as such.
 */
#ifndef SLUICE_TESTS_SIM_VERDICT_H
#define SLUICE_TESTS_SIM_VERDICT_H

#include "tests/sim/model.h"
#include "tests/sim/world.h"

void verdict_pass(struct model *m, struct world *w, bool was_stopped);
/* Of that, what is said of prepared messages (prepared.c). */
void prepared_judge(struct model *m, struct world *w, bool was_stopped);
/* Of that, what is said of delayed messages (delayed.c). */
void delayed_judge(struct model *m, struct world *w, bool was_stopped);
/* Of a world that runs: what has come was due. */
void delayed_look(struct model *m, struct world *w);
/* When the last one is due; and that time has passed: all have come. */
uint64_t delayed_last_due(const struct model *m);
void delayed_judge_end(struct model *m, struct world *w);
/* Of that, what is said of policies and users (operate.c). */
void operated_judge(struct model *m, struct world *w);
/* Of that, what is said of bindings; also of a world that runs and has answered everything. */
void verdict_bindings(struct model *m, struct world *w);

#endif
