/* queue_request.c - the part of broker.h that declares, deletes and purges queues.
 *
 * They are their shard's business: these calls look at what is asked, and carry it there. */
#include "core/broker.h"

#include "core/base/assert.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "core/cluster_queue.h"
#include "core/direct_reply.h"
#include "core/permission.h"
#include "core/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct shard_command *declaration_command(struct client *c, uint64_t ticket,
                                                 const struct queue_declaration *d);
static void answer_reply_declared(struct client *c, uint64_t ticket, struct sl_bytes name);
static enum sl_err may_make(const struct client *c, const struct queue_declaration *d,
                            struct text *reason);
static bool may_subscribe(struct client *c, uint64_t ticket, struct sl_bytes own);
static void send_to_queue(struct client *c, struct shard_command *command);

void broker_declare_queue(struct client *c, uint64_t ticket, const struct queue_declaration *d,
                          const char *name_prefix)
{
    struct cluster_name cluster;
    char made_up[64];
    struct sl_bytes name = d->name;
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (name.len == 0) {
        char random[SL_RANDOM_NAME_CHARS + 1];
        sl_random_name(random);
        snprintf(made_up, sizeof made_up, "%s%s", name_prefix, random);
        name = sl_bytes_of(made_up);
    } else if (direct_reply_is_like(name)) {
        answer_reply_declared(c, ticket, name);
        return;
    }
    bool is_cluster = d->is_cluster;
    if (!is_cluster && !request_resolve(c, ticket, &name, &cluster, &is_cluster))
        return;
    struct queue_declaration named = *d;
    named.name = name;
    if (is_cluster && !d->is_passive && !may_subscribe(c, ticket, name))
        return;
    if (!is_cluster &&
        request_is_refused(c, ticket, permission_to_declare_queue(c, &named, &reason), &reason))
        return;
    named.is_cluster = is_cluster;
    named.may_be_reserved = d->may_be_reserved || d->name.len == 0;
    if (may_make(c, &named, &reason) != SL_OK)
        named.refusal = room;
    send_to_queue(c, declaration_command(c, ticket, &named));
}

void broker_delete_queue(struct client *c, uint64_t ticket, struct sl_bytes name, bool if_unused,
                         bool if_empty)
{
    struct cluster_name cluster;
    bool is_cluster;
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (!request_resolve(c, ticket, &name, &cluster, &is_cluster) ||
        request_is_refused(
            c, ticket, permission_to_use_queue(c, PERMISSION_CONFIGURE, name, &reason), &reason))
        return;
    struct shard_command *command = request_about(c, COMMAND_DELETE, ticket, name, 0);
    command->if_unused = if_unused;
    command->if_empty = if_empty;
    send_to_queue(c, command);
}

void broker_purge_queue(struct client *c, uint64_t ticket, struct sl_bytes name)
{
    struct cluster_name cluster;
    bool is_cluster;
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (!request_resolve(c, ticket, &name, &cluster, &is_cluster) ||
        request_is_refused(c, ticket, permission_to_use_queue(c, PERMISSION_READ, name, &reason),
                           &reason))
        return;
    send_to_queue(c, request_about(c, COMMAND_PURGE, ticket, name, 0));
}

/* With what the declaration points to. */
static struct shard_command *declaration_command(struct client *c, uint64_t ticket,
                                                 const struct queue_declaration *d)
{
    size_t words = d->refusal == NULL ? 0 : strlen(d->refusal) + 1;
    struct shard_command *command =
        request_about(c, COMMAND_DECLARE, ticket, d->name, d->arguments.len + words);
    struct sl_bytes name = command->declaration.name;
    uint8_t *at = command->text + name.len;

    command->declaration = *d;
    command->declaration.name = name;
    if (d->arguments.len != 0) {
        memcpy(at, d->arguments.at, d->arguments.len);
        command->declaration.arguments = (struct sl_bytes){at, d->arguments.len};
        at += d->arguments.len;
    }
    if (words != 0) {
        memcpy(at, d->refusal, words);
        command->declaration.refusal = (const char *)at;
    }
    return command;
}

/* It is there with its consumer, or it is not. */
static void answer_reply_declared(struct client *c, uint64_t ticket, struct sl_bytes name)
{
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    if (request_is_refused(
            c, ticket,
            direct_reply_find(broker_topology(c->worker->broker), c->vhost, name, &reason),
            &reason))
        return;
    struct answer *a = answer_new(c->handle, ticket);
    a->name = malloc(name.len);
    SL_ASSERT(a->name != NULL);
    memcpy(a->name, name.at, name.len);
    a->name_len = name.len;
    a->consumers = 1;
    request_answer(c, a);
}

static enum sl_err may_make(const struct client *c, const struct queue_declaration *d,
                            struct text *reason)
{
    if (d->is_cluster && !d->is_passive)
        SL_TRY(cluster_queue_check_making(c, d->name, reason));
    return permission_to_make_queue(c, d, reason);
}

/* False: it may not, and the ticket is answered so. */
static bool may_subscribe(struct client *c, uint64_t ticket, struct sl_bytes own)
{
    char room[REQUEST_REASON_BYTES];
    struct text reason = text_on(room, sizeof room);

    return !request_is_refused(c, ticket, cluster_queue_check_access(c, own, &reason), &reason);
}

/* The shard decides by the name alone, so that it also serves what does not exist. */
static void send_to_queue(struct client *c, struct shard_command *command)
{
    request_send(c, request_shard(c, command->declaration.name), command);
}
