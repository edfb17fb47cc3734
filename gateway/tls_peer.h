/*
 * tls_peer.h - the names in a verified certificate of a peer.
 *
 * Thread: any.
 */
#ifndef SLUICE_GATEWAY_TLS_PEER_H
#define SLUICE_GATEWAY_TLS_PEER_H

#include "protocols/peer_security.h"

#include <openssl/types.h>

/* One allocation, to be freed by the caller.  NULL: there is no certificate, it was not verified,
 * or it has more names than SL_PEER_NAMES_MAX. */
struct peer_certificate *tls_peer_certificate(const SSL *ssl);

/* Its time is over, which a resumed session does not look at. */
bool tls_peer_has_expired(const SSL *ssl);

#endif
