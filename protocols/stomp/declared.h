/*
 * declared.h - the queues that a session has declared by sending to them, so that it does so
 * once and not per message.  Bounded: forgetting a name costs one more declaration.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_DECLARED_H
#define SLUICE_PROTOCOLS_STOMP_DECLARED_H

#include "core/base/hash_map.h"

#define STOMP_DECLARED_MAX 1024u

struct stomp_declared { /* zeroed: empty */
    struct hash_map names;
};

bool stomp_declared_has(const struct stomp_declared *d, struct sl_bytes name);
void stomp_declared_add(struct stomp_declared *d, struct sl_bytes name);
void stomp_declared_remove(struct stomp_declared *d, struct sl_bytes name);
void stomp_declared_deinit(struct stomp_declared *d); /* also gives an empty set */

#endif
