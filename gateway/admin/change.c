#include "gateway/admin/change.h"

#include "core/base/assert.h"
#include "core/policing.h"

#include <stdlib.h>

#define SLICE 512u /* calls that a worker issues between two of its turns */

static void issue(struct desk_task *task, struct client *client);
static void issue_one(struct client *client, uint64_t ticket, const struct change_call *call);
static void go_on(struct change *c);
static void note_refusal(struct change *c, const struct change_call *call, const struct answer *a);
static void describe(const struct change_call *call, struct text *to);

struct change *change_new(struct broker *b, uint64_t ticket)
{
    struct change *c = calloc(1, sizeof *c);

    SL_ASSERT(c != NULL);
    c->task.run = issue;
    c->broker = b;
    c->ticket = ticket;
    c->status = 204;
    c->reasons = text_on(c->room_for_reasons, sizeof c->room_for_reasons);
    arena_init(&c->arena);
    return c;
}

void change_free(struct change *c)
{
    arena_deinit(&c->arena);
    free(c->calls);
    free(c);
}

struct sl_bytes change_keep(struct change *c, struct sl_bytes bytes)
{
    uint8_t *at = arena_take(&c->arena, bytes.len + 1);

    SL_ASSERT(at != NULL); /* bounded by the request */
    if (bytes.len != 0)
        memcpy(at, bytes.at, bytes.len);
    at[bytes.len] = '\0';
    return (struct sl_bytes){at, bytes.len};
}

struct change_call *change_add(struct change *c, enum change_kind kind, uint32_t phase,
                               struct sl_bytes vhost)
{
    if (c->count == c->room) {
        c->room = c->room == 0 ? 8 : c->room * 2;
        c->calls = realloc(c->calls, c->room * sizeof *c->calls);
        SL_ASSERT(c->calls != NULL);
    }
    struct change_call *call = &c->calls[c->count++];
    *call = (struct change_call){.kind = kind, .phase = phase, .vhost = change_keep(c, vhost)};
    return call;
}

void change_add_account(struct change *c, uint32_t phase, const struct account_change *account)
{
    change_add(c, CHANGE_ACCOUNT, phase, account->vhost)->account = *account;
}

/* In a phase they stay as they came: what is said of one thing twice ends as it is said last. */
void change_sort(struct change *c)
{
    struct change_call *sorted = malloc((c->count + 1) * sizeof *sorted);
    size_t n = 0;

    SL_ASSERT(sorted != NULL);
    for (uint32_t phase = 0; n < c->count; phase++)
        for (size_t i = 0; i < c->count; i++)
            if (c->calls[i].phase == phase)
                sorted[n++] = c->calls[i];
    free(c->calls);
    c->calls = sorted;
    c->room = c->count + 1;
}

void change_begin(struct change *c)
{
    go_on(c);
}

void change_take(struct change *c, const struct answer *a)
{
    if (a->ticket < c->ticket + c->from || a->ticket >= c->ticket + c->to || c->waiting == 0)
        return;
    if (a->err != SL_OK)
        note_refusal(c, &c->calls[a->ticket - c->ticket], a);
    if (--c->waiting == 0)
        go_on(c);
}

static void issue(struct desk_task *task, struct client *client)
{
    const struct change *c = (const struct change *)task;

    for (size_t i = c->from; i < c->to; i++)
        issue_one(client, c->ticket + i, &c->calls[i]);
}

