#include "protocols/stomp/transaction.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/text.h"
#include "core/transaction.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/session.h"

#include <stdlib.h>

#define SETTLES_FIRST 8u

struct settle {
    sl_tag tag;
    enum settle_verdict verdict;
    bool is_cumulative;
};

struct stomp_transaction {
    struct list of_session;
    struct transaction waiting; /* counts the settles too */
    struct settle *settles;
    uint32_t settles_room;
    size_t name_len;
    uint8_t name[];
};

static struct stomp_transaction *find(struct stomp_session *s, struct sl_bytes name);
static bool read_name(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *name);
static bool is_possible(struct stomp_session *s, struct stomp_transaction *t,
                        struct sl_bytes receipt);
static bool are_out(const struct stomp_session *s, const struct stomp_transaction *t);
static void take_effect(struct stomp_session *s, struct stomp_transaction *t);
static void settle(struct stomp_session *s, const struct settle *settle);
static void refuse_too_large(struct stomp_session *s, struct sl_bytes receipt);
static void drop(struct stomp_session *s, struct stomp_transaction *t);

bool stomp_on_begin(struct stomp_session *s, const struct stomp_frame *f)
{
    struct stomp_transaction *t;
    struct sl_bytes name;

    if (!read_name(s, f, &name))
        return true;
    if ((t = find(s, name)) != NULL)
        drop(s, t); /* beginning again begins anew */
    if (s->transactions_count == SL_STOMP_TRANSACTIONS_MAX) {
        stomp_refuse(s, f->receipt, "Transaction limit exceeded",
                     "Too many concurrent transactions (limit 16)");
        return true;
    }
    t = calloc(1, sizeof *t + name.len);
    if (t == NULL) {
        stomp_fail_with(s, f->receipt, SL_ENOMEM, "out of memory");
        return true;
    }
    t->name_len = name.len;
    if (name.len != 0)
        memcpy(t->name, name.at, name.len);
    list_push(&s->transactions, &t->of_session);
    s->transactions_count++;
    stomp_receipts_owe_next(s, f->receipt);
    return true;
}

bool stomp_on_commit(struct stomp_session *s, const struct stomp_frame *f)
{
    struct stomp_transaction *t = stomp_transaction_of(s, f);

    if (t == NULL)
        return true;
    if (is_possible(s, t, f->receipt)) {
        take_effect(s, t);
        stomp_receipts_owe(s, f->receipt);
    }
    drop(s, t);
    return true;
}

bool stomp_on_abort(struct stomp_session *s, const struct stomp_frame *f)
{
    struct stomp_transaction *t = stomp_transaction_of(s, f);

    if (t == NULL)
        return true;
    drop(s, t);
    stomp_receipts_owe_next(s, f->receipt);
    return true;
}

struct stomp_transaction *stomp_transaction_of(struct stomp_session *s, const struct stomp_frame *f)
{
    struct stomp_transaction *t;
    struct sl_bytes name;

    if (!read_name(s, f, &name))
        return NULL;
    t = find(s, name);
    if (t == NULL)
        stomp_refuse_about(s, f->receipt, "Bad transaction", "Invalid transaction identifier: \"",
                           name, "\"");
    return t;
}

bool stomp_transaction_add_message(struct stomp_transaction *t, struct message *msg)
{
    return transaction_add_publish(&t->waiting, msg, false);
}

bool stomp_transaction_add_settle(struct stomp_transaction *t, sl_tag tag, bool is_cumulative,
                                  enum settle_verdict verdict)
{
    uint32_t count = t->waiting.settles;

    if (count == t->settles_room) {
        uint32_t room = count == 0 ? SETTLES_FIRST : count * 2;
        struct settle *settles = realloc(t->settles, room * sizeof *settles);

        if (settles == NULL)
            return false;
        t->settles = settles;
        t->settles_room = room;
    }
    t->settles[count] = (struct settle){tag, verdict, is_cumulative};
    return transaction_add_settle(&t->waiting);
}

void stomp_transaction_too_large(struct stomp_session *s, struct stomp_transaction *t,
                                 struct sl_bytes receipt)
{
    refuse_too_large(s, receipt);
    drop(s, t);
}

