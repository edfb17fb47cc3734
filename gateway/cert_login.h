/*
 * cert_login.h - which of the names in a client's certificate is the name of a user.
 *
 * Thread: any, once parsed.
 */
#ifndef SLUICE_GATEWAY_CERT_LOGIN_H
#define SLUICE_GATEWAY_CERT_LOGIN_H

#include "core/base/text.h"
#include "protocols/peer_security.h"

enum cert_login_from { CERT_LOGIN_DISTINGUISHED, CERT_LOGIN_COMMON, CERT_LOGIN_ALTERNATIVE };

struct cert_login {
    enum cert_login_from from;
    enum peer_name_kind kind; /* of an alternative name */
    uint32_t index;           /* among those of that kind, from 0 */
};

/* The words of RabbitMQ's settings.  SL_ESYNTAX with why. */
SL_MUST_CHECK enum sl_err cert_login_parse(const char *from, const char *kind, uint32_t index,
                                           struct cert_login *out, struct text *why);

/* Allocated.  NULL: there is no certificate, or no such name in it, or no memory. */
char *cert_login_name(const struct cert_login *login, const struct peer_security *security);

#endif
