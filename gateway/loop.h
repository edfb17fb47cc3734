/*
 * loop.h - waiting for sockets: the narrow face of epoll.
 *
 * Level-triggered: what is still ready is said again.  A watch lives inside what it watches,
 * and its memory must stay until the end of the turn in which it was removed.
 *
 * Thread: the owner's, but for loop_wake.
 */
#ifndef SLUICE_GATEWAY_LOOP_H
#define SLUICE_GATEWAY_LOOP_H

#include "core/base/err.h"

#include <stdbool.h>

#define LOOP_READ 1u
#define LOOP_WRITE 2u
#define LOOP_HANG 4u /* error or hang-up; always watched for */

struct loop_watch {
    int fd;
    unsigned events; /* asked for now */
    void (*on_ready)(struct loop_watch *watch, unsigned events);
};

struct loop;

/* NULL: the system gives no more descriptors. */
struct loop *loop_new(void);
void loop_free(struct loop *l);

/* SL_EIO: the system refuses. */
SL_MUST_CHECK enum sl_err loop_add(struct loop *l, struct loop_watch *watch, unsigned events);
/* Costs a system call only when events differ from what is asked for. */
void loop_change(struct loop *l, struct loop_watch *watch, unsigned events);
/* Before the descriptor is closed. */
void loop_remove(struct loop *l, struct loop_watch *watch);

/* From here to the end of the next wait, loop_wake has an effect.  Who dozes looks once more
 * for work before waiting: what came before the doze did not wake. */
void loop_doze(struct loop *l);
/* Waits until something is ready, someone wakes, or timeout_ms (-1: no end) is over. */
void loop_wait(struct loop *l, int timeout_ms);
/* Calls on_ready of everything that the last wait found. */
void loop_dispatch(struct loop *l);

/* Any thread.  Costs a system call only while the owner dozes. */
void loop_wake(struct loop *l);

#endif
