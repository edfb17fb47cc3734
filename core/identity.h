/*
 * identity.h - who may come in.
 *
 * One user for now: guest, password guest, from this machine's own addresses only, on the
 * virtual host "/".
 */
#ifndef SLUICE_CORE_IDENTITY_H
#define SLUICE_CORE_IDENTITY_H

#include "core/base/bytes.h"
#include "core/base/err.h"

enum identity_refusal { IDENTITY_OK, IDENTITY_BAD_CREDENTIALS, IDENTITY_NOT_LOOPBACK };

enum identity_refusal identity_check(struct sl_bytes user, struct sl_bytes password,
                                     bool is_loopback);

#endif
