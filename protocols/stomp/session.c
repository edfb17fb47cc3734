#include "protocols/stomp/session.h"

#include "core/base/limits.h"
#include "core/identity.h"
#include "protocols/stomp/ack.h"
#include "protocols/stomp/browser.h"
#include "protocols/stomp/connect.h"
#include "protocols/stomp/describe.h"
#include "protocols/stomp/direct_reply.h"
#include "protocols/stomp/encode.h"
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

static bool read_some(struct stomp_session *s, struct sl_reader *in);
static bool read_frame(struct stomp_session *s, struct sl_reader *in);
static bool decode(struct stomp_session *s, struct sl_bytes in, struct stomp_frame *frame,
                   size_t *used);
static bool has_body(const struct stomp_frame *f);
static bool find_end(struct stomp_session *s, struct sl_bytes in, size_t *used);
static bool handle(struct stomp_session *s, const struct stomp_frame *f);
static bool read_body(struct stomp_session *s, struct sl_reader *in);
static bool end_body(struct stomp_session *s, uint8_t last);
static struct sl_bytes body_receipt(const struct stomp_session *s);
static bool on_disconnect(struct stomp_session *s, const struct stomp_frame *f);
static bool on_unknown(struct stomp_session *s, const struct stomp_frame *f);
static void leave_when_done(struct stomp_session *s);

/* Which command is legal in which phase, and who handles it; a handler may assume its phase.
 * A handler that gives false leaves its frame unread: the session is parked or held. */
static const struct {
    unsigned phases;
    bool (*handle)(struct stomp_session *s, const struct stomp_frame *f);
} RULES[STOMP_COMMANDS] = {
    [STOMP_UNKNOWN] = {STOMP_OPEN, on_unknown},
    [STOMP_CONNECT] = {STOMP_NEW, stomp_on_connect},
    [STOMP_SEND] = {STOMP_OPEN, stomp_on_send},
    [STOMP_SUBSCRIBE] = {STOMP_OPEN, stomp_on_subscribe},
    [STOMP_UNSUBSCRIBE] = {STOMP_OPEN, stomp_on_unsubscribe},
    [STOMP_ACK] = {STOMP_OPEN, stomp_on_ack},
    [STOMP_NACK] = {STOMP_OPEN, stomp_on_nack},
    [STOMP_BEGIN] = {STOMP_OPEN, stomp_on_begin},
    [STOMP_COMMIT] = {STOMP_OPEN, stomp_on_commit},
    [STOMP_ABORT] = {STOMP_OPEN, stomp_on_abort},
    [STOMP_DISCONNECT] = {STOMP_OPEN, on_disconnect},
};

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

/* Digits that no number can hold are a length all the same; anything else is not believed. */
static bool read_length(struct sl_bytes value, uint64_t *n)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
    if (!stomp_number(value, UINT64_MAX, n))
        *n = UINT64_MAX;
    return value.len != 0;
}

