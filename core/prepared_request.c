/* prepared_request.c - the session's side of prepared.h: what is asked is looked at, and goes to
 * the shard that knows. */
#include "core/prepared_parts.h"

#include "core/access.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/broker.h"
#include "core/pace.h"
#include "core/permission.h"
#include "core/properties.h"
#include "core/request.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 1024

static enum sl_err ask_to_prepare(struct client *c, const struct message *msg,
                                  struct prepared_request **out, struct text *reason);
static enum sl_err ask_to_decide(struct client *c, const struct message *msg,
                                 struct prepared_request **out, struct text *reason);
static enum sl_err check_destinations(struct client *c, const struct message *msg,
                                      const struct prepared_form *form, struct text *reason);
static enum sl_err may_publish(struct client *c, struct sl_bytes exchange, struct sl_bytes key,
                               struct text *reason);
static enum sl_err may_write(struct client *c, struct sl_bytes exchange, struct text *reason);
static void declare_queues(struct client *c);
static struct prepared_request *request_new(struct sl_bytes user, struct sl_bytes id,
                                            struct sl_bytes check);
static void send(struct client *c, uint64_t ticket, struct prepared_request *r);

bool broker_is_prepared_step(const struct message *msg)
{
    return (msg->marks & MARK_PREPARE) != 0 ||
           sl_bytes_are(message_exchange(msg), PREPARED_EXCHANGE);
}

void broker_prepared_step(struct client *c, uint64_t ticket, struct message *msg)
{
    struct prepared_request *r = NULL;
    char room[REASON_BYTES_MAX] = "";
    struct text reason = text_on(room, sizeof room);
    bool is_outcome = sl_bytes_are(message_exchange(msg), PREPARED_EXCHANGE);
    enum sl_err err = is_outcome ? ask_to_decide(c, msg, &r, &reason)
                                 : ask_to_prepare(c, msg, &r, &reason);

    if (c->access != NULL && c->access->is_paced)
        pace_pay(c, message_body(msg).len);
    message_unref(msg);
    if (err == SL_OK) {
        r->is_confirmed = true;
        send(c, ticket, r);
        return;
    }
    struct answer *a = answer_new(c->handle, ticket);
    a->err = err;
    a->reason = strdup(room);
    SL_ASSERT(a->reason != NULL);
    mail_chain_add(&c->worker->pending, &a->mail.node);
}

void broker_decide(struct client *c, uint64_t ticket, struct sl_bytes user, struct sl_bytes id,
                   enum verdict verdict)
{
    struct prepared_request *r = request_new(user, id, (struct sl_bytes){NULL, 0});

    SL_ASSERT(user.len <= SL_NAME_BYTES_MAX && id.len <= SL_NAME_BYTES_MAX);
    r->step = PREPARED_DECIDE;
    r->verdict = verdict;
    send(c, ticket, r);
}

void prepared_declare_queue(struct run *run, uint32_t shard, struct vhost *v, struct sl_bytes name)
{
    struct shard_command *command =
        shard_command_new(COMMAND_DECLARE, (struct sl_handle){0, 0, 0}, 0, name.len);

    memcpy(command->text, name.at, name.len);
    command->vhost = v;
    command->declaration = (struct queue_declaration){
        .name = {command->text, name.len}, .is_durable = true, .is_own = true};
    *run_add(run, shard) = (struct lane_item){.kind = LANE_COMMAND, .command = command};
}

bool prepared_has_queue(struct shard *s, struct vhost *v, struct sl_bytes name)
{
    topology_lock(s->topology);
    bool is_there = topology_queue(v, name) != NULL;
    topology_unlock(s->topology);
    return is_there;
}

static enum sl_err ask_to_prepare(struct client *c, const struct message *msg,
                                  struct prepared_request **out, struct text *reason)
{
    struct prepared_form form;

    SL_TRY(prepared_form_read(message_properties(msg), &form, reason));
    if (message_properties(msg).len + SL_PREPARED_HEADERS_BYTES > SL_PROPERTIES_BYTES_MAX) {
        text_add(reason, "the headers of a prepared message must leave room for those of its "
                         "checks");
        return SL_EPRECOND;
    }
    SL_TRY(check_destinations(c, msg, &form, reason));
    struct message *stored = prepared_stored(msg, c->user);
    if (stored == NULL)
        return SL_ENOMEM;
    *out = request_new(c->user, form.id, form.check);
    (*out)->step = PREPARED_PREPARE;
    (*out)->msg = stored;
    (*out)->has_timeout = form.has_timeout;
    (*out)->timeout_ms = form.timeout_ms;
    declare_queues(c);
    return SL_OK;
}

static enum sl_err ask_to_decide(struct client *c, const struct message *msg,
                                 struct prepared_request **out, struct text *reason)
{
    struct outcome_form form;

