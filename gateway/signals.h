/*
 * signals.h - signals as events that main reads.
 *
 *   SIGTERM, SIGINT   stop gracefully; once more: stop now
 *   SIGHUP            read the settings again
 *   SIGUSR2           write counters to the log
 *   SIGPIPE           ignored: a write says EPIPE
 */
#ifndef SLUICE_GATEWAY_SIGNALS_H
#define SLUICE_GATEWAY_SIGNALS_H

#include <stdbool.h>

enum signals_event { SIGNALS_NONE, SIGNALS_STOP, SIGNALS_RELOAD, SIGNALS_DUMP };

/* Before any thread starts, so that all of them have the signals blocked.  A descriptor that is
 * readable when there is an event, or -1. */
int signals_open(void);
enum signals_event signals_next(int fd);

#endif
