/* shard_queues.c - the part of commands.h that puts queues into a shard, and takes them out. */
#include "core/base/assert.h"
#include "core/commands.h"
#include "core/delayed.h"

#include <stdlib.h>
#include <string.h>

struct queue *shard_enter_queue(struct shard *s, const struct topology_queue *def)
{
    uint32_t slot = def->ref.at.slot;

    if (slot >= s->queues_room) {
        uint32_t room = s->queues_room == 0 ? 16 : s->queues_room;
        while (room <= slot)
            room *= 2;
        struct queue **queues = realloc(s->queues, room * sizeof(struct queue *));
        SL_ASSERT(queues != NULL);
        memset(queues + s->queues_room, 0, (room - s->queues_room) * sizeof(struct queue *));
        s->queues = queues;
        s->queues_room = room;
    }
    SL_ASSERT(s->queues[slot] == NULL);
    return s->queues[slot] = queue_new(def);
}

sl_lsn commands_log_declaration(struct shard *s, struct queue *q, const struct topology_queue *def)
{
    struct log_run *record = &s->run->at_once;

    q->mark = q->next_mark = s->newest + QUEUE_MARK_STEP;
    journal_declare_queue(record, def, q->mark);
    return order_append(s->run->order, record);
}

sl_lsn shard_remove_queue(struct shard *s, struct queue *q)
{
    uint32_t slot = q->ref.at.slot;
    struct queue_ref ref = q->ref;
    struct log_run *record = &s->run->at_once;

    SL_ASSERT(s->queues[slot] == q);
    queue_free(s, q);
    s->queues[slot] = NULL;
    topology_lock(s->topology);
    if (ref.number != 0)
        journal_delete_queue(record, ref.number);
    s->topology->journal = record;
    topology_remove_queue(s->topology, topology_queue_at(s->topology, ref));
    s->topology->journal = NULL;
    if (record->records != 0)
        s->topology->removed = order_append(s->run->order, record);
    sl_lsn place = s->topology->removed;
    delayed_sweep(s->run, s->topology);
    topology_unlock(s->topology);
    return place;
}

void shard_remove_queues_of(struct shard *s, const struct vhost *v)
{
    for (uint32_t i = 0; i < s->queues_room; i++)
        if (s->queues[i] != NULL && s->queues[i]->def->vhost == v)
            shard_remove_queue(s, s->queues[i]);
}