void stomp_transaction_spoil(struct stomp_session *s, const struct stomp_frame *f)
{
    struct sl_bytes name = stomp_value(&f->headers, "transaction");
    struct stomp_transaction *t = name.at == NULL ? NULL : find(s, name);

    if (t != NULL)
        drop(s, t);
}

void stomp_transactions_deinit(struct stomp_session *s)
{
    while (!list_is_empty(&s->transactions))
        drop(s, LIST_OF(s->transactions.next, struct stomp_transaction, of_session));
}

static struct stomp_transaction *find(struct stomp_session *s, struct sl_bytes name)
{
    for (struct list *l = s->transactions.next; l != &s->transactions; l = l->next) {
        struct stomp_transaction *t = LIST_OF(l, struct stomp_transaction, of_session);

        if (sl_bytes_equal((struct sl_bytes){t->name, t->name_len}, name))
            return t;
    }
    return NULL;
}

static bool read_name(struct stomp_session *s, const struct stomp_frame *f, struct sl_bytes *name)
{
    char room[64];
    struct text body = text_on(room, sizeof room);

    *name = stomp_value(&f->headers, "transaction");
    if (name->at != NULL)
        return true;
    text_add(&body, "'%s' must include a 'transaction' header", stomp_command_name(f->command));
    stomp_refuse(s, f->receipt, "Missing transaction", room);
    return false;
}

/* All of it is looked at before any of it is done. */
static bool is_possible(struct stomp_session *s, struct stomp_transaction *t,
                        struct sl_bytes receipt)
{
    char room[2 * SL_NAME_BYTES_MAX + 128];
    struct text reason = text_on(room, sizeof room);
    size_t loans = t->waiting.settles == 0 ? 0 : s->settlement.open;
    const struct message *at_fault = NULL;

    if (!are_out(s, t)) {
        stomp_refuse(s, receipt, "Message not found",
                     "A message of this transaction is not out any more");
        return false;
    }
    enum sl_err err = transaction_prepare(&t->waiting, &s->base.client, loans, &at_fault);
    if (err == SL_ETOOBIG) {
        refuse_too_large(s, receipt);
    } else if (err == SL_EFULL) {
        stomp_refuse_about(s, receipt, "Transaction refused", "transaction refused: queue '",
                           t->waiting.full->queue, "' is full");
    } else if (err == SL_ENOMEM) {
        stomp_refuse(s, receipt, "Transaction refused", "out of memory");
    } else if (err != SL_OK) {
        stomp_route_reason(s, err, message_exchange(at_fault), &reason);
        stomp_refuse(s, receipt, "Transaction refused", room);
    }
    return err == SL_OK;
}

static bool are_out(const struct stomp_session *s, const struct stomp_transaction *t)
{
    for (uint32_t i = 0; i < t->waiting.settles; i++)
        if (settlement_find(&s->settlement, t->settles[i].tag) == NULL)
            return false;
    return true;
}

static void take_effect(struct stomp_session *s, struct stomp_transaction *t)
{
    struct client *c = &s->base.client;

    if (transaction_is_empty(&t->waiting))
        return;
    broker_group_begin(c);
    for (uint32_t i = 0; i < t->waiting.settles; i++)
        settle(s, &t->settles[i]);
    transaction_publish_all(&t->waiting, c, NULL, NULL);
    broker_group_end(c);
}

/* A tag that the same transaction has settled already is passed by. */
static void settle(struct stomp_session *s, const struct settle *settle)
{
    struct client *c = &s->base.client;
    struct subscription *sub = settlement_find(&s->settlement, settle->tag);
    enum sl_err err = SL_OK;

    if (sub != NULL && settle->is_cumulative)
        err = settlement_settle_of(&s->settlement, c, sub, settle->tag, settle->verdict);
    else if (sub != NULL)
        err = settlement_settle(&s->settlement, c, settle->tag, false, settle->verdict);
    SL_ASSERT(err == SL_OK);
}

static void refuse_too_large(struct stomp_session *s, struct sl_bytes receipt)
{
    stomp_refuse(s, receipt, "Transaction too large",
                 "Too much in one transaction (limit 10000 actions, 64 MiB)");
}

static void drop(struct stomp_session *s, struct stomp_transaction *t)
{
    transaction_clear(&t->waiting);
    list_remove(&t->of_session);
    s->transactions_count--;
    free(t->settles);
    free(t);
}
