#include "core/base/hash_map.h"

#include "core/base/assert.h"

#include <stdlib.h>
#include <xxhash.h>

#define ROOM_MIN 8u

struct hash_map_slot {
    uint64_t hash;
    struct sl_bytes key;
    void *value; /* NULL: empty */
};

static uint64_t seed_of_process;

static enum sl_err resize(struct hash_map *m, size_t room);
static void give_back(struct hash_map *m);
static size_t home_of(const struct hash_map *m, uint64_t hash);
static struct hash_map_slot *find(const struct hash_map *m, struct sl_bytes key);
static void insert(struct hash_map *m, struct hash_map_slot slot);
static void close_gap(struct hash_map *m, size_t gap);

void hash_map_seed(uint64_t seed)
{
    seed_of_process = seed;
}

uint64_t hash_map_hash(struct sl_bytes key)
{
    return XXH3_64bits_withSeed(key.len == 0 ? "" : (const void *)key.at, key.len, seed_of_process);
}

void hash_map_deinit(struct hash_map *m)
{
    free(m->slots);
    *m = (struct hash_map){0};
}

void *hash_map_get(const struct hash_map *m, struct sl_bytes key)
{
    struct hash_map_slot *slot = find(m, key);

    return slot == NULL ? NULL : slot->value;
}

enum sl_err hash_map_put(struct hash_map *m, struct sl_bytes key, void *value)
{
    SL_ASSERT(value != NULL);
    SL_CHECK(find(m, key) == NULL);

    /* Linear probing stays short up to about seven slots in ten. */
    if ((m->count + 1) * 10 > m->room * 7)
        SL_TRY(resize(m, m->room == 0 ? ROOM_MIN : m->room * 2));
    insert(m, (struct hash_map_slot){hash_map_hash(key), key, value});
    m->count++;
    return SL_OK;
}

void *hash_map_remove(struct hash_map *m, struct sl_bytes key)
{
    struct hash_map_slot *slot = find(m, key);

    if (slot == NULL)
        return NULL;
    void *value = slot->value;
    close_gap(m, (size_t)(slot - m->slots));
    m->count--;
    give_back(m);
    return value;
}

void *hash_map_next(const struct hash_map *m, size_t *cursor)
{
    while (*cursor < m->room) {
        void *value = m->slots[(*cursor)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}

static enum sl_err resize(struct hash_map *m, size_t room)
{
    struct hash_map old = *m;
    struct hash_map_slot *slots = calloc(room, sizeof *slots);

    if (slots == NULL)
        return SL_ENOMEM;
    m->slots = slots;
    m->room = room;
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].value != NULL)
            insert(m, old.slots[i]);
    free(old.slots);
    return SL_OK;
}

/* A map that was large once does not stay so; without memory for the smaller one it does. */
static void give_back(struct hash_map *m)
{
    enum sl_err err = SL_OK;

    if (m->room > ROOM_MIN && m->count * 8 < m->room)
        err = resize(m, m->room / 2);
    (void)err;
}

static size_t home_of(const struct hash_map *m, uint64_t hash)
{
    return (size_t)hash & (m->room - 1);
}

static struct hash_map_slot *find(const struct hash_map *m, struct sl_bytes key)
{
    if (m->count == 0)
        return NULL;

    uint64_t hash = hash_map_hash(key);
    for (size_t i = home_of(m, hash);; i = (i + 1) & (m->room - 1)) {
        struct hash_map_slot *slot = &m->slots[i];
        if (slot->value == NULL)
            return NULL;
        if (slot->hash == hash && sl_bytes_equal(slot->key, key))
            return slot;
    }
}

static void insert(struct hash_map *m, struct hash_map_slot slot)
{
    size_t i = home_of(m, slot.hash);

    while (m->slots[i].value != NULL)
        i = (i + 1) & (m->room - 1);
    m->slots[i] = slot;
}

/* Moves later entries of the run back over the gap, so that no tombstones are needed: an entry
 * may move when the gap lies between its home and its place. */
static void close_gap(struct hash_map *m, size_t gap)
{
    size_t mask = m->room - 1;

    for (size_t i = (gap + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t from_home = (i - home_of(m, m->slots[i].hash)) & mask;
        if (from_home >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct hash_map_slot){0};
}
