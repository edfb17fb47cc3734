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

void desk_rest(struct desk_task *task, uint32_t ms)
{
    struct broker_worker *w = task->client->worker;

    task->rests_until_ms = sl_clock_monotonic_ms(w->broker->options.clock) + ms;
    list_push(&w->resting, &task->of_resting);
}

void desk_end_rests(struct broker_worker *w)
{
    if (list_is_empty(&w->resting))
        return;
    uint64_t now_ms = sl_clock_monotonic_ms(w->broker->options.clock);
    for (struct list *at = w->resting.next, *next; at != &w->resting; at = next) {
        struct desk_task *task = LIST_OF(at, struct desk_task, of_resting);
        next = at->next;
        if (task->rests_until_ms > now_ms)
            continue;
        list_remove(at);
        desk_go_on(task);
    }
}

uint64_t desk_next_due(const struct broker_worker *w)
{
    uint64_t first_ms = UINT64_MAX;

    if (list_is_empty(&w->resting))
        return UINT64_MAX;
    uint64_t now_ms = sl_clock_monotonic_ms(w->broker->options.clock);
    for (const struct list *at = w->resting.next; at != &w->resting; at = at->next) {
        uint64_t until_ms = LIST_OF(at, struct desk_task, of_resting)->rests_until_ms;
        uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        first_ms = left_ms < first_ms ? left_ms : first_ms;
    }
    return first_ms;
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
