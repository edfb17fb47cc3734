#include "core/direct_reply.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/commands.h"
#include "core/consumer.h"
#include "core/discard.h"
#include "core/queue.h"
#include "core/table.h"
#include "core/topology_parts.h"

#define REASON_BYTES_MAX 1024

static enum sl_err add(struct topology *t, const struct shard_command *command,
                       struct topology_queue **out, struct text *reason);
static struct sl_bytes write_limits(uint8_t *at, size_t room);

void direct_reply_make_address(char address[DIRECT_REPLY_ADDRESS_CHARS + 1])
{
    memcpy(address, DIRECT_REPLY ".", sizeof DIRECT_REPLY);
    sl_random_name(address + sizeof DIRECT_REPLY);
}

enum sl_err direct_reply_find(struct topology *t, struct vhost *v, struct sl_bytes name,
                              struct text *reason)
{
    if (direct_reply_is(name))
        return SL_OK;
    topology_lock(t);
    const struct topology_queue *q = topology_queue(v, name);
    bool is_there = q != NULL && q->is_reply;
    topology_unlock(t);
    return is_there ? SL_OK : refusal_missing(queue_resource(v, name), reason);
}

struct queue *direct_reply_queue(struct shard *s, const struct shard_command *command,
                                 struct answer *a)
{
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    struct topology_queue *def = NULL;
    struct queue *q = NULL;

    topology_lock(s->topology);
    enum sl_err err = add(s->topology, command, &def, &reason);
    if (err == SL_OK)
        q = shard_enter_queue(s, def);
    topology_unlock(s->topology);
    if (err != SL_OK) {
        command_refuse(a, err, room);
        return NULL;
    }
    list_push(&peer_get(s, command->from, command->window)->queues, &q->of_owner);
    return q;
}

void direct_reply_shed(struct shard *s, struct queue *q)
{
    struct entry next;

    while (queue_may_discard(q, queue_peek(s, q, &next), &next)) {
        queue_pop(s, q, &next);
        queue_discard(s, q, &next, DISCARD_MAXLEN);
    }
}

/* No limit of the virtual host counts it, and no policy has a say: it is no queue to anyone. */
static enum sl_err add(struct topology *t, const struct shard_command *command,
                       struct topology_queue **out, struct text *reason)
{
    uint8_t room[128];
    struct queue_declaration d = {
        .name = command->declaration.name,
        .is_exclusive = true,
        .is_auto_delete = true,
        .is_reply = true,
        .arguments = write_limits(room, sizeof room),
    };

    if (command->vhost->is_gone)
        return refusal_no_vhost(command->vhost->name, reason);
    return queue_add(t, command->vhost, command->from, &d, out);
}

static struct sl_bytes write_limits(uint8_t *at, size_t room)
{
    struct sl_writer w = {at, at + room, false};
    uint8_t *start = table_write_start(&w);

    table_write_s64(&w, sl_bytes_of("x-max-length"), SL_REPLIES_WAITING_MAX);
    table_write_s64(&w, sl_bytes_of("x-max-length-bytes"), SL_REPLIES_WAITING_BYTES_MAX);
    table_write_finish(&w, start);
    SL_ASSERT(!w.overflowed);
    return (struct sl_bytes){at, (size_t)(w.pos - at)};
}
