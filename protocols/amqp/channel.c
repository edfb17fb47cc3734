#include "protocols/amqp/channel.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/text.h"
#include "protocols/amqp/consumer.h"
#include "protocols/amqp/content.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/method.h"
#include "protocols/amqp/publish.h"
#include "protocols/amqp/reply.h"
#include "protocols/amqp/tx.h"

#include <stdarg.h>
#include <stdlib.h>

#define CHANNELS_ROOM_FIRST 4u

static struct amqp_channel *channel_new(struct amqp_connection *c, uint16_t number);
static void make_room_for(struct amqp_connection *c, uint16_t number);
static void on_method(struct amqp_channel *ch, struct sl_bytes payload);
static void on_bad_method(struct amqp_channel *ch, uint32_t id, bool is_short,
                          const struct amqp_method *method);
static bool is_unread(struct amqp_connection *c);
static void compact_parked(struct amqp_channel *ch);
static bool take_place(struct amqp_channel *ch);
static void give_place(struct amqp_channel *ch);
static void release(struct amqp_channel *ch);

struct amqp_channel *amqp_channel_by_ticket(const struct amqp_connection *c, uint64_t ticket)
{
    struct amqp_channel *ch = amqp_channel_find(c, (uint16_t)ticket);

    return ch != NULL && amqp_channel_ticket(ch) == ticket ? ch : NULL;
}

void amqp_channel_on_first_frame(struct amqp_connection *c, const struct amqp_frame *frame)
{
    if (frame->channel > c->channel_max) {
        amqp_connection_fail(
            c, AMQP_NOT_ALLOWED,
            "number of channels opened (%u) has reached the negotiated channel_max (%u)",
            c->channels_open, c->channel_max);
        return;
    }
    amqp_channel_on_frame(channel_new(c, frame->channel), frame);
}

void amqp_channel_on_frame(struct amqp_channel *ch, const struct amqp_frame *frame)
{
    struct amqp_connection *c = ch->connection;

    c->method = 0;
    arena_reset(&c->session.env->arena);
    if (frame->type == AMQP_FRAME_METHOD)
        on_method(ch, frame->payload);
    else if (ch->state == AMQP_CHANNEL_IS_CLOSED)
        amqp_connection_fail(c, AMQP_CHANNEL_ERROR, "expected 'channel.open'");
    else if (ch->state == AMQP_CHANNEL_IS_CLOSING)
        return;
    else if (frame->type == AMQP_FRAME_HEADER)
        amqp_content_on_header(ch, frame->payload);
    else
        amqp_content_on_body(ch, frame->payload);
}

bool amqp_channel_park(struct amqp_channel *ch, struct sl_bytes frame)
{
    struct amqp_connection *c = ch->connection;

    /* One frame always fits, or a large one would wait for ever. */
    if (c->parked_bytes != 0 && c->parked_bytes + frame.len > SL_AMQP_PARKED_BYTES_MAX)
        return false;
    if (sl_buffer_append(&ch->parked, frame) != SL_OK)
        return false;
    c->parked_bytes += frame.len;
    return true;
}

void amqp_channel_replay(struct amqp_channel *ch)
{
    struct amqp_connection *c = ch->connection;
    struct amqp_frame frame;
    const char *why;
    size_t used;

    while (ch->waiting == NULL && ch->parked_done < ch->parked.len && amqp_connection_is_alive(c)) {
        struct sl_bytes kept = sl_bytes_skip(sl_buffer_bytes(&ch->parked), ch->parked_done);
        enum sl_err err = amqp_frame_decode(kept, UINT32_MAX, &frame, &used, &why);
        SL_ASSERT(err == SL_OK); /* it was whole when it was kept */
        if (is_unread(c) || amqp_publish_is_held(ch, &frame) || amqp_content_is_held(ch, &frame))
            break;
        ch->parked_done += used;
        c->parked_bytes -= used;
        amqp_channel_on_frame(ch, &frame);
    }
    compact_parked(ch);
    amqp_channel_bury(ch);
}

void amqp_channel_bury(struct amqp_channel *ch)
{
    struct amqp_connection *c = ch->connection;

    if (ch->state != AMQP_CHANNEL_IS_CLOSED || amqp_channel_is_parked(ch))
        return;
    c->channels[ch->number] = NULL;
    c->channels_open--;
    amqp_channel_free(ch);
}

uint64_t amqp_channel_wait(struct amqp_channel *ch, bool is_no_wait)
{
    ch->waiting = amqp_method_find(ch->connection->method);
    ch->is_no_wait = is_no_wait;
    return amqp_channel_ticket(ch);
}

