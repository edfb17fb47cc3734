/*
 * random.h - names that nobody guesses, and seeds.
 *
 * Names of server-named queues and sessions come from the system's generator (getrandom);
 * secrets do too, but those are OpenSSL's business.
 */
#ifndef SLUICE_CORE_BASE_RANDOM_H
#define SLUICE_CORE_BASE_RANDOM_H

#include <stdint.h>

uint64_t sl_random_u64(void);

#define SL_RANDOM_NAME_CHARS 22 /* 128 bits in base64url */

/* Writes 22 characters of A-Za-z0-9-_ and a NUL. */
void sl_random_name(char name[SL_RANDOM_NAME_CHARS + 1]);

#endif
