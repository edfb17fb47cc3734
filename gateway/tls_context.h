/*
 * tls_context.h - certificates, keys and rules of encrypted connections, and their exchange
 * while connections live.
 *
 * What one reading of the files gave is a tls_set.  Each connection keeps the set that it began
 * with; after a reload new ones get the new set.  Tickets of one set are unknown to the next, so
 * whoever was revoked meanwhile does not come back by an old ticket.
 *
 * Thread: any, but open and close (main, around all others).
 */
#ifndef SLUICE_GATEWAY_TLS_CONTEXT_H
#define SLUICE_GATEWAY_TLS_CONTEXT_H

#include "core/base/text.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

struct tls_settings {    /* lists of files are separated by commas */
    const char *cert;    /* chains; the first is for who asks for none of their names */
    const char *key;     /* one for each chain; "": in the same files */
    const char *ca;      /* who may sign clients' certificates; "" */
    const char *crl;     /* "" */
    const char *verify;  /* "off", "optional", "required" */
    uint32_t depth;      /* authorities between a client's certificate and one of ca */
    const char *version; /* the lowest: "1.2", "1.3" */
    const char *ciphers; /* OpenSSL's list, for 1.2 */
    const char *suites;  /* and for 1.3 */
    bool kernel;         /* the kernel encrypts, where it can */
    const char *keylog;  /* "": secrets are written nowhere */
};

struct tls_context;
struct tls_set;

/* Reads all files.  SL_EIO, SL_ESYNTAX or SL_ENOMEM with why, which names setting and file. */
SL_MUST_CHECK enum sl_err tls_context_open(struct tls_context **out,
                                           const struct tls_settings *settings, struct text *why);
/* The same again; on an error everything stays as it was. */
SL_MUST_CHECK enum sl_err tls_context_reload(struct tls_context *t,
                                             const struct tls_settings *settings, struct text *why);
void tls_context_close(struct tls_context *t); /* NULL is fine */

/* The set of now, until tls_set_drop. */
struct tls_set *tls_context_take(struct tls_context *t);
void tls_set_drop(struct tls_set *set);
/* A server's side of a connection.  NULL: no memory. */
SSL *tls_set_begin(struct tls_set *set);

#endif