void amqp_channel_on_answer(struct amqp_channel *ch, struct answer *a)
{
    const struct amqp_method *method = ch->waiting;
    struct amqp_connection *c = ch->connection;

    SL_ASSERT(method != NULL);
    if (a->err != SL_OK && method->id == AMQP_BASIC_PUBLISH && amqp_publish_hold_refusal(ch, a))
        return;
    ch->waiting = NULL;
    c->method = method->id;
    if (a->err != SL_OK) {
        amqp_consumer_on_refused(ch);
        amqp_channel_refuse(ch, a->err, a->reason);
    } else if (method->on_answer != NULL) {
        method->on_answer(ch, a);
    } else if (!ch->is_no_wait) {
        amqp_send_method(c, ch->number, method->ok);
    }
    amqp_channel_replay(ch);
}

void amqp_channel_fail(struct amqp_channel *ch, uint16_t code, const char *detail, ...)
{
    struct amqp_connection *c = ch->connection;
    char room[256];
    struct text text = text_on(room, sizeof room);
    va_list args;

    text_add(&text, "%s - ", amqp_code_name(code));
    va_start(args, detail);
    text_add_list(&text, detail, args);
    va_end(args);

    amqp_send_close(c, ch->number, AMQP_CHANNEL_CLOSE, code, sl_bytes_of(room), c->method);
    release(ch);
    ch->state = AMQP_CHANNEL_IS_CLOSING;
}

void amqp_channel_refuse(struct amqp_channel *ch, enum sl_err err, const char *reason)
{
    struct amqp_reply reply = amqp_reply_of(err);

    if (reason == NULL)
        reason = err == SL_ENOMEM ? "out of memory" : "refused";
    if (reply.scope == AMQP_CLOSE_CHANNEL)
        amqp_channel_fail(ch, reply.code, "%s", reason);
    else
        amqp_connection_fail(ch->connection, reply.code, "%s", reason);
}

void amqp_channel_free(struct amqp_channel *ch)
{
    give_place(ch);
    amqp_consumer_free_all(ch);
    amqp_content_drop(ch);
    amqp_tx_free(ch);
    settlement_deinit(&ch->settlement);
    if (ch->group != NULL)
        credit_group_unref(ch->group);
    sl_buffer_deinit(&ch->parked);
    free(ch->publisher);
    if (ch->refusal != NULL)
        mail_free(&ch->refusal->mail);
    sl_bytes_free(ch->last_queue);
    list_remove(&ch->of_unannounced);
    free(ch);
}

void amqp_channel_open(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;

    sl_read_short_string(r);
    if (!amqp_arguments_end(c, r))
        return;
    if (!take_place(ch))
        return;
    ch->generation = ++c->generation;
    ch->state = AMQP_CHANNEL_IS_OPEN;
    struct amqp_writing writing = amqp_method_begin(c, ch->number, AMQP_CHANNEL_OPEN_OK, 4);
    sl_write_u32(&writing.w, 0); /* an empty long string */
    amqp_method_end(c, &writing);
}

/* False: the user has no more channels, and the connection has failed. */
static bool take_place(struct amqp_channel *ch)
{
    struct amqp_connection *c = ch->connection;
    uint64_t max;

    ch->is_counted = broker_open_channel(amqp_client(c), &max);
    if (!ch->is_counted)
        amqp_connection_fail(c, AMQP_NOT_ALLOWED,
                             "number of channels opened for user '%s' has reached the maximum "
                             "allowed user limit of %llu",
                             amqp_printable(c, c->user), (unsigned long long)max);
    return ch->is_counted;
}

static void give_place(struct amqp_channel *ch)
{
    if (ch->is_counted)
        broker_close_channel(amqp_client(ch->connection));
    ch->is_counted = false;
}

void amqp_channel_flow(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;
    bool is_active = (sl_read_u8(r) & 1) != 0;

    if (!amqp_arguments_end(c, r))
        return;
    if (!is_active) {
        amqp_connection_fail(c, AMQP_NOT_IMPLEMENTED, "active=false");
        return;
    }
    struct amqp_writing writing = amqp_method_begin(c, ch->number, AMQP_CHANNEL_FLOW_OK, 1);
    sl_write_u8(&writing.w, 1);
    amqp_method_end(c, &writing);
}

void amqp_channel_close(struct amqp_channel *ch, struct sl_reader *r)
{
    (void)r; /* whatever the reason was, it is going */
    amqp_send_method(ch->connection, ch->number, AMQP_CHANNEL_CLOSE_OK);
    if (ch->state == AMQP_CHANNEL_IS_CLOSING)
        return; /* both at once: its close-ok to ours is still to come */
    release(ch);
    ch->state = AMQP_CHANNEL_IS_CLOSED;
}

void amqp_channel_close_ok(struct amqp_channel *ch, struct sl_reader *r)
{
    (void)r;
    ch->state = AMQP_CHANNEL_IS_CLOSED;
}

/* Obsolete, but py-amqplib's descendants still ask for a ticket. */
void amqp_access_request(struct amqp_channel *ch, struct sl_reader *r)
{
    struct amqp_connection *c = ch->connection;

    sl_read_short_string(r);
    sl_read_u8(r);
    if (!amqp_arguments_end(c, r))
        return;
    struct amqp_writing writing = amqp_method_begin(c, ch->number, AMQP_ACCESS_REQUEST_OK, 2);
    sl_write_u16(&writing.w, 1);
    amqp_method_end(c, &writing);
}

