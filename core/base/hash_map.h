/*
 * hash_map.h - open addressing map from bytes to a pointer, with borrowed keys.
 *
 * The map keeps the key's address, not its bytes: a key must stay where it is while it is in
 * the map, so it usually lives inside the value.  Hashing is XXH3-64 with a seed drawn once
 * per process, so that a peer cannot aim at collisions.
 *
 * Thread: the owner's.  A zeroed struct is an empty map.
 */
#ifndef SLUICE_CORE_BASE_HASH_MAP_H
#define SLUICE_CORE_BASE_HASH_MAP_H

#include "core/base/bytes.h"
#include "core/base/err.h"

struct hash_map_slot;

struct hash_map {
    struct hash_map_slot *slots;
    size_t count;
    size_t room; /* slots, a power of two or 0 */
};

/* Called once at start, before any map is filled; tests may fix the seed. */
void hash_map_seed(uint64_t seed);
uint64_t hash_map_hash(struct sl_bytes key);

/* Releases the slots, not the values. */
void hash_map_deinit(struct hash_map *m);

/* NULL when the key is not there. */
void *hash_map_get(const struct hash_map *m, struct sl_bytes key);

/* Borrows key and value until they are removed.  The key must not be in the map yet.
 * SL_ENOMEM leaves the map as it was. */
SL_MUST_CHECK enum sl_err hash_map_put(struct hash_map *m, struct sl_bytes key, void *value);

/* Gives the value back to the caller; NULL when the key is not there. */
void *hash_map_remove(struct hash_map *m, struct sl_bytes key);

/* Walks the map: start with *cursor = 0; NULL at the end.  The map must not change meanwhile. */
void *hash_map_next(const struct hash_map *m, size_t *cursor);

#endif
