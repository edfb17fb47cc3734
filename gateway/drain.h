/*
 * drain.h - the graceful stop, in named steps.
 *
 *   drain   no more accepts; every client is told in its protocol's words, what it had sent is
 *           carried out and answered, and its connection ends when it agrees
 *   close   who has not agreed in time is closed
 *   stop    the threads end
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_DRAIN_H
#define SLUICE_GATEWAY_DRAIN_H

#include "gateway/assemble.h"

/* A second signal at signal_fd cuts the first step short.  False when a thread does not end. */
SL_MUST_CHECK bool drain_run(struct gateway *g, int signal_fd);

#endif
