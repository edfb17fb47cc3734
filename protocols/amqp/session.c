/* session.c - the AMQP 0-9-1 front end as the gateway calls it: amqp_protocol of protocol.h. */
#include "protocols/protocol.h"

#include "core/base/limits.h"
#include "core/identity.h"
#include "protocols/amqp/channel.h"
#include "protocols/amqp/confirm.h"
#include "protocols/amqp/connection.h"
#include "protocols/amqp/consumer.h"
#include "protocols/amqp/content.h"
#include "protocols/amqp/describe.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/handshake.h"
#include "protocols/amqp/heartbeat.h"
#include "protocols/amqp/publish.h"
#include "protocols/amqp/tx.h"

#include <stdlib.h>

static void on_open(struct session *s);
static void on_bytes(struct session *s, struct sl_bytes in, size_t *used);
static void on_deliveries(struct session *s, const struct delivery *items, uint32_t count);
static void on_answer(struct session *s, struct answer *a);
static void on_cancelled(struct session *s, uint32_t cookie);
static void on_overdue(struct session *s, const struct overdue_mail *mail);
static void on_confirmed(struct session *s, uint64_t who, sl_tag upto, bool is_refused);
static void on_refusal(struct session *s, uint64_t ticket);
static void on_deadline(struct session *s);
static void on_pressure(struct session *s);
static void on_written(struct session *s);
static void on_end_of_input(struct session *s);
static void on_shutdown(struct session *s);
static void on_eviction(struct session *s, const char *reason);
static void on_close(struct session *s);

static bool may_read(const struct session *s);
static size_t read_one(struct amqp_connection *c, struct sl_bytes in);
static size_t read_frame(struct amqp_connection *c, struct sl_bytes in);
static bool must_wait(struct amqp_connection *c, const struct amqp_frame *frame,
                      struct sl_bytes bytes, bool *is_kept);
static void replay_all(struct amqp_connection *c);
static void replay_each(struct amqp_connection *c);
static void resume_if_held(struct amqp_connection *c);
static void resume_if_room(struct amqp_connection *c);

const struct protocol amqp_protocol = {
    .name = "amqp",
    .session_size = sizeof(struct amqp_connection),
    .sniff = amqp_sniff,
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
    .describe = amqp_describe,
    .close = on_close,
};

static void on_open(struct session *s)
{
    struct amqp_connection *c = amqp_connection_of(s);

    c->phase = AMQP_PHASE_HEADER;
    c->frame_max = SL_AMQP_UNTUNED_FRAME_BYTES_MAX;
    list_init(&c->unannounced);
    s->deadline_ms = s->env->now_ms + s->env->settings->login_timeout_ms;
}

static void on_bytes(struct session *s, struct sl_bytes in, size_t *used)
{
    struct amqp_connection *c = amqp_connection_of(s);
    size_t n;

    *used = 0;
    while (*used < in.len && may_read(s)) {
        n = read_one(c, (struct sl_bytes){in.at + *used, in.len - *used});
        if (n == 0)
            break;
        *used += n;
    }
    amqp_confirm_announce(c);
}

static void on_deliveries(struct session *s, const struct delivery *items, uint32_t count)
{
    amqp_consumer_on_deliveries(amqp_connection_of(s), items, count);
}

static void on_answer(struct session *s, struct answer *a)
{
    struct amqp_connection *c = amqp_connection_of(s);
    struct amqp_channel *ch = amqp_channel_by_ticket(c, a->ticket);

    if (!amqp_connection_is_alive(c))
        return;
    arena_reset(&s->env->arena);
    if (a->ticket == 0)
        amqp_handshake_on_answer(c, a);
    if (ch == NULL)
        return;
    broker_worker_refresh(s->client.worker); /* kept publishes see what was just declared */
    amqp_channel_on_answer(ch, a);
    amqp_confirm_announce(c);
    resume_if_room(c);
    amqp_connection_leave_if_done(c);
}

