#include "protocols/amqp/content.h"

#include "core/base/limits.h"
#include "protocols/amqp/publish.h"

static bool take_room(struct amqp_channel *ch, uint64_t body_len);
static bool is_small(const struct amqp_connection *c, uint64_t body_len);
static void watch(struct amqp_connection *c);
static void begin(struct amqp_channel *ch, struct sl_bytes properties, uint64_t body_len);
static void finish(struct amqp_channel *ch);
static void forget(struct amqp_channel *ch);
static void fail_out_of_order(struct amqp_channel *ch, const char *got);
static bool keeps_pace(struct amqp_channel *ch);

/* A connection that has room for something else never waits for more: what it has could not be
 * finished then, and its room not come back.  For the same reason nothing else begins while kept
 * frames wait: they would fill what may be kept, and what has begun could not be read. */
bool amqp_content_is_held(struct amqp_channel *ch, const struct amqp_frame *frame)
{
    struct amqp_connection *c = ch->connection;

    if (frame->type != AMQP_FRAME_HEADER || ch->content_step != AMQP_WANT_HEADER ||
        frame->payload.len < AMQP_CONTENT_HEAD_BYTES)
        return false;
    uint64_t body_len = sl_load_u64(frame->payload.at + 4);
    if (body_len > c->session.env->settings->message_bytes_max || is_small(c, body_len))
        return false;
    if (c->content_waiting != NULL && c->content_waiting != ch)
        return true;
    bool waits = !take_room(ch, body_len) && c->contents_roomy == 0;
    c->content_waiting = waits && amqp_channel_is_parked(ch) ? ch : NULL;
    return waits;
}

void amqp_content_on_header(struct amqp_channel *ch, struct sl_bytes payload)
{
    struct amqp_connection *c = ch->connection;
    struct sl_reader r = sl_reader_of(payload);
    uint16_t class_id = sl_read_u16(&r);
    sl_read_u16(&r); /* weight: never used */
    uint64_t body_len = sl_read_u64(&r);
    struct sl_bytes properties = {r.pos, sl_reader_left(&r)};

    c->method = AMQP_BASIC_PUBLISH;
    if (ch->content_step != AMQP_WANT_HEADER)
        fail_out_of_order(ch, "content header");
    else if (r.is_short)
        amqp_connection_fail(c, AMQP_SYNTAX_ERROR, "content header is too short");
    else if (class_id != AMQP_CLASS_BASIC)
        amqp_connection_fail(c, AMQP_UNEXPECTED_FRAME,
                             "expected content header for class 60, got one for class %u instead",
                             class_id);
    else
        begin(ch, properties, body_len);
}

void amqp_content_on_body(struct amqp_channel *ch, struct sl_bytes payload)
{
    ch->connection->method = AMQP_BASIC_PUBLISH;
    if (ch->content_step != AMQP_WANT_BODY) {
        fail_out_of_order(ch, "content body");
        return;
    }
    if (payload.len > ch->content_left) {
        amqp_connection_fail(ch->connection, AMQP_FRAME_ERROR,
                             "content body is longer than its header said");
        return;
    }
    if (arrival_add(&ch->arrival, payload) != SL_OK) {
        amqp_channel_refuse(ch, SL_ENOMEM, NULL);
        return;
    }
    ch->content_left -= payload.len;
    if (ch->content_left == 0)
        finish(ch);
}

void amqp_content_on_method(struct amqp_channel *ch)
{
    fail_out_of_order(ch, "method");
}

void amqp_content_drop(struct amqp_channel *ch)
{
    if (ch->content_step == AMQP_WANT_BODY)
        ch->connection->contents--;
    if (ch->connection->content_waiting == ch)
        ch->connection->content_waiting = NULL;
    forget(ch);
    arrival_drop(&ch->arrival);
}

void amqp_content_excuse(struct amqp_connection *c)
{
    c->contents_excused = true;
}

