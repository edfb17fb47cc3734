#include "protocols/stomp/input.h"

#include "core/base/limits.h"
#include "protocols/stomp/ack.h"
#include "protocols/stomp/connect.h"
#include "protocols/stomp/publication.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/subscription.h"
#include "protocols/stomp/transaction.h"

#include <string.h>

static bool read_length(struct sl_bytes value, uint64_t *n);
static bool read_frame(struct stomp_session *s, struct sl_reader *in);
static bool decode(struct stomp_session *s, struct sl_bytes in, struct stomp_frame *frame,
                   size_t *used);
static bool has_body(const struct stomp_frame *f);
static bool find_end(struct stomp_session *s, struct sl_bytes in, size_t *used);
static bool handle(struct stomp_session *s, const struct stomp_frame *f);
static bool must_wait(struct stomp_session *s, const struct stomp_frame *f);
static bool read_body(struct stomp_session *s, struct sl_reader *in);
static bool end_body(struct stomp_session *s, uint8_t last);
static struct sl_bytes body_receipt(const struct stomp_session *s);
static bool on_disconnect(struct stomp_session *s, const struct stomp_frame *f);
static bool on_unknown(struct stomp_session *s, const struct stomp_frame *f);

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

bool stomp_read_some(struct stomp_session *s, struct sl_reader *in)
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
    if (must_wait(s, f))
        return false;
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

/* For the receipts that are owed: no more may be for now. */
static bool must_wait(struct stomp_session *s, const struct stomp_frame *f)
{
    if (f->receipt.at == NULL || !stomp_receipts_are_full(&s->receipts))
        return false;
    s->receipts.is_asked_for = true;
    s->base.is_parked = true;
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