static void on_cancelled(struct session *s, uint32_t cookie)
{
    if (amqp_connection_is_alive(amqp_connection_of(s)))
        amqp_consumer_on_cancelled(amqp_connection_of(s), cookie);
}

static void on_overdue(struct session *s, const struct overdue_mail *mail)
{
    amqp_consumer_on_overdue(amqp_connection_of(s), mail);
}

/* The confirm of a commit is the answer that its channel waits for. */
static void on_confirmed(struct session *s, uint64_t who, sl_tag upto, bool is_refused)
{
    struct amqp_connection *c = amqp_connection_of(s);
    struct answer committed = {.ticket = who & ~AMQP_TX_COMMIT_BIT, .err = SL_OK};

    if (amqp_tx_is_commit(who)) {
        on_answer(s, &committed);
    } else if (amqp_publish_is_refusal(who)) {
        on_refusal(s, who & ~AMQP_REFUSED_BIT);
    } else if (amqp_connection_is_alive(c)) {
        amqp_confirm_on_confirmed(c, who, upto, is_refused);
        amqp_connection_leave_if_done(c);
    }
}

static void on_deadline(struct session *s)
{
    amqp_heartbeat_on_deadline(amqp_connection_of(s));
}

static void on_refusal(struct session *s, uint64_t ticket)
{
    struct amqp_channel *ch = amqp_channel_by_ticket(amqp_connection_of(s), ticket);

    if (ch == NULL || ch->refusal == NULL)
        return;
    struct answer *a = ch->refusal;
    ch->refusal = NULL;
    ch->confirmed = ch->published; /* so it is not held again */
    on_answer(s, a);
    mail_free(&a->mail);
}

/* Kept publishes go first: they came before what is unread. */
static void on_pressure(struct session *s)
{
    struct amqp_connection *c = amqp_connection_of(s);

    if (!amqp_connection_is_alive(c))
        return;
    if (broker_is_held(&s->client)) {
        if (s->is_held) /* for what it was not told, until now */
            amqp_publish_tell_blocked(c);
        return;
    }
    if (c->is_told_blocked)
        amqp_send_method(c, 0, AMQP_CONNECTION_UNBLOCKED);
    c->is_told_blocked = false;
    replay_all(c);
    amqp_confirm_announce(c);
    resume_if_held(c);
    resume_if_room(c);
    amqp_connection_leave_if_done(c);
}

/* What it asked for besides goes on. */
static void on_written(struct session *s)
{
    struct amqp_connection *c = amqp_connection_of(s);

    if (!c->is_unread || outbox_bytes(&s->out) > SL_OUT_BYTES_LOW || !amqp_connection_is_alive(c))
        return;
    c->is_unread = false;
    broker_worker_refresh(s->client.worker);
    replay_all(c);
    amqp_confirm_announce(c);
    if (!broker_is_held(&s->client))
        resume_if_held(c); /* it may have been behind a kept content */
    resume_if_room(c);
    amqp_connection_leave_if_done(c);
    session_touch(s); /* what was asked now is handed over in the next turn */
}

static void on_end_of_input(struct session *s)
{
    struct amqp_connection *c = amqp_connection_of(s);

    if (c->phase == AMQP_PHASE_OPEN)
        amqp_connection_leave(c, AMQP_PEER_IS_SILENT);
    else
        session_end(s);
}

static void on_shutdown(struct session *s)
{
    struct amqp_connection *c = amqp_connection_of(s);

    if (!amqp_connection_is_alive(c))
        return;
    if (c->phase == AMQP_PHASE_OPEN || c->phase == AMQP_PHASE_LEAVING)
        amqp_connection_leave(c, AMQP_SHUTDOWN);
    else
        session_end(s);
}

static void on_eviction(struct session *s, const char *reason)
{
    struct amqp_connection *c = amqp_connection_of(s);

    if (!amqp_connection_is_alive(c))
        return;
    c->method = 0;
    if (c->phase == AMQP_PHASE_OPEN || c->phase == AMQP_PHASE_LEAVING)
        amqp_connection_fail(c, AMQP_CONNECTION_FORCED, "%s", reason);
    else
        session_end(s);
}