static struct amqp_channel *channel_new(struct amqp_connection *c, uint16_t number)
{
    struct amqp_channel *ch = calloc(1, sizeof *ch);

    SL_ASSERT(ch != NULL);
    make_room_for(c, number);
    ch->connection = c;
    ch->number = number;
    ch->state = AMQP_CHANNEL_IS_CLOSED;
    sl_buffer_init(&ch->parked, SL_AMQP_PARKED_BYTES_MAX + SL_UNREAD_BYTES_MAX);
    settlement_init(&ch->settlement);
    list_init(&ch->retired);
    list_init(&ch->of_unannounced);
    c->channels[number] = ch;
    c->channels_open++;
    return ch;
}

static void make_room_for(struct amqp_connection *c, uint16_t number)
{
    uint32_t room = c->channels_room == 0 ? CHANNELS_ROOM_FIRST : c->channels_room;

    while (room <= number)
        room *= 2;
    if (room == c->channels_room)
        return;
    c->channels = realloc(c->channels, room * sizeof c->channels[0]);
    SL_ASSERT(c->channels != NULL);
    memset(c->channels + c->channels_room, 0, (room - c->channels_room) * sizeof c->channels[0]);
    c->channels_room = room;
}

static void on_method(struct amqp_channel *ch, struct sl_bytes payload)
{
    struct amqp_connection *c = ch->connection;
    struct sl_reader r = sl_reader_of(payload);
    uint32_t id = sl_read_u32(&r);
    const struct amqp_method *method = r.is_short ? NULL : amqp_method_find(id);

    c->method = id;
    if (ch->content_step != AMQP_NO_CONTENT)
        amqp_content_on_method(ch);
    else if (method != NULL && method->on_channel != NULL && (method->legal & ch->state) != 0)
        method->on_channel(ch, &r);
    else
        on_bad_method(ch, id, r.is_short, method);
}

static void on_bad_method(struct amqp_channel *ch, uint32_t id, bool is_short,
                          const struct amqp_method *method)
{
    struct amqp_connection *c = ch->connection;

    if (ch->state == AMQP_CHANNEL_IS_CLOSING)
        return;
    if (ch->state == AMQP_CHANNEL_IS_CLOSED)
        amqp_connection_fail(c, AMQP_CHANNEL_ERROR, "expected 'channel.open'");
    else if (id == AMQP_CHANNEL_OPEN)
        amqp_connection_fail(c, AMQP_CHANNEL_ERROR, "second 'channel.open' seen");
    else if (is_short)
        amqp_connection_fail(c, AMQP_SYNTAX_ERROR, "method frame without a method");
    else if (method == NULL)
        amqp_connection_fail(c, AMQP_NOT_IMPLEMENTED, "unknown method %u.%u", id >> 16,
                             id & 0xffff);
    else
        amqp_connection_fail(c, AMQP_COMMAND_INVALID, "method %u.%u is not allowed here", id >> 16,
                             id & 0xffff);
}

/* Each kept basic.get may be answered with a large message, so what a peer does not read is as
 * good as a wait for an answer; the gateway reads nothing new from it either. */
static bool is_unread(struct amqp_connection *c)
{
    bool is_full = outbox_bytes(&c->session.out) > SL_OUT_BYTES_HIGH;

    c->is_unread |= is_full;
    return is_full;
}

/* Moves what is left to the front when that is less than what is done: so a byte is moved
 * once per doubling and not once per answer. */
static void compact_parked(struct amqp_channel *ch)
{
    if (ch->parked_done == ch->parked.len)
        sl_buffer_deinit(&ch->parked);
    else if (ch->parked_done >= ch->parked.len / 2)
        sl_buffer_consume(&ch->parked, ch->parked_done);
    else
        return;
    ch->parked_done = 0;
}

/* Ends a life of the channel: loans go back, consumers and their deliveries under way too. */
static void release(struct amqp_channel *ch)
{
    give_place(ch);
    settlement_return_all(&ch->settlement, amqp_client(ch->connection));
    amqp_consumer_drop_all(ch);
    amqp_content_drop(ch);
    amqp_tx_free(ch);
    settlement_deinit(&ch->settlement);
    settlement_init(&ch->settlement);
    if (ch->group != NULL)
        credit_group_unref(ch->group);
    free(ch->publisher);
    sl_bytes_free(ch->last_queue);
    list_remove(&ch->of_unannounced);
    ch->group = NULL;
    ch->publisher = NULL;
    ch->last_queue = (struct sl_bytes){NULL, 0};
    ch->is_confirming = false;
    ch->published = ch->confirmed = 0;
    ch->prefetch = 0;
    ch->generation = 0; /* what was meant for that life finds nobody */
}
