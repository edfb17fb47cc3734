/*
 * peer_security.h - what protects a session's bytes, and what certificate its peer has shown.
 *
 * The gateway fills it in when the session begins, and it stays as it is until after
 * protocol->close.  A certificate is only here when it was verified: its chain, its dates, its
 * revocation.  Names with a NUL or that cannot be read as UTF-8 are left out.
 */
#ifndef SLUICE_PROTOCOLS_PEER_SECURITY_H
#define SLUICE_PROTOCOLS_PEER_SECURITY_H

#include "core/base/bytes.h"

enum peer_name_kind { PEER_NAME_DNS, PEER_NAME_EMAIL, PEER_NAME_URI, PEER_NAME_IP };

struct peer_name { /* of the subjectAltName, in its order; an IP address as text */
    enum peer_name_kind kind;
    struct sl_bytes name;
};

struct peer_certificate {
    struct sl_bytes distinguished_name; /* RFC 2253: "CN=shop,O=Acme" */
    struct sl_bytes common_name;        /* the last CN; {NULL, 0}: none */
    struct sl_bytes issuer;             /* its distinguished name */
    struct sl_bytes not_after;          /* "2031-02-03T04:05:06Z" */
    const struct peer_name *names;
    uint32_t names_count;
};

struct peer_security {
    const char *version;                        /* "TLSv1.3" */
    const char *cipher;                         /* "TLS_AES_128_GCM_SHA256" */
    const struct peer_certificate *certificate; /* NULL: none was shown */
};

#endif