static void on_close(struct session *s)
{
    struct amqp_connection *c = amqp_connection_of(s);

    for (uint32_t i = 0; i < c->channels_room; i++) {
        if (c->channels[i] != NULL)
            amqp_channel_free(c->channels[i]);
    }
    free(c->channels);
    if (c->is_logging_in)
        identity_forget(&s->client);
    sl_bytes_free(c->user);
    sl_bytes_free(c->client_properties);
    broker_client_close(&s->client);
}

static bool may_read(const struct session *s)
{
    return !s->is_parked && !s->is_held && !s->is_ending && !s->is_aborted;
}

/* 0: nothing could be done with what there is. */
static size_t read_one(struct amqp_connection *c, struct sl_bytes in)
{
    size_t n;

    if (c->phase == AMQP_PHASE_OPEN) {
        n = amqp_publish_whole(c, in);
        return n != 0 ? n : read_frame(c, in);
    }
    return c->phase == AMQP_PHASE_HEADER ? amqp_handshake_on_header(c, in) : read_frame(c, in);
}

static size_t read_frame(struct amqp_connection *c, struct sl_bytes in)
{
    struct amqp_frame frame;
    const char *why;
    size_t used;
    bool is_kept = false;
    enum sl_err err = amqp_frame_decode(in, c->frame_max, &frame, &used, &why);

    if (err == SL_EAGAIN)
        return 0;
    if (err != SL_OK) {
        c->method = 0;
        if (c->phase == AMQP_PHASE_CLOSING)
            session_end(&c->session); /* it has been told once; nothing more can be read */
        else
            amqp_connection_fail(c, AMQP_FRAME_ERROR, "%s", why);
        return in.len;
    }
    if (must_wait(c, &frame, (struct sl_bytes){in.at, used}, &is_kept))
        return 0;
    if (!is_kept)
        amqp_connection_on_frame(c, &frame);
    return used;
}

/* A parked channel keeps its frames itself.  True: the whole session has to stop here, because
 * that channel has no more room or because this is a publish and publishers are held. */
static bool must_wait(struct amqp_connection *c, const struct amqp_frame *frame,
                      struct sl_bytes bytes, bool *is_kept)
{
    struct amqp_channel *ch = amqp_channel_find(c, frame->channel);

    if (ch == NULL || c->phase != AMQP_PHASE_OPEN)
        return false;
    if (amqp_channel_is_parked(ch)) {
        *is_kept = amqp_channel_park(ch, bytes);
        c->session.is_parked = !*is_kept;
        return !*is_kept;
    }
    c->session.is_held = amqp_publish_is_held(ch, frame) || amqp_content_is_held(ch, frame);
    return c->session.is_held;
}

static void replay_all(struct amqp_connection *c)
{
    bool was_waiting = c->content_waiting != NULL;

    replay_each(c);
    if (was_waiting && c->content_waiting == NULL)
        replay_each(c); /* who came before it waited for it */
}

static void replay_each(struct amqp_connection *c)
{
    for (uint32_t i = 0; i < c->channels_room && amqp_connection_is_alive(c); i++) {
        if (c->channels[i] != NULL && amqp_channel_is_parked(c->channels[i]))
            amqp_channel_replay(c->channels[i]);
    }
}

static void resume_if_held(struct amqp_connection *c)
{
    if (!c->session.is_held)
        return;
    amqp_content_excuse(c);
    session_resume(&c->session);
}

static void resume_if_room(struct amqp_connection *c)
{
    if (!c->session.is_parked || c->is_logging_in || c->phase == AMQP_PHASE_LEAVING ||
        c->parked_bytes >= SL_AMQP_PARKED_BYTES_MAX / 2)
        return;
    amqp_content_excuse(c);
    session_resume(&c->session);
}