static void issue_one(struct client *client, uint64_t ticket, const struct change_call *call)
{
    char room[512];
    struct text reason = text_on(room, sizeof room);

    if (call->kind == CHANGE_ACCOUNT) {
        broker_change_account(client, ticket, &call->account);
        return;
    }
    if (broker_open_vhost(client, call->vhost) != SL_OK) {
        text_add(&reason, "no vhost '");
        text_add_bytes(&reason, call->vhost);
        text_add(&reason, "'");
        desk_answer(client, ticket, SL_ENOENT, room);
        return;
    }
    switch (call->kind) {
    case CHANGE_DECLARE_EXCHANGE: broker_declare_exchange(client, ticket, &call->exchange); break;
    case CHANGE_DECLARE_QUEUE: broker_declare_queue(client, ticket, &call->queue, ""); break;
    case CHANGE_BIND: broker_bind(client, ticket, &call->binding); break;
    case CHANGE_UNBIND: broker_unbind(client, ticket, &call->binding); break;
    case CHANGE_DELETE_EXCHANGE:
        broker_delete_exchange(client, ticket, call->name, call->if_unused);
        break;
    case CHANGE_DELETE_QUEUE:
        broker_delete_queue(client, ticket, call->name, call->if_unused, call->if_empty);
        break;
    case CHANGE_SET_POLICY: policing_set(client, ticket, &call->policy); break;
    case CHANGE_CLEAR_POLICY:
        policing_clear(client, ticket, call->policy.vhost, call->policy.is_operator,
                       call->policy.name);
        break;
    case CHANGE_PURGE_QUEUE: broker_purge_queue(client, ticket, call->name); break;
    case CHANGE_ACCOUNT: break; /* above: it is in no virtual host */
    case CHANGE_COMMIT:
        broker_decide(client, ticket, call->user, call->name, VERDICT_COMMIT);
        break;
    case CHANGE_ROLLBACK:
        broker_decide(client, ticket, call->user, call->name, VERDICT_ROLLBACK);
        break;
    }
}

static void go_on(struct change *c)
{
    c->from = c->to;
    if (c->from == c->count)
        return;
    if (c->refused != 0 && c->calls[c->from].phase != c->calls[c->from - 1].phase)
        return;
    while (c->to < c->count && c->to - c->from < SLICE &&
           c->calls[c->to].phase == c->calls[c->from].phase)
        c->to++;
    c->waiting = c->to - c->from;
    desk_run(c->broker, &c->task);
}

static void note_refusal(struct change *c, const struct change_call *call, const struct answer *a)
{
    if (c->refused++ == 0)
        c->err = a->err;
    else
        text_add(&c->reasons, "; ");
    if (c->count > 1 || c->tells_which) {
        describe(call, &c->reasons);
        text_add(&c->reasons, ": ");
    }
    text_add(&c->reasons, "%s", a->reason == NULL ? "refused" : a->reason);
}

static void describe(const struct change_call *call, struct text *to)
{
    static const char *const WORDS[] = {
        [CHANGE_DECLARE_EXCHANGE] = "exchange", [CHANGE_DECLARE_QUEUE] = "queue",
        [CHANGE_BIND] = "binding of",           [CHANGE_UNBIND] = "binding of",
        [CHANGE_DELETE_EXCHANGE] = "exchange",  [CHANGE_DELETE_QUEUE] = "queue",
        [CHANGE_PURGE_QUEUE] = "queue",         [CHANGE_SET_POLICY] = "policy",
        [CHANGE_CLEAR_POLICY] = "policy",       [CHANGE_COMMIT] = "prepared message",
        [CHANGE_ROLLBACK] = "prepared message", [CHANGE_ACCOUNT] = "user",
    };
    struct sl_bytes name = call->kind == CHANGE_DECLARE_EXCHANGE ? call->exchange.name
                           : call->kind == CHANGE_DECLARE_QUEUE  ? call->queue.name
                           : call->kind == CHANGE_SET_POLICY || call->kind == CHANGE_CLEAR_POLICY
                               ? call->policy.name
                           : call->kind == CHANGE_ACCOUNT ? call->account.user
                           : call->kind == CHANGE_BIND || call->kind == CHANGE_UNBIND
                               ? call->binding.destination
                               : call->name;

    text_add(to, "%s '", WORDS[call->kind]);
    text_add_bytes(to, name);
    text_add(to, "' in vhost '");
    text_add_bytes(to, call->vhost);
    text_add(to, "'");
}
