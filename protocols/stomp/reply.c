#include "protocols/stomp/reply.h"

#include "core/base/log.h"
#include "core/base/text.h"
#include "protocols/stomp/print.h"
#include "protocols/stomp/session.h"

#define BODY_BYTES_MAX 1024

static const struct { /* the core speaks sl_err; only this table speaks STOMP */
    enum sl_err err;
    const char *message;
    const char *prefix;
} WORDS[] = {
    {SL_ENOENT, "not_found", "NOT_FOUND"},
    {SL_EDENIED, "access_refused", "ACCESS_REFUSED"},
    {SL_ELOCKED, "resource_locked", "RESOURCE_LOCKED"},
    {SL_EPRECOND, "precondition_failed", "PRECONDITION_FAILED"},
    {SL_EFULL, "resource_error", "RESOURCE_ERROR"},
    {SL_ENOTALLOWED, "not_allowed", "NOT_ALLOWED"},
    {SL_ENOTIMPL, "not_implemented", "NOT_IMPLEMENTED"},
    {SL_ESYNTAX, "syntax_error", "SYNTAX_ERROR"},
    {SL_ETOOBIG, "precondition_failed", "PRECONDITION_FAILED"},
    {SL_ENOMEM, "resource_error", "RESOURCE_ERROR"},
    {SL_OK, "internal_error", "INTERNAL_ERROR"}, /* everything else */
};

struct extra { /* one more header of an ERROR, when value is there; a value goes out as it is */
    const char *name;
    struct sl_bytes value;
};

static size_t words_of(enum sl_err err);
static void say_error(struct stomp_session *s, const char *message, struct extra extra,
                      struct sl_bytes body);
static void add_header(struct sl_buffer *to, const char *name, struct sl_bytes value);
static void add_text(struct sl_buffer *to, const char *text);
static void say(struct stomp_session *s, struct sl_buffer *frame);
static struct sl_bytes escaped(struct sl_buffer *room, struct sl_bytes value);

void stomp_say_connected(struct stomp_session *s, struct sl_bytes response_id)
{
    static const char *const VERSIONS[] = {"1.0", "1.1", "1.2"};
    const struct protocol_settings *settings = s->base.env->settings;
    struct sl_buffer frame = {.bytes_max = SIZE_MAX};
    struct sl_buffer room = {.bytes_max = SIZE_MAX};
    char intervals[64];
    struct text heartbeat = text_on(intervals, sizeof intervals);

    add_text(&frame, "CONNECTED\n");
    if (!settings->stomp_hide_server)
        add_header(&frame, "server", sl_bytes_of(settings->stomp_server));
    add_header(&frame, "session", sl_bytes_of(s->name));
    text_add(&heartbeat, "%u,%u", s->heartbeat.send_ms, s->heartbeat.receive_ms);
    add_header(&frame, "heart-beat", sl_bytes_of(intervals));
    add_header(&frame, "version", sl_bytes_of(VERSIONS[s->version]));
    if (response_id.at != NULL)
        add_header(&frame, "response-id", escaped(&room, response_id));
    add_text(&frame, "\n");
    say(s, &frame);
    sl_buffer_deinit(&room);
}

void stomp_say_receipt(struct stomp_session *s, struct sl_bytes id, bool is_duplicate)
{
    static const char BEFORE[] = "RECEIPT\nreceipt-id:";
    static const char DUPLICATE[] = "\nduplicate:true";
    uint8_t *start =
        outbox_reserve(&s->base.out, sizeof BEFORE - 1 + id.len + sizeof DUPLICATE - 1 + 4);
    uint8_t *at = stomp_print_literal(start, "RECEIPT\nreceipt-id:");

    at = stomp_print(at, id);
    if (is_duplicate)
        at = stomp_print_literal(at, "\nduplicate:true");
    *at++ = '\n';
    *at++ = '\n';
    *at++ = 0;
    if (s->base.env->settings->stomp_trailing_lf)
        *at++ = '\n';
    outbox_commit(&s->base.out, (size_t)(at - start));
    session_touch(&s->base);
}

void stomp_refuse(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                  const char *body)
{
    stomp_refuse_about(s, receipt, message, body, (struct sl_bytes){NULL, 0}, "");
}

void stomp_refuse_about(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                        const char *before, struct sl_bytes name, const char *after)
{
    char room[BODY_BYTES_MAX];
    struct text body = text_on(room, sizeof room);

    if (name.len > BODY_BYTES_MAX / 2)
        name.len = BODY_BYTES_MAX / 2;
    text_add(&body, "%s", before);
    text_add_bytes(&body, name);
    text_add(&body, "%s\n", after);
    say_error(s, message, (struct extra){"receipt-id", receipt}, sl_bytes_of(room));
}

void stomp_fail(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                const char *body)
{
    stomp_fail_about(s, receipt, message, body, (struct sl_bytes){NULL, 0}, "");
}

void stomp_fail_about(struct stomp_session *s, struct sl_bytes receipt, const char *message,
                      const char *before, struct sl_bytes name, const char *after)
{
    stomp_refuse_about(s, receipt, message, before, name, after);
    sl_log_peer(SL_LOG_INFO, "stomp.error", "peer=%s message=\"%s\"", s->base.peer, message);
    session_end(&s->base);
}

