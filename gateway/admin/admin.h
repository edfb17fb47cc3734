/*
 * admin.h - a look inside, for root and whoever the process runs as: HTTP on a unix socket in
 * the data directory.
 *
 * Callers are served one after the other: what one of them asks is gathered from the workers,
 * rendered and released before the next one's turn, so that a hundred of them cost the memory
 * of one list.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_ADMIN_H
#define SLUICE_GATEWAY_ADMIN_ADMIN_H

#include "gateway/admin/caller.h"

#include <stdio.h>

#define ADMIN_SOCKET_NAME "sluice.sock"
#define ADMIN_CALLERS_MAX 64u

struct admin {
    struct gateway *gateway; /* borrowed, as the loop */
    struct loop *loop;
    struct mailbox box; /* of pages that come back */
    struct loop_watch listener;
    bool is_paused; /* no caller is accepted for now */
    struct list callers;
    uint32_t callers_count;
    struct list waiting;
    struct caller *asking; /* NULL: nobody */
    struct inquiry inquiry;
    struct change *change; /* that is being carried out; NULL: none */
    bool is_own_change;    /* it is not a caller's: admin_import */
    uint64_t ticket;       /* of the next change */
    struct reload *reload; /* borrowed */
    struct facts facts;
};

/* The gateway is open.  A directory that cannot hold a socket is logged, and then nobody is
 * served. */
void admin_open(struct admin *a, struct gateway *g, struct loop *loop, struct reload *reload);
/* One turn of main's loop: waits at most timeout_ms. */
void admin_turn(struct admin *a, int timeout_ms);
/* Before the first turn: imports the file, and returns when all of it is durable.  SL_ESYNTAX and
 * any other error with why; SL_EPRECOND: some of it was done.  After every turn goes_on is asked:
 * false ends it with SL_EAGAIN, and nothing more of it is begun. */
SL_MUST_CHECK enum sl_err admin_import(struct admin *a, const char *path,
                                       bool (*goes_on)(void *context), void *context,
                                       struct text *why);
/* Instead of turns: writes what there is, as definitions_export does.  SL_EIO. */
SL_MUST_CHECK enum sl_err admin_export(struct admin *a, FILE *to);
/* No more callers.  Pages may still come back. */
void admin_stop(struct admin *a);
/* The gateway is closed, and with it everybody who had a page. */
void admin_close(struct admin *a);

/* ---- for caller.c ---- */

/* Is there what the route's path names? */
bool admin_has_scope(struct admin *a, struct caller *c);
/* The caller is answered when it was its turn. */
void admin_ask(struct admin *a, struct caller *c);
/* The caller no longer waits. */
void admin_forget(struct admin *a, struct caller *c);

#endif
