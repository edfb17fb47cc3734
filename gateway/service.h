/*
 * service.h - what the process is to the system that started it: systemd's notifications, and an
 * unprivileged user.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_SERVICE_H
#define SLUICE_GATEWAY_SERVICE_H

#include "core/base/err.h"
#include "core/base/text.h"

#include <stdint.h>

/* Becomes that user with its groups, before anything is opened; the data directory is made first
 * where it is missing, and given to the user.  "" and who is not root: nothing to do.  SL_ENOENT: no
 * such user; SL_EIO. */
SL_MUST_CHECK enum sl_err service_become(const char *user, const char *data_dir, struct text *why);

/* Root becomes the owner of the directory, if there is one: what it writes there is for that user to
 * read.  SL_EIO. */
SL_MUST_CHECK enum sl_err service_become_owner(const char *dir, struct text *why);

/* Nothing happens where nobody listens. */
void service_tell_ready(void);
void service_tell_reloading(void); /* and ready again afterwards */
void service_tell_stopping(void);
/* How often service_tell_alive is waited for, in ms; 0: not at all. */
uint64_t service_watchdog_ms(void);
void service_tell_alive(void);

#endif
