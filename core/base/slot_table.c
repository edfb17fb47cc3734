#include "core/base/slot_table.h"

#include "core/base/assert.h"

#include <stdlib.h>

#define ROOM_FIRST 4u

static enum sl_err grow(struct slot_table *t);

void slot_table_deinit(struct slot_table *t)
{
    free(t->slots);
    *t = (struct slot_table){0};
}

enum sl_err slot_table_put(struct slot_table *t, void *object, struct slot_ref *ref)
{
    if (t->first_free == 0)
        SL_TRY(grow(t));

    uint32_t at = t->first_free - 1;
    struct slot *slot = &t->slots[at];
    t->first_free = slot->next_free;
    slot->object = object;
    t->count++;
    *ref = (struct slot_ref){at, slot->generation};
    return SL_OK;
}

void slot_table_remove(struct slot_table *t, struct slot_ref ref)
{
    SL_ASSERT(slot_table_get(t, ref) != NULL);

    struct slot *slot = &t->slots[ref.slot];
    slot->object = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    slot->next_free = t->first_free;
    t->first_free = ref.slot + 1;
    t->count--;
}

void *slot_table_next(const struct slot_table *t, uint32_t *cursor)
{
    while (*cursor < t->room) {
        void *object = t->slots[(*cursor)++].object;
        if (object != NULL)
            return object;
    }
    return NULL;
}

static enum sl_err grow(struct slot_table *t)
{
    uint32_t room = t->room == 0 ? ROOM_FIRST : t->room * 2;
    struct slot *slots = room < t->room ? NULL : realloc(t->slots, room * sizeof *slots);

    if (slots == NULL)
        return SL_ENOMEM;
    for (uint32_t i = room; i-- > t->room;) {
        slots[i] = (struct slot){NULL, 1, t->first_free};
        t->first_free = i + 1;
    }
    t->slots = slots;
    t->room = room;
    return SL_OK;
}
