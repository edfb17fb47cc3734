/*
 * arguments.h - what the arguments of a declaration may be, and when two declarations agree.
 *
 * An argument that nobody knows is accepted and kept.  One that is known must have the right
 * type and range, and a second declaration must repeat its value.  Queues of type classic and
 * quorum are one kind of queue here, so what either understands is understood on both.
 *
 * Some known arguments ask for what this version does not do yet.  They are accepted, because
 * client libraries declare them as a matter of course, and arguments_list_dormant names them
 * so that it can be said in the log.
 */
#ifndef SLUICE_CORE_ARGUMENTS_H
#define SLUICE_CORE_ARGUMENTS_H

#include "core/refusal.h"
#include "core/topology.h"

/* SL_EPRECOND.  d->arguments may be {NULL, 0}, as everywhere in this file. */
SL_MUST_CHECK enum sl_err arguments_check_queue(struct resource queue,
                                                const struct queue_declaration *d,
                                                struct text *reason);
SL_MUST_CHECK enum sl_err arguments_check_exchange(struct resource exchange,
                                                   struct sl_bytes arguments, struct text *reason);

/* SL_EPRECOND: some known argument differs. */
SL_MUST_CHECK enum sl_err arguments_compare_queue(struct resource queue, struct sl_bytes received,
                                                  struct sl_bytes current, struct text *reason);
/* The same, but what is not said means "as it is". */
SL_MUST_CHECK enum sl_err arguments_compare_said(struct resource queue, struct sl_bytes received,
                                                 struct sl_bytes current, struct text *reason);
SL_MUST_CHECK enum sl_err arguments_compare_exchange(struct resource exchange,
                                                     struct sl_bytes received,
                                                     struct sl_bytes current, struct text *reason);

/* Names those that have no effect yet, with commas between; nothing when there are none. */
void arguments_list_dormant(struct sl_bytes arguments, struct text *to);

#endif
