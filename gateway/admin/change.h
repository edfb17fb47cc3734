/*
 * change.h - a row of changes that administration asks of the broker, carried out in steps.
 *
 * Calls are gathered on main, then issued by a task of the desk (core/desk.h), a slice at a time, so
 * that a long import does not keep a worker from its clients.  Calls of one phase may be carried
 * out in any order; the next phase begins when all answers of the one before are in, and does not
 * begin when one of them was a refusal.
 *
 * Thread: main, but for the task.
 */
#ifndef SLUICE_GATEWAY_ADMIN_CHANGE_H
#define SLUICE_GATEWAY_ADMIN_CHANGE_H

#include "core/account_change.h"
#include "core/base/arena.h"
#include "core/desk.h"
#include "core/policy.h"

#define CHANGE_REASON_BYTES_MAX 4096u

enum change_kind {
    CHANGE_DECLARE_EXCHANGE,
    CHANGE_DECLARE_QUEUE,
    CHANGE_BIND,
    CHANGE_DELETE_EXCHANGE,
    CHANGE_DELETE_QUEUE,
    CHANGE_PURGE_QUEUE,
    CHANGE_UNBIND,
    CHANGE_SET_POLICY,
    CHANGE_CLEAR_POLICY,
    CHANGE_ACCOUNT,
    CHANGE_COMMIT,
    CHANGE_ROLLBACK,
};

struct change_call { /* what it points to stays as long as the change: change_keep */
    enum change_kind kind;
    uint32_t phase; /* growing */
    struct sl_bytes vhost;
    struct sl_bytes name; /* DELETE, PURGE; of COMMIT and ROLLBACK the id */
    struct sl_bytes user; /* COMMIT, ROLLBACK */
    bool if_unused;
    bool if_empty;
    struct exchange_declaration exchange;
    struct queue_declaration queue;
    struct binding_request binding;
    struct policy_definition policy; /* CLEAR: its names only */
    struct account_change account;
};

struct change {
    struct desk_task task; /* first: the task is its change */
    struct broker *broker; /* borrowed */
    struct arena arena;
    struct change_call *calls;
    size_t count, room;
    uint64_t ticket;  /* of calls[0] */
    size_t from, to;  /* what the task issues */
    size_t waiting;   /* answers that are out */
    unsigned status;  /* of HTTP when all went well */
    bool tells_which; /* reasons name what was refused, also when it was all that was asked */
    size_t refused;
    enum sl_err err; /* of the first refusal */
    char room_for_reasons[CHANGE_REASON_BYTES_MAX];
    struct text reasons; /* one line each, as far as there is room */
};

/* Aborts without memory: our own size. */
struct change *change_new(struct broker *b, uint64_t ticket);
void change_free(struct change *c); /* no answer is out */

/* Copies of bytes, as long as the change; a NUL stands behind them. */
struct sl_bytes change_keep(struct change *c, struct sl_bytes bytes);
/* Lends the next call, zeroed but for these. */
struct change_call *change_add(struct change *c, enum change_kind kind, uint32_t phase,
                               struct sl_bytes vhost);

void change_add_account(struct change *c, uint32_t phase, const struct account_change *account);

/* Puts the calls in the order of their phases. */
void change_sort(struct change *c);

/* Issues what can be issued. */
void change_begin(struct change *c);
/* An answer came, which stays the caller's; one to another change is passed over. */
void change_take(struct change *c, const struct answer *a);
static inline bool change_is_done(const struct change *c)
{
    return c->waiting == 0;
}

#endif
