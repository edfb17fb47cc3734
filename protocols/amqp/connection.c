#include "protocols/amqp/connection.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/table.h"
#include "protocols/amqp/channel.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/heartbeat.h"
#include "protocols/amqp/method.h"
#include "protocols/amqp/reply.h"

#include <stdarg.h>

static void part(struct amqp_connection *c);
static bool is_done(const struct amqp_channel *ch);
static void on_channel_zero(struct amqp_connection *c, const struct amqp_frame *frame);
static void on_method(struct amqp_connection *c, struct sl_bytes payload);
static const char *phase_name(enum amqp_phase phase);

void amqp_connection_on_frame(struct amqp_connection *c, const struct amqp_frame *frame)
{
    c->method = 0;
    arena_reset(&c->session.env->arena);
    if (frame->type == AMQP_FRAME_HEARTBEAT) {
        if (frame->channel != 0 && amqp_connection_is_alive(c))
            amqp_connection_fail(c, AMQP_UNEXPECTED_FRAME, "heartbeat on channel %u",
                                 frame->channel);
        return;
    }
    if (frame->channel == 0) {
        on_channel_zero(c, frame);
        return;
    }
    if (c->phase == AMQP_PHASE_CLOSING)
        return;
    if (c->phase != AMQP_PHASE_OPEN) {
        amqp_connection_fail(c, AMQP_CHANNEL_ERROR, "frame on channel %u in connection state %s",
                             frame->channel, phase_name(c->phase));
        return;
    }
    struct amqp_channel *ch = amqp_channel_find(c, frame->channel);
    if (ch == NULL) {
        amqp_channel_on_first_frame(c, frame);
        return;
    }
    amqp_channel_on_frame(ch, frame);
    amqp_channel_bury(ch);
}

void amqp_connection_fail(struct amqp_connection *c, uint16_t code, const char *detail, ...)
{
    char room[256];
    struct text text = text_on(room, sizeof room);
    va_list args;

    SL_ASSERT(c->phase != AMQP_PHASE_CLOSING);
    text_add(&text, "%s - ", amqp_code_name(code));
    va_start(args, detail);
    text_add_list(&text, detail, args);
    va_end(args);

    sl_log_peer(SL_LOG_INFO, "amqp.connection.fail", "peer=%s code=%u text=\"%s\"", c->session.peer,
                code, room);
    if (c->phase == AMQP_PHASE_LEAVING && c->departure == AMQP_PEER_CLOSES) {
        part(c); /* it is going anyway, and hears nothing but close-ok */
        return;
    }
    amqp_send_close(c, 0, AMQP_CONNECTION_CLOSE, code, sl_bytes_of(room), c->method);
    if (c->phase == AMQP_PHASE_LEAVING && c->departure == AMQP_PEER_IS_SILENT) {
        part(c); /* no close-ok can come */
        return;
    }
    c->phase = AMQP_PHASE_CLOSING;
    c->session.deadline_ms = c->session.env->now_ms + SL_AMQP_CLOSE_TIMEOUT_MS;
    if (c->session.is_parked || c->session.is_held)
        session_resume(&c->session); /* what is left is dropped */
    broker_client_close(amqp_client(c));
}

void amqp_connection_leave(struct amqp_connection *c, enum amqp_departure why)
{
    uint64_t now_ms = c->session.env->now_ms;

    if (c->phase == AMQP_PHASE_LEAVING) { /* a shutdown hurries who is leaving already */
        if (c->leave_by_ms > now_ms + SL_AMQP_CLOSE_TIMEOUT_MS)
            c->leave_by_ms = now_ms + SL_AMQP_CLOSE_TIMEOUT_MS;
    } else {
        c->phase = AMQP_PHASE_LEAVING;
        c->departure = why;
        c->channels_left = 0;
        c->leave_by_ms =
            now_ms + (why == AMQP_SHUTDOWN ? SL_AMQP_CLOSE_TIMEOUT_MS : SL_AMQP_LEAVE_TIMEOUT_MS);
        c->session.is_parked = true; /* nothing more is read */
        c->session.is_held = false;
    }
    amqp_heartbeat_arm(c);
    amqp_connection_leave_if_done(c);
}

/* A channel that is done stays so: nothing new is read for it. */
void amqp_connection_leave_if_done(struct amqp_connection *c)
{
    if (c->phase != AMQP_PHASE_LEAVING || !amqp_connection_is_alive(c))
        return;
    while (c->channels_left < c->channels_room && is_done(c->channels[c->channels_left]))
        c->channels_left++;
    if (c->channels_left == c->channels_room)
        part(c);
}

/* Without close-ok, which would say that all was done. */
void amqp_connection_leave_undone(struct amqp_connection *c)
{
    sl_log_peer(SL_LOG_INFO, "amqp.leave.timeout", "peer=%s channel=%u", c->session.peer,
                c->channels_left);
    if (c->departure == AMQP_SHUTDOWN)
        part(c);
    else
        session_abort(&c->session);
}

