#include "core/request.h"

#include "core/broker.h"

#include <stdlib.h>
#include <string.h>

struct shard_command *request_about(struct client *c, enum shard_command_kind kind, uint64_t ticket,
                                    struct sl_bytes queue, size_t extra)
{
    struct shard_command *command = shard_command_new(kind, c->handle, ticket, queue.len + extra);

    if (queue.len != 0)
        memcpy(command->text, queue.at, queue.len);
    command->declaration.name = (struct sl_bytes){command->text, queue.len};
    command->vhost = c->vhost;
    command->window = session_window_ref(c->window);
    return command;
}

uint32_t request_shard(const struct client *c, struct sl_bytes queue)
{
    return topology_shard(broker_topology(c->worker->broker), c->vhost, queue);
}

void request_send(struct client *c, uint32_t shard, struct shard_command *command)
{
    struct lane_item *item = run_add(&c->worker->run, shard);

    item->at = (struct slot_ref){0, 0};
    item->kind = LANE_COMMAND;
    item->offset = 0;
    item->command = command;
    c->shards |= 1ull << shard;
}

bool request_resolve(struct client *c, uint64_t ticket, struct sl_bytes *name,
                     struct cluster_name *room, bool *is_cluster)
{
    char words[REQUEST_REASON_BYTES];
    struct text reason = text_on(words, sizeof words);

    return !request_is_refused(
        c, ticket, cluster_queue_resolve(c->vhost, name, room, is_cluster, &reason), &reason);
}

void request_answer(struct client *c, struct answer *a)
{
    if (c->handle.worker != c->worker->index)
        shard_answer(c->worker->shard, a); /* the desk's, which is no session of this worker */
    else
        mail_chain_add(&c->worker->pending, &a->mail.node);
}

bool request_is_refused(struct client *c, uint64_t ticket, enum sl_err err,
                        const struct text *reason)
{
    if (err == SL_OK)
        return false;
    struct answer *a = answer_new(c->handle, ticket);
    a->err = err;
    a->reason = strdup(reason->at);
    request_answer(c, a);
    return true;
}
