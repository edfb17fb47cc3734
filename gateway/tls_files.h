/*
 * tls_files.h - one certificate with the rules around it, as OpenSSL wants them.
 *
 * Thread: any.  Part of tls_context.c; nobody else calls this.
 */
#ifndef SLUICE_GATEWAY_TLS_FILES_H
#define SLUICE_GATEWAY_TLS_FILES_H

#include "gateway/tls_context.h"

/* NULL with why.  cert and key are paths. */
SSL_CTX *tls_files_read(const struct tls_settings *settings, const char *cert, const char *key,
                        struct text *why);

/* Takes the next path of a list into room; false at its end.  *list moves on. */
bool tls_files_next(const char **list, char *room, size_t size);

#endif
