/*
 * socket.h - the unix socket of the data directory: who may connect, and both ends of doing it.
 */
#ifndef SLUICE_GATEWAY_ADMIN_SOCKET_H
#define SLUICE_GATEWAY_ADMIN_SOCKET_H

#include "core/base/text.h"

#include <stdbool.h>

/* Listens, for the owner alone; does not block.  Whoever was there before is gone: the caller
 * holds the directory's lock.  SL_EIO with why. */
SL_MUST_CHECK enum sl_err socket_listen(const char *dir, const char *name, int *fd,
                                        struct text *why);
void socket_remove(const char *dir, const char *name);

/* Root, or whom this process runs as. */
bool socket_peer_is_trusted(int fd, unsigned *uid);

/* Connects, blocking.  SL_EIO; errno says why. */
SL_MUST_CHECK enum sl_err socket_connect(const char *path, int *fd);

#endif