/* The peer's own close. */
void amqp_connection_close(struct amqp_connection *c, struct sl_reader *r)
{
    (void)r; /* whatever the reason was, it is going */
    if (c->phase == AMQP_PHASE_OPEN) {
        amqp_connection_leave(c, AMQP_PEER_CLOSES);
        return;
    }
    amqp_send_method(c, 0, AMQP_CONNECTION_CLOSE_OK);
    if (c->phase == AMQP_PHASE_CLOSING)
        return; /* both at once: its close-ok to ours is still to come */
    broker_client_close(amqp_client(c));
    session_end(&c->session);
}

void amqp_connection_close_ok(struct amqp_connection *c, struct sl_reader *r)
{
    (void)r;
    session_end(&c->session);
}

/* As RabbitMQ's own accounts do: who logged in with a password or a certificate has nothing that
 * ends, so there is nothing to be prolonged, and nothing is looked at. */
void amqp_connection_update_secret(struct amqp_connection *c, struct sl_reader *r)
{
    sl_read_long_string(r);
    sl_read_short_string(r);
    if (amqp_arguments_end(c, r))
        amqp_send_method(c, 0, AMQP_CONNECTION_UPDATE_SECRET_OK);
}

bool amqp_arguments_end(struct amqp_connection *c, const struct sl_reader *r)
{
    if (!r->is_short && sl_reader_left(r) == 0)
        return true;
    amqp_connection_fail(c, AMQP_SYNTAX_ERROR, "malformed arguments of method %u.%u",
                         c->method >> 16, c->method & 0xffff);
    return false;
}

struct sl_bytes amqp_read_table(struct sl_reader *r)
{
    struct sl_bytes rest = {r->pos, sl_reader_left(r)};
    const char *why;
    size_t used;

    if (r->is_short || table_check(rest, &used, &why) != SL_OK)
        return sl_read_bytes(r, SIZE_MAX); /* marks it short, lends nothing */
    return sl_read_bytes(r, used);
}

const char *amqp_printable(struct amqp_connection *c, struct sl_bytes bytes)
{
    size_t room = bytes.len * 3 + 1;
    char *at = arena_take(&c->session.env->arena, room);

    if (at == NULL)
        return "?";
    struct text text = text_on(at, room);
    text_add_bytes(&text, bytes);
    return at;
}

/* The end of LEAVING.  What the peer held is free again before it reads close-ok. */
static void part(struct amqp_connection *c)
{
    if (c->departure == AMQP_SHUTDOWN) {
        c->method = 0;
        amqp_connection_fail(c, AMQP_CONNECTION_FORCED,
                             "broker forced connection closure with reason 'shutdown'");
        return;
    }
    if (c->departure == AMQP_PEER_CLOSES)
        amqp_send_method(c, 0, AMQP_CONNECTION_CLOSE_OK);
    broker_client_close(amqp_client(c));
    session_end(&c->session);
}

static bool is_done(const struct amqp_channel *ch)
{
    if (ch == NULL)
        return true;
    return !amqp_channel_is_parked(ch) && (!ch->is_confirming || ch->confirmed == ch->published);
}

static void on_channel_zero(struct amqp_connection *c, const struct amqp_frame *frame)
{
    if (frame->type == AMQP_FRAME_METHOD)
        on_method(c, frame->payload);
    else if (c->phase != AMQP_PHASE_CLOSING)
        amqp_connection_fail(c, AMQP_UNEXPECTED_FRAME, "content on channel 0");
}

static void on_method(struct amqp_connection *c, struct sl_bytes payload)
{
    struct sl_reader r = sl_reader_of(payload);
    uint32_t id = sl_read_u32(&r);
    const struct amqp_method *method = r.is_short ? NULL : amqp_method_find(id);

    c->method = id;
    if (method != NULL && method->on_connection != NULL && (method->legal & c->phase) != 0)
        method->on_connection(c, &r);
    else if (c->phase == AMQP_PHASE_CLOSING)
        return;
    else if (r.is_short)
        amqp_connection_fail(c, AMQP_SYNTAX_ERROR, "method frame without a method");
    else if (method == NULL)
        amqp_connection_fail(c, AMQP_NOT_IMPLEMENTED, "unknown method %u.%u", id >> 16,
                             id & 0xffff);
    else
        amqp_connection_fail(c, AMQP_CHANNEL_ERROR, "unexpected method in connection state %s",
                             phase_name(c->phase));
}

static const char *phase_name(enum amqp_phase phase)
{
    switch (phase) {
    case AMQP_PHASE_HEADER:
    case AMQP_PHASE_STARTING: return "starting";
    case AMQP_PHASE_TUNING: return "tuning";
    case AMQP_PHASE_OPENING: return "opening";
    case AMQP_PHASE_OPEN: return "running";
    case AMQP_PHASE_LEAVING:
    case AMQP_PHASE_CLOSING: break;
    }
    return "closing";
}