bool stomp_body_start(struct stomp_session *s, const struct stomp_frame *f, bool is_kept)
{
    const struct stomp_header *length = stomp_find(&f->headers, "content-length");
    uint64_t max = s->phase == STOMP_NEW ? SL_STOMP_UNAUTHENTICATED_BYTES_MAX
                                         : session_message_bytes_max(&s->base);
    uint64_t n = 0;

    s->body = (struct stomp_body){.is_open = true, .is_kept = is_kept, .left = max};
    if (length == NULL)
        return true;
    if (length->value.len != 0 && length->value.at[0] == '-') {
        stomp_fail(s, f->receipt, "Malformed frame", "The content-length is negative");
    } else if (read_length(length->value, &n) && n > max) {
        stomp_fail(s, f->receipt, "Message too large", "The body is larger than allowed here");
    } else if (stomp_number(length->value, UINT64_MAX, &n)) {
        s->body.is_counted = true;
        s->body.left = n;
    }
    s->body.is_open = !s->base.is_ending;
    return s->body.is_open;
}

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

    while (sl_reader_left(&r) != 0 && read_some(s, &r)) {
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

    if (base->is_ending || client_subscription_of(&base->client, &mail->consumer) == NULL)
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

/* False: there is nothing to be read for now. */
static bool read_some(struct stomp_session *s, struct sl_reader *in)
{
    if (s->base.is_parked || s->base.is_held || s->base.is_ending || s->phase == STOMP_LEAVING)
        return false;
    if (s->body.is_open)
        return read_body(s, in);
    stomp_skip_between(in);
    if (sl_reader_left(in) == 0)
        return false;
    if (stomp_send_again(s, in)) {
        s->search = (struct stomp_search){0}; /* it may have come in pieces that were searched */
        return true;
    }
    return read_frame(s, in);
}

static bool read_frame(struct stomp_session *s, struct sl_reader *in)
{
    struct sl_bytes rest = {in->pos, sl_reader_left(in)};
    struct stomp_frame frame;
    size_t used;

    if (!decode(s, rest, &frame, &used))
        return false;
    if (!has_body(&frame) && !find_end(s, rest, &used))
        return false;
    s->was_refused = false;
    if (!handle(s, &frame))
        return false;
    sl_read_bytes(in, used);
    return true;
}

static bool decode(struct stomp_session *s, struct sl_bytes in, struct stomp_frame *frame,
                   size_t *used)
{
    size_t max = s->phase == STOMP_NEW ? SL_STOMP_UNAUTHENTICATED_BYTES_MAX
                                       : SL_STOMP_HEADER_BLOCK_BYTES_MAX;
    const char *why;

    if (in.len <= max && !stomp_search_found(&s->search, in))
        return false;
    arena_reset(&s->base.env->arena);
    switch (stomp_decode(in, s->version, max, &s->base.env->arena, frame, used, &why)) {
    case SL_OK: s->search = (struct stomp_search){0}; return true;
    case SL_EAGAIN: s->search = (struct stomp_search){in.len, false}; return false;
    case SL_ENOMEM: stomp_fail_with(s, frame->receipt, SL_ENOMEM, why); return false;
    case SL_ETOOBIG: stomp_fail(s, frame->receipt, "Frame too large", why); return false;
    default: stomp_fail(s, frame->receipt, "Malformed frame", why); return false;
    }
}

/* Only a SEND has a body to be counted.  What we do not know may have one. */
static bool has_body(const struct stomp_frame *f)
{
    return f->command == STOMP_SEND || f->command == STOMP_UNKNOWN;
}

/* Other frames are small, and handled when they are whole. */
static bool find_end(struct stomp_session *s, struct sl_bytes in, size_t *used)
{
    size_t max = s->phase == STOMP_NEW ? SL_STOMP_UNAUTHENTICATED_BYTES_MAX
                                       : SL_STOMP_HEADER_BLOCK_BYTES_MAX;
    struct sl_bytes body = sl_bytes_skip(in, *used);
    const uint8_t *end = body.len == 0 ? NULL : memchr(body.at, 0, body.len);

    if (end != NULL) {
        *used += (size_t)(end - body.at) + 1;
        return true;
    }
    s->search = (struct stomp_search){in.len, true};
    if (in.len > max)
        stomp_fail(s, STOMP_NO_RECEIPT, "Frame too large", "This frame cannot have such a body");
    return false;
}

static bool handle(struct stomp_session *s, const struct stomp_frame *f)
{
    if ((RULES[f->command].phases & s->phase) == 0) {
        if (s->phase != STOMP_NEW)
            return on_unknown(s, f);
        stomp_refuse(s, f->receipt, "Illegal command", "You must log in using CONNECT first");
        if (has_body(f))
            stomp_body_start(s, f, false);
        return true;
    }
    if (!RULES[f->command].handle(s, f))
        return false;
    if (s->was_refused)
        stomp_transaction_spoil(s, f);
    return true;
}

/* False: more bytes are needed, or the connection ends. */
static bool read_body(struct stomp_session *s, struct sl_reader *in)
{
    size_t left = sl_reader_left(in);
    const uint8_t *end = s->body.is_counted ? NULL : memchr(in->pos, 0, left);
    size_t n = end != NULL ? (size_t)(end - in->pos) : left;

    if (n > s->body.left) {
        n = (size_t)s->body.left;
        if (!s->body.is_counted) {
            stomp_fail(s, body_receipt(s), "Message too large",
                       "The body is larger than allowed here");
            return false;
        }
    }
    if (s->body.is_kept && !stomp_publication_has_room(s, n, end != NULL)) {
        s->base.is_held = true;
        return false;
    }
    struct sl_bytes part = sl_read_bytes(in, n);
    s->body.left -= n;
    if (s->body.is_kept && n != 0)
        stomp_publication_add(s, part);
    if (s->base.is_ending || sl_reader_left(in) == 0 || (s->body.is_counted && s->body.left != 0))
        return false;
    return end_body(s, sl_read_u8(in));
}

static bool end_body(struct stomp_session *s, uint8_t last)
{
    if (last != 0) {
        stomp_fail(s, body_receipt(s), "Malformed frame", "The body is not followed by a NUL");
        return false;
    }
    s->body.is_open = false;
    if (s->body.is_kept)
        stomp_publication_end(s);
    return true;
}

static struct sl_bytes body_receipt(const struct stomp_session *s)
{
    return s->body.is_kept ? s->send->publication.receipt : STOMP_NO_RECEIPT;
}

static bool on_disconnect(struct stomp_session *s, const struct stomp_frame *f)
{
    s->phase = STOMP_LEAVING;
    stomp_receipts_owe(s, f->receipt);
    return true;
}

static bool on_unknown(struct stomp_session *s, const struct stomp_frame *f)
{
    stomp_refuse_about(s, f->receipt, "Bad command", "Could not interpret command \"", f->name,
                       "\"");
    if (has_body(f))
        stomp_body_start(s, f, false);
    return true;
}

/* After DISCONNECT nothing but receipts goes out; the last of them is its own. */
static void leave_when_done(struct stomp_session *s)
{
    if (s->phase == STOMP_LEAVING && !s->base.is_ending && stomp_receipts_are_empty(&s->receipts))
        session_end(&s->base);
}
