/*
 * schedule.h - messages of any exchange that are to come later.
 *
 * A publish that says is_scheduled (route.h) and has a header x-delay waits in a holding queue of
 * the default exchange (delayed.h), which a virtual host has from its first such message on.  When
 * its time has come it is routed by its own exchange and key.
 *
 * Thread: the worker that owns the session; the topology lock is not held.
 */
#ifndef SLUICE_CORE_SCHEDULE_H
#define SLUICE_CORE_SCHEDULE_H

#include "core/client.h"

/* The virtual host has that queue, in the log and at its shard before all that the session publishes
 * from here on.  SL_ENOENT: the virtual host is gone; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err schedule_begin(struct client *c);

#endif