    if (message_key(msg).len == 0) {
        text_add(reason, "an outcome must name a prepared message: its id is empty");
        return SL_EPRECOND;
    }
    SL_TRY(outcome_form_read(message_properties(msg), &form, reason));
    if (form.user.at == NULL)
        form.user = c->user;
    if (!sl_bytes_equal(form.user, c->user))
        SL_TRY(may_write(c, SL_BYTES_LITERAL(PREPARED_EXCHANGE), reason));
    *out = request_new(form.user, message_key(msg), (struct sl_bytes){NULL, 0});
    (*out)->step = PREPARED_DECIDE;
    (*out)->verdict = form.verdict;
    return SL_OK;
}

/* Where it is to go was looked at by whoever found its route; here is where its checks go. */
static enum sl_err check_destinations(struct client *c, const struct message *msg,
                                      const struct prepared_form *form, struct text *reason)
{
    struct topology *t = broker_topology(c->worker->broker);
    struct sl_bytes exchange = {NULL, 0};
    struct sl_bytes key = SL_BYTES_LITERAL(PREPARED_CHECK_QUEUE);
    const char *missing = NULL;

    SL_TRY(may_publish(c, message_exchange(msg), message_key(msg), reason));
    if (form->check.len == 0)
        return SL_OK;
    SL_TRY(prepared_destination(form->check, &exchange, &key));
    topology_lock(t);
    const struct topology_queue *q = topology_queue(c->vhost, key);
    if (exchange.len != 0 && topology_exchange(c->vhost, exchange) == NULL)
        missing = "exchange";
    else if (exchange.len == 0 && (q == NULL || q->is_hidden))
        missing = "queue";
    topology_unlock(t);
    if (missing != NULL)
        return refusal_missing(
            (struct resource){missing, exchange.len != 0 ? exchange : key, c->vhost->name}, reason);
    if (sl_bytes_are(exchange, PREPARED_EXCHANGE)) {
        text_add(reason, "checks cannot go to exchange '" PREPARED_EXCHANGE "'");
        return SL_EPRECOND;
    }
    return may_publish(c, exchange, key, reason);
}

static enum sl_err may_publish(struct client *c, struct sl_bytes exchange, struct sl_bytes key,
                               struct text *reason)
{
    struct topology *t = broker_topology(c->worker->broker);

    SL_TRY(may_write(c, exchange, reason));
    topology_lock(t);
    const struct exchange *e = topology_exchange(c->vhost, exchange);
    bool is_topic = e != NULL && e->matching == EXCHANGE_TOPIC;
    topology_unlock(t);
    if (!is_topic)
        return SL_OK;
    return permission_check_topic(
        c, PERMISSION_WRITE, (struct resource){"exchange", exchange, c->vhost->name}, key, reason);
}

static enum sl_err may_write(struct client *c, struct sl_bytes exchange, struct text *reason)
{
    return permission_check(c, PERMISSION_WRITE,
                            (struct resource){"exchange", exchange, c->vhost->name}, reason);
}

/* For checks and for those that nobody answers: they are there from the first prepare on. */
static void declare_queues(struct client *c)
{
    static const char *const NAMES[] = {PREPARED_CHECK_QUEUE, PREPARED_EXPIRED_QUEUE};
    struct topology *t = broker_topology(c->worker->broker);

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct sl_bytes name = sl_bytes_of(NAMES[i]);
        topology_lock(t);
        bool is_there = topology_queue(c->vhost, name) != NULL;
        topology_unlock(t);
        if (!is_there)
            prepared_declare_queue(&c->worker->run, topology_shard(t, c->vhost, name), c->vhost,
                                   name);
    }
}

static struct prepared_request *request_new(struct sl_bytes user, struct sl_bytes id,
                                            struct sl_bytes check)
{
    struct prepared_request *r = calloc(1, sizeof *r + user.len + id.len + check.len);
    struct sl_bytes *texts[] = {&user, &id, &check};
    uint8_t *at;

    SL_ASSERT(r != NULL);
    at = r->text;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i]->len != 0)
            memcpy(at, texts[i]->at, texts[i]->len);
        texts[i]->at = at;
        at += texts[i]->len;
    }
    r->user = user;
    r->id = id;
    r->check = check;
    return r;
}

static void send(struct client *c, uint64_t ticket, struct prepared_request *r)
{
    struct shard_command *command = shard_command_new(COMMAND_PREPARED, c->handle, ticket, 0);

    command->vhost = c->vhost;
    command->prepared = r;
    request_send(c, request_shard(c, SL_BYTES_LITERAL(PREPARED_QUEUE)), command);
    c->worker->is_urgent = true;
}