void stomp_fail_with(struct stomp_session *s, struct sl_bytes receipt, enum sl_err err,
                     const char *reason)
{
    stomp_refuse_with(s, receipt, err, reason);
    sl_log_peer(SL_LOG_INFO, "stomp.error", "peer=%s message=\"%s\"", s->base.peer,
                WORDS[words_of(err)].message);
    session_end(&s->base);
}

void stomp_refuse_with(struct stomp_session *s, struct sl_bytes receipt, enum sl_err err,
                       const char *reason)
{
    char room[BODY_BYTES_MAX];
    struct text body = text_on(room, sizeof room);
    size_t i = words_of(err);

    text_add(&body, "%s - %s", WORDS[i].prefix, reason == NULL ? "" : reason);
    stomp_refuse(s, receipt, WORDS[i].message, room);
}

void stomp_say_cancelled(struct stomp_session *s, struct sl_bytes id, struct sl_bytes destination)
{
    char room[BODY_BYTES_MAX];
    struct text body = text_on(room, sizeof room);
    struct sl_buffer value = {.bytes_max = SIZE_MAX};

    text_add(&body, "The server has canceled a subscription.\n"
                    "No more messages will be delivered for ");
    text_add_bytes(&body, destination);
    text_add(&body, ".\n");
    if (id.at != NULL)
        id = escaped(&value, id);
    say_error(s, "Server cancelled subscription", (struct extra){"subscription", id},
              sl_bytes_of(room));
    sl_buffer_deinit(&value);
}

void stomp_say_browser_end(struct stomp_session *s, struct sl_bytes id, struct sl_bytes destination)
{
    struct sl_buffer frame = {.bytes_max = SIZE_MAX};
    struct sl_buffer room = {.bytes_max = SIZE_MAX};

    add_text(&frame, "MESSAGE\n");
    if (id.at != NULL)
        add_header(&frame, "subscription", escaped(&room, id));
    sl_buffer_deinit(&room);
    room = (struct sl_buffer){.bytes_max = SIZE_MAX};
    add_header(&frame, "destination", escaped(&room, destination));
    add_header(&frame, "message-id", SL_BYTES_LITERAL("0"));
    add_header(&frame, "browser", SL_BYTES_LITERAL("end"));
    add_header(&frame, "content-length", SL_BYTES_LITERAL("0"));
    add_text(&frame, "\n");
    say(s, &frame);
    sl_buffer_deinit(&room);
}

static size_t words_of(enum sl_err err)
{
    size_t i = 0;

    while (WORDS[i].err != err && WORDS[i].err != SL_OK)
        i++;
    return i;
}

static void say_error(struct stomp_session *s, const char *message, struct extra extra,
                      struct sl_bytes body)
{
    struct sl_buffer frame = {.bytes_max = SIZE_MAX};
    uint8_t length[STOMP_NUMBER_BYTES_MAX];
    size_t digits = (size_t)(stomp_print_number(length, body.len) - length);

    s->was_refused = true;
    add_text(&frame, "ERROR\n");
    add_header(&frame, "message", sl_bytes_of(message));
    add_header(&frame, "content-type", SL_BYTES_LITERAL("text/plain"));
    add_header(&frame, "version", SL_BYTES_LITERAL("1.0,1.1,1.2"));
    if (extra.value.at != NULL)
        add_header(&frame, extra.name, extra.value);
    add_header(&frame, "content-length", (struct sl_bytes){length, digits});
    add_text(&frame, "\n");
    if (sl_buffer_append(&frame, body) != SL_OK)
        session_abort(&s->base);
    say(s, &frame);
}

/* Frames of this file are small: without memory for one the connection is of no use, and say
 * ends it by the missing text. */
static void add_header(struct sl_buffer *to, const char *name, struct sl_bytes value)
{
    add_text(to, name);
    add_text(to, ":");
    if (sl_buffer_append(to, value) != SL_OK)
        to->bytes_max = 0;
    add_text(to, "\n");
}

static void add_text(struct sl_buffer *to, const char *text)
{
    if (sl_buffer_append(to, sl_bytes_of(text)) != SL_OK)
        to->bytes_max = 0;
}

static void say(struct stomp_session *s, struct sl_buffer *frame)
{
    bool is_whole = frame->bytes_max != 0;

    if (is_whole) {
        outbox_add(&s->base.out, sl_buffer_bytes(frame));
        outbox_add(&s->base.out, s->base.env->settings->stomp_trailing_lf ? SL_BYTES_LITERAL("\0\n")
                                                                          : SL_BYTES_LITERAL("\0"));
        session_touch(&s->base);
    } else {
        session_abort(&s->base);
    }
    sl_buffer_deinit(frame);
}

static struct sl_bytes escaped(struct sl_buffer *room, struct sl_bytes value)
{
    if (stomp_escape(room, value) != SL_OK)
        return (struct sl_bytes){NULL, 0};
    return sl_buffer_bytes(room);
}
