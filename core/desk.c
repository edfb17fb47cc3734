#include "core/desk.h"

#include "core/broker_parts.h"
#include "core/shard.h"

#include <string.h>

void desk_open(struct broker *b, void (*wake)(void *context), void *context)
{
    b->desk.wake = wake;
    b->desk.reader = context;
}

void desk_run(struct broker *b, struct desk_task *task)
{
    task->client = &b->desk_client;
    desk_go_on(task);
}

void desk_go_on(struct desk_task *task)
{
    const struct broker_worker *w = task->client->worker;
    struct mailbox *inbox = w->broker->shard_inboxes[w->index];
    struct lane_batch *batch = lane_batch_new();

    batch->count = 1;
    batch->items[0] = (struct lane_item){.kind = LANE_TASK, .task = task};
    if (mailbox_post(inbox, (struct mail_chain){&batch->node, &batch->node}))
        mailbox_wake(inbox);
}

void desk_answer(struct client *client, uint64_t ticket, enum sl_err err, const char *reason)
{
    struct answer *a = answer_new(client->handle, ticket);

    a->err = err;
    if (err != SL_OK)
        a->reason = strdup(reason);
    shard_answer(client->worker->shard, a);
}

void desk_answer_at(struct client *client, uint64_t ticket, sl_lsn place)
{
    struct answer *a = answer_new(client->handle, ticket);

    a->place = place;
    shard_answer(client->worker->shard, a);
}

bool desk_has_mail(struct broker *b)
{
    return mailbox_has_mail(&b->desk);
}

struct mail_chain desk_take(struct broker *b)
{
    return mailbox_take(&b->desk);
}
