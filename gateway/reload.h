/*
 * reload.h - the settings, read again while the process runs.
 *
 * The file and the command line are read into a new config, as at the start.  What changed and can
 * be applied is applied; what cannot stays as it is, and is named.  A file that cannot be read
 * changes nothing.  A config that was ever in force stays as long as the process: sessions and
 * workers may still look at it.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_RELOAD_H
#define SLUICE_GATEWAY_RELOAD_H

#include "gateway/assemble.h"

struct reload_config;

struct reload {
    int count; /* what the process was started with */
    char **arguments;
    struct reload_config *configs; /* that it made; the newest first */
};

struct reload_report {   /* names of settings, commas between */
    struct text applied; /* and in force now */
    struct text waiting; /* for a restart */
};

void reload_init(struct reload *r, int count, char **arguments);
/* The gateway is closed. */
void reload_deinit(struct reload *r);

/* Reads again, and says what came of it in the log as well.  SL_ESYNTAX, SL_EIO with why: nothing
 * has changed. */
SL_MUST_CHECK enum sl_err reload_run(struct reload *r, struct gateway *g,
                                     struct reload_report *report, struct text *why);

#endif
