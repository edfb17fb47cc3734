#include "core/arrival.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/memory.h"

static void give_room_back(struct arrival *a);

void arrival_begin(struct arrival *a, struct message *msg)
{
    SL_ASSERT(a->msg == NULL);
    a->msg = msg;
    memory_release(message_cost(msg));
}

enum sl_err arrival_add(struct arrival *a, struct sl_bytes part)
{
    size_t before = message_cost(a->msg);
    enum sl_err err = message_append(&a->msg, part);

    memory_release(message_cost(a->msg) - before);
    return err;
}

struct message *arrival_end(struct arrival *a)
{
    struct message *msg = a->msg;

    memory_charge(message_cost(msg));
    a->msg = NULL;
    give_room_back(a);
    return msg;
}

void arrival_drop(struct arrival *a)
{
    if (a->msg != NULL)
        message_unref(arrival_end(a));
    give_room_back(a);
}

/* A byte now and then is enough for what takes nothing from others. */
bool arrival_keeps_pace(struct arrival *a, uint64_t so_far)
{
    uint64_t wanted = a->room == 0 ? 1 : SL_ARRIVAL_PACE_BYTES;
    bool is_fine = !a->is_watched || so_far - a->seen >= wanted;

    a->is_watched = true;
    a->seen = so_far;
    return is_fine;
}

static void give_room_back(struct arrival *a)
{
    if (a->room != 0)
        memory_room_give(a->room);
    *a = (struct arrival){0};
}
