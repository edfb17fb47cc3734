/* subscription.c - a session in the core (client.h) and what it consumes. */
#include "core/client.h"

#include "core/access.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/broker.h"
#include "core/direct_reply.h"
#include "core/permission.h"
#include "core/request.h"

#include <stdlib.h>
#include <string.h>

/* A cookie is a slot and the low bits of its generation: enough that a delivery which was on
 * its way when its subscription ended does not reach the next tenant. */
#define COOKIE_SLOT_BITS 20
#define COOKIE_SLOT_MASK ((1u << COOKIE_SLOT_BITS) - 1)
_Static_assert(SL_CONSUMERS_PER_SESSION_MAX == 1u << COOKIE_SLOT_BITS, "see limits.h");

static struct subscription *subscription_new(struct client *c, void *context);
static bool is_refused(struct client *c, uint64_t ticket, struct sl_bytes queue);
static void poke(struct client *c, uint64_t shards);

void broker_client_init(struct client *c, struct broker_worker *w, struct sl_handle handle)
{
    *c = (struct client){.worker = w,
                         .handle = handle,
                         .user = SL_BYTES_LITERAL("guest"),
                         .window = session_window_new()};
}

void broker_client_close(struct client *c)
{
    uint32_t cursor = 0;
    struct subscription *s;

    if (c->is_closed)
        return;
    c->is_closed = true;
    for (uint32_t i = 0; i < c->worker->run.lanes_count; i++)
        if (c->shards >> i & 1)
            request_send(c, i, shard_command_new(COMMAND_GOODBYE, c->handle, 0, 0));
    while ((s = slot_table_next(&c->subscriptions, &cursor)) != NULL)
        free(s);
    slot_table_deinit(&c->subscriptions);
    session_window_unref(c->window);
    c->window = NULL;
    if (c->access != NULL)
        access_leave(c->access);
}

void broker_client_written(struct client *c, uint64_t written)
{
    poke(c, session_window_written(c->window, written));
}

struct subscription *client_subscription(const struct client *c, uint32_t cookie)
{
    uint32_t slot = cookie & COOKIE_SLOT_MASK;

    if (slot >= c->subscriptions.room)
        return NULL;
    struct subscription *s = c->subscriptions.slots[slot].object;
    return s != NULL && s->cookie == cookie ? s : NULL;
}

struct subscription *client_overdue(const struct client *c, const struct overdue_mail *mail)
{
    const struct consumer_ref *consumer = &mail->consumer;
    uint32_t cursor = 0;
    struct subscription *s;

    if (!mail->is_getter)
        return client_subscription(c, mail->cookie);
    while ((s = slot_table_next(&c->subscriptions, &cursor)) != NULL)
        if (s->is_getter && s->consumer.shard == consumer->shard &&
            s->consumer.at.slot == consumer->at.slot &&
            s->consumer.at.generation == consumer->at.generation)
            return s;
    return NULL;
}

struct subscription *broker_subscribe(struct client *c, uint64_t ticket,
                                      const struct subscribe_options *options)
{
    struct subscription *s = subscription_new(c, options->context);
    struct sl_bytes queue = options->queue;
    struct cluster_name cluster;
    bool is_cluster;

    if (s == NULL)
        return NULL;
    s->is_no_ack = options->is_no_ack;
    if (!request_resolve(c, ticket, &queue, &cluster, &is_cluster) || is_refused(c, ticket, queue))
        return s;

    struct shard_command *command = request_about(c, COMMAND_SUBSCRIBE, ticket, queue, 0);
    command->cookie = s->cookie;
    command->prefetch = options->prefetch;
    command->priority = options->priority;
    if (options->timeout_ms != NULL)
        command->timeout_ms = *options->timeout_ms;
    command->is_no_ack = options->is_no_ack;
    command->is_exclusive = options->is_exclusive;
    if (options->group != NULL)
        command->group = credit_group_ref(options->group);
    request_send(c, request_shard(c, queue), command);
    return s;
}

struct subscription *broker_subscribe_replies(struct client *c, uint64_t ticket, void *context,
                                              char *address)
{
    struct subscription *s = subscription_new(c, context);

    if (s == NULL)
        return NULL;
    direct_reply_make_address(address);
    s->is_no_ack = true;
    struct sl_bytes name = sl_bytes_of(address);
    struct shard_command *command = request_about(c, COMMAND_SUBSCRIBE, ticket, name, 0);
    command->cookie = s->cookie;
    command->is_no_ack = true;
    command->is_reply = true;
    request_send(c, request_shard(c, name), command);
    return s;
}

