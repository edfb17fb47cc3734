#include "protocols/stomp/declared.h"

#include <stdlib.h>

bool stomp_declared_has(const struct stomp_declared *d, struct sl_bytes name)
{
    return hash_map_get(&d->names, name) != NULL;
}

void stomp_declared_add(struct stomp_declared *d, struct sl_bytes name)
{
    uint8_t *copy;

    if (stomp_declared_has(d, name))
        return;
    if (d->names.count == STOMP_DECLARED_MAX)
        stomp_declared_deinit(d);
    copy = malloc(name.len + 1);
    if (copy == NULL)
        return;
    if (name.len != 0)
        memcpy(copy, name.at, name.len);
    if (hash_map_put(&d->names, (struct sl_bytes){copy, name.len}, copy) != SL_OK)
        free(copy);
}

void stomp_declared_remove(struct stomp_declared *d, struct sl_bytes name)
{
    free(hash_map_remove(&d->names, name));
}

void stomp_declared_deinit(struct stomp_declared *d)
{
    size_t cursor = 0;
    void *name;

    while ((name = hash_map_next(&d->names, &cursor)) != NULL)
        free(name);
    hash_map_deinit(&d->names);
    d->names = (struct hash_map){0};
}