void amqp_content_check_pace(struct amqp_connection *c)
{
    uint64_t now_ms = c->session.env->now_ms;

    if (c->contents == 0 || now_ms < c->contents_due_ms)
        return;
    c->method = AMQP_BASIC_PUBLISH;
    for (uint32_t i = 0; i < c->channels_room && amqp_connection_is_alive(c); i++) {
        if (c->channels[i] != NULL && !keeps_pace(c->channels[i]))
            amqp_connection_fail(c, AMQP_RESOURCE_ERROR,
                                 "body of a message on channel %u was not finished in time", i);
    }
    c->contents_excused = false;
    c->contents_due_ms = now_ms + SL_ARRIVAL_PERIOD_MS;
}

static bool take_room(struct amqp_channel *ch, uint64_t body_len)
{
    struct amqp_connection *c = ch->connection;

    if (ch->arrival.room != 0 || ch->content_small != 0)
        return true; /* when the header was looked at first */
    if (is_small(c, body_len)) {
        ch->content_small = (uint32_t)body_len;
        c->contents_small += ch->content_small;
        return true;
    }
    if (!broker_take_room(amqp_client(c), body_len))
        return false;
    ch->arrival.room = body_len;
    c->contents_roomy++;
    return true;
}

static bool is_small(const struct amqp_connection *c, uint64_t body_len)
{
    return body_len <= SL_ARRIVAL_SMALL_BYTES - c->contents_small;
}

/* The first unfinished content of a connection starts the period. */
static void watch(struct amqp_connection *c)
{
    if (c->contents++ != 0)
        return;
    c->contents_excused = false;
    c->contents_due_ms = c->session.env->now_ms + SL_ARRIVAL_PERIOD_MS;
    if (c->contents_due_ms < c->session.deadline_ms)
        c->session.deadline_ms = c->contents_due_ms;
}

static void begin(struct amqp_channel *ch, struct sl_bytes properties, uint64_t body_len)
{
    uint64_t bytes_max = session_message_bytes_max(&ch->connection->session);

    if (body_len > bytes_max) { /* its bodies are dropped with everything on a closing channel */
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED,
                          "message size %llu is larger than configured max size %llu",
                          (unsigned long long)body_len, (unsigned long long)bytes_max);
        return;
    }
    if (!amqp_publish_check(ch, &properties))
        return;
    if (!take_room(ch, body_len)) {
        amqp_channel_fail(ch, AMQP_RESOURCE_ERROR,
                          "no room for one more message that is not finished");
        return;
    }
    struct message *msg = message_new_routed(amqp_publish_route(ch), properties, (size_t)body_len);
    if (msg == NULL) {
        amqp_channel_refuse(ch, SL_ENOMEM, NULL);
        return;
    }
    arrival_begin(&ch->arrival, msg);
    watch(ch->connection);
    ch->content_left = body_len;
    ch->content_step = AMQP_WANT_BODY;
    if (body_len == 0)
        finish(ch);
}

static void finish(struct amqp_channel *ch)
{
    ch->connection->contents--;
    forget(ch);
    amqp_publish_message(ch, arrival_end(&ch->arrival));
}

/* What it took of the connection's; the room is the arrival's to give back. */
static void forget(struct amqp_channel *ch)
{
    struct amqp_connection *c = ch->connection;

    c->contents_small -= ch->content_small;
    if (ch->arrival.room != 0)
        c->contents_roomy--;
    ch->content_small = 0;
    ch->content_step = AMQP_NO_CONTENT;
}

/* In RabbitMQ's words. */
static void fail_out_of_order(struct amqp_channel *ch, const char *got)
{
    static const char *const WANTED[] = {
        [AMQP_NO_CONTENT] = "method",
        [AMQP_WANT_HEADER] = "content header",
        [AMQP_WANT_BODY] = "content body",
    };
    const char *wanted = WANTED[ch->content_step];

    amqp_connection_fail(ch->connection, AMQP_UNEXPECTED_FRAME,
                         "expected %s%s, got %s frame instead", wanted,
                         ch->content_step == AMQP_NO_CONTENT ? " frame" : " for class 60", got);
}

static bool keeps_pace(struct amqp_channel *ch)
{
    if (ch->content_step != AMQP_WANT_BODY)
        return true;
    if (ch->connection->contents_excused)
        arrival_excuse(&ch->arrival);
    return arrival_keeps_pace(&ch->arrival, message_body(ch->arrival.msg).len);
}
