#include "protocols/stomp/session.h"

#include "core/identity.h"
#include "protocols/stomp/browser.h"
#include "protocols/stomp/connect.h"
#include "protocols/stomp/describe.h"
#include "protocols/stomp/direct_reply.h"
#include "protocols/stomp/encode.h"
#include "protocols/stomp/input.h"
#include "protocols/stomp/operation.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/subscription.h"
#include "protocols/stomp/transaction.h"

#include <stdlib.h>

#define LEADING_EOLS_MAX 64u /* more empty lines than this, and it is STOMP all the same */

static enum sniff sniff(struct sl_bytes first);
static void on_open(struct session *base);
static void on_bytes(struct session *base, struct sl_bytes in, size_t *used);
static void on_deliveries(struct session *base, const struct delivery *items, uint32_t count);
static void on_answer(struct session *base, struct answer *a);
static void on_cancelled(struct session *base, uint32_t cookie);
static void on_overdue(struct session *base, const struct overdue_mail *mail);
static void on_confirmed(struct session *base, uint64_t who, sl_tag upto, bool is_refused);
static void after_receipts(struct stomp_session *s);
static void on_deadline(struct session *base);
static void on_pressure(struct session *base);
static void on_written(struct session *base);
static void on_end_of_input(struct session *base);
static void on_shutdown(struct session *base);
static void on_eviction(struct session *base, const char *reason);
static void on_close(struct session *base);
static void leave_when_done(struct stomp_session *s);

const struct protocol stomp_protocol = {
    .name = "stomp",
    .session_size = sizeof(struct stomp_session),
    .sniff = sniff,
    .open = on_open,
    .on_bytes = on_bytes,
    .on_deliveries = on_deliveries,
    .on_answer = on_answer,
    .on_cancelled = on_cancelled,
    .on_overdue = on_overdue,
    .on_confirmed = on_confirmed,
    .on_deadline = on_deadline,
    .on_pressure = on_pressure,
    .on_written = on_written,
    .on_end_of_input = on_end_of_input,
    .on_shutdown = on_shutdown,
    .on_eviction = on_eviction,
    .describe = stomp_describe,
    .close = on_close,
};

static enum sniff sniff(struct sl_bytes first)
{
    struct sl_reader r = sl_reader_of(first);
    bool is_whole = false;

    while (sl_reader_left(&r) != 0 && (*r.pos == '\n' || *r.pos == '\r'))
        sl_read_u8(&r);
    if (first.len - sl_reader_left(&r) > LEADING_EOLS_MAX)
        return SNIFF_YES;
    if (!stomp_command_may_begin((struct sl_bytes){r.pos, sl_reader_left(&r)}, &is_whole))
        return SNIFF_NO;
    return is_whole ? SNIFF_YES : SNIFF_MORE;
}

static void on_open(struct session *base)
{
    struct stomp_session *s = stomp_of(base);

    s->phase = STOMP_NEW;
    s->heartbeat.since_ms = base->env->now_ms;
    memcpy(s->name, STOMP_NAME_PREFIX, sizeof STOMP_NAME_PREFIX - 1);
    sl_random_name(s->name + sizeof STOMP_NAME_PREFIX - 1);
    settlement_init(&s->settlement);
    stomp_receipts_init(&s->receipts);
    list_init(&s->transactions);
    list_init(&s->browsers);
    stomp_heartbeat_schedule(s);
}

static void on_bytes(struct session *base, struct sl_bytes in, size_t *used)
{
    struct stomp_session *s = stomp_of(base);
    struct sl_reader r = sl_reader_of(in);

    while (sl_reader_left(&r) != 0 && stomp_read_some(s, &r)) {
    }
    *used = in.len - sl_reader_left(&r);
    if (base->is_ending || s->phase == STOMP_LEAVING)
        *used = in.len;
    stomp_receipts_ask(s);
    leave_when_done(s);
}

static void on_deliveries(struct session *base, const struct delivery *items, uint32_t count)
{
    stomp_on_deliveries(stomp_of(base), items, count);
}