void broker_cancel(struct client *c, uint64_t ticket, struct subscription *s)
{
    struct shard_command *command = shard_command_new(COMMAND_CANCEL, c->handle, ticket, 0);

    command->consumer = s->consumer.at;
    request_send(c, s->consumer.shard, command);
}

void broker_drop(struct client *c, struct subscription *s)
{
    struct shard_command *command = shard_command_new(COMMAND_DROP, c->handle, 0, 0);

    command->consumer = s->consumer.at;
    request_send(c, s->consumer.shard, command);
    subscription_free(s);
}

void subscription_free(struct subscription *s)
{
    struct slot_ref ref = {s->cookie & COOKIE_SLOT_MASK, 0};

    ref.generation = s->client->subscriptions.slots[ref.slot].generation;
    SL_ASSERT(slot_table_get(&s->client->subscriptions, ref) == s);
    slot_table_remove(&s->client->subscriptions, ref);
    free(s);
}

void broker_join_group(struct client *c, struct subscription *s, struct credit_group *group)
{
    struct shard_command *command = shard_command_new(COMMAND_JOIN, c->handle, 0, 0);

    command->consumer = s->consumer.at;
    command->group = credit_group_ref(group);
    request_send(c, s->consumer.shard, command);
}

void broker_set_group_limit(struct client *c, struct credit_group *group, uint32_t limit)
{
    poke(c, credit_group_set_limit(group, limit));
}

void broker_get(struct client *c, uint64_t ticket, struct sl_bytes queue, bool is_no_ack)
{
    struct cluster_name cluster;
    bool is_cluster;

    if (!request_resolve(c, ticket, &queue, &cluster, &is_cluster) || is_refused(c, ticket, queue))
        return;
    struct shard_command *command = request_about(c, COMMAND_GET, ticket, queue, 0);
    command->is_no_ack = is_no_ack;
    request_send(c, request_shard(c, queue), command);
}

void broker_browse(struct client *c, uint64_t ticket, struct sl_bytes queue,
                   const struct browse_cursor *from)
{
    struct cluster_name cluster;
    bool is_cluster;

    if (!request_resolve(c, ticket, &queue, &cluster, &is_cluster) || is_refused(c, ticket, queue))
        return;
    struct shard_command *command = request_about(c, COMMAND_BROWSE, ticket, queue, 0);
    command->browse = *from;
    request_send(c, request_shard(c, queue), command);
}

struct subscription *broker_getter(struct client *c, const struct answer *a)
{
    struct subscription *s = subscription_new(c, NULL);

    if (s == NULL)
        return NULL;
    subscription_begin(s, a);
    s->is_getter = true;
    return s;
}

void subscription_begin(struct subscription *s, const struct answer *a)
{
    s->consumer = a->consumer;
    s->queue_number = a->queue_number;
}

static struct subscription *subscription_new(struct client *c, void *context)
{
    struct subscription *s = NULL;
    struct slot_ref ref;

    if (c->subscriptions.count >= SL_CONSUMERS_PER_SESSION_MAX)
        return NULL;
    s = calloc(1, sizeof *s);
    if (s == NULL || slot_table_put(&c->subscriptions, s, &ref) != SL_OK) {
        free(s);
        return NULL;
    }
    s->client = c;
    s->cookie = ref.generation << COOKIE_SLOT_BITS | ref.slot;
    s->context = context;
    return s;
}

/* Reading from the queue; where it is refused, the answer is on its way. */
static bool is_refused(struct client *c, uint64_t ticket, struct sl_bytes queue)
{
    char room[BROKER_REFUSAL_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);

    if (permission_to_use_queue(c, PERMISSION_READ, queue, &reason) == SL_OK)
        return false;
    struct answer *a = answer_new(c->handle, ticket);
    a->err = SL_EDENIED;
    a->is_forbidden = true;
    a->reason = strdup(room);
    mail_chain_add(&c->worker->pending, &a->mail.node);
    return true;
}

static void poke(struct client *c, uint64_t shards)
{
    for (uint32_t i = 0; shards != 0; i++, shards >>= 1)
        if (shards & 1)
            request_send(c, i, shard_command_new(COMMAND_POKE, c->handle, 0, 0));
}
