/*
 * password.h - what is kept of a password, and whether a given one is it.
 *
 * Ours is scrypt of OpenSSL: it takes some ten milliseconds and 16 MiB, so that guessing is dear,
 * and so is never computed on a worker (identity.h).  RabbitMQ's forms, a salt of four octets and
 * SHA-256 or SHA-512 of salt and password, are read because definitions bring them; they cost a
 * microsecond.  All comparing takes the same time whatever differs.
 *
 *   PASSWORD_SHA256, PASSWORD_SHA512   salt 4, hash
 *   PASSWORD_SCRYPT                    u8 log2 N, u8 r, u8 p, salt 16, hash 32
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_PASSWORD_H
#define SLUICE_CORE_PASSWORD_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/text.h"

enum password_form {                    /* values are on disk */
                     PASSWORD_NONE = 0, /* nobody comes in by a password */
                     PASSWORD_SHA256 = 1,
                     PASSWORD_SHA512 = 2,
                     PASSWORD_SCRYPT = 3,
};

#define PASSWORD_BYTES_MAX 1024u
#define PASSWORD_HASH_BYTES_MAX 68u
#define PASSWORD_TEXT_BYTES_MAX 96u /* of a hash in base64, with its NUL */

struct password_hash { /* zeroed: none */
    uint8_t form;      /* of enum password_form */
    uint8_t len;
    uint8_t bytes[PASSWORD_HASH_BYTES_MAX];
};

/* With a new salt.  An empty password gives none at all. */
void password_hash_make(struct password_hash *h, enum password_form form, struct sl_bytes password);
/* As it lies on disk.  SL_ECORRUPT: no such form, or not of its length. */
SL_MUST_CHECK enum sl_err password_hash_read(struct password_hash *h, uint8_t form,
                                             struct sl_bytes bytes);
/* As definitions name it: base64, and the algorithm ("rabbit_password_hashing_sha256" where it is
 * empty).  SL_EPRECOND with why: unknown, or not of its form. */
SL_MUST_CHECK enum sl_err password_hash_import(struct password_hash *h, struct sl_bytes algorithm,
                                               struct sl_bytes base64, struct text *why);
/* The other way round. */
const char *password_algorithm(const struct password_hash *h);
void password_hash_export(const struct password_hash *h, char out[PASSWORD_TEXT_BYTES_MAX]);

bool password_is_costly(const struct password_hash *h);
bool password_verify(const struct password_hash *h, struct sl_bytes password);
/* Takes as long as verifying a costly one. */
void password_waste_time(struct sl_bytes password);

#endif