static void on_answer(struct session *base, struct answer *a)
{
    struct stomp_session *s = stomp_of(base);

    if (base->is_ending)
        return;
    if (s->login != NULL) {
        stomp_connect_on_answer(s, a);
        return;
    }
    if ((a->ticket & STOMP_BROWSER_TICKET) != 0) {
        stomp_browser_on_answer(s, a);
        return;
    }
    if ((a->ticket & STOMP_VERDICT_TICKET) == 0) {
        stomp_operation_on_answer(s, a);
        return;
    }
    stomp_receipts_on_verdict(s, a);
    after_receipts(s);
}

static void on_cancelled(struct session *base, uint32_t cookie)
{
    if (!base->is_ending)
        stomp_subscription_on_cancelled(stomp_of(base), cookie);
}

/* A session is one channel to RabbitMQ's clients.  A subscription that has ended meanwhile keeps
 * nothing. */
static void on_overdue(struct session *base, const struct overdue_mail *mail)
{
    char room[256];
    struct text reason = text_on(room, sizeof room);

    if (base->is_ending || client_overdue(&base->client, mail) == NULL)
        return;
    text_add(&reason,
             "delivery acknowledgement on channel 1 timed out. Timeout value used: %llu ms. "
             "This timeout value can be configured, see consumers doc guide to learn more",
             (unsigned long long)mail->timeout_ms);
    stomp_fail_with(stomp_of(base), STOMP_NO_RECEIPT, SL_EPRECOND, room);
}

static void on_confirmed(struct session *base, uint64_t who, sl_tag upto, bool is_refused)
{
    struct stomp_session *s = stomp_of(base);

    (void)who, (void)is_refused; /* there is one, and it is told of refusals at once */
    if (base->is_ending)
        return;
    stomp_receipts_on_confirmed(s, upto);
    after_receipts(s);
}

static void after_receipts(struct stomp_session *s)
{
    if (s->receipts.is_asked_for && stomp_receipts_are_empty(&s->receipts)) {
        s->receipts.is_asked_for = false;
        session_resume(&s->base);
    }
    leave_when_done(s);
}

static void on_deadline(struct session *base)
{
    stomp_heartbeat_on_deadline(stomp_of(base));
}

static void on_pressure(struct session *base)
{
    struct stomp_session *s = stomp_of(base);

    if (!base->is_held || broker_is_held(&base->client))
        return;
    s->heartbeat.since_ms = base->env->now_ms; /* while held nothing was read */
    s->body.is_excused = true;
    session_resume(base);
}

static void on_written(struct session *base)
{
    stomp_browser_on_written(stomp_of(base));
}

/* As after a DISCONNECT without a receipt. */
static void on_end_of_input(struct session *base)
{
    struct stomp_session *s = stomp_of(base);

    if (s->body.is_open && s->body.is_kept)
        stomp_publication_drop(&s->send->publication);
    s->body.is_open = false;
    s->phase = STOMP_LEAVING;
    leave_when_done(s);
}

static void on_shutdown(struct session *base)
{
    if (base->is_ending)
        return;
    stomp_fail(stomp_of(base), STOMP_NO_RECEIPT, "CONNECTION_FORCED",
               "broker forced connection closure with reason 'shutdown'");
}

static void on_eviction(struct session *base, const char *reason)
{
    if (!base->is_ending)
        stomp_fail(stomp_of(base), STOMP_NO_RECEIPT, "CONNECTION_FORCED", reason);
}

static void on_close(struct session *base)
{
    struct stomp_session *s = stomp_of(base);

    stomp_transactions_deinit(s);
    stomp_operation_drop(s);
    if (s->login != NULL)
        identity_forget(&base->client);
    free(s->login);
    s->login = NULL;
    broker_client_close(&base->client);
    stomp_subscriptions_deinit(s);
    settlement_deinit(&s->settlement);
    stomp_send_free(s);
    stomp_direct_reply_free(s);
    stomp_receipts_deinit(&s->receipts);
    free(s->user);
    free(s->cluster_id);
    free(s->client_id);
    s->user = NULL;
}

/* After DISCONNECT nothing but receipts goes out; the last of them is its own.  What the peer held
 * is free again before it reads that. */
static void leave_when_done(struct stomp_session *s)
{
    if (s->phase != STOMP_LEAVING || s->base.is_ending || !stomp_receipts_are_empty(&s->receipts))
        return;
    broker_client_close(&s->base.client);
    session_end(&s->base);
}
