#include "gateway/conn_input.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "gateway/address.h"
#include "gateway/conn_opening.h"
#include "gateway/conn_set.h"
#include "protocols/sniff.h"

#include <stdlib.h>

#define SNIFF_BYTES_MAX 1024u /* line feeds that someone may send before the first frame */
#define TLS_HANDSHAKE 0x16
#define UNREAD_ROOM_MIN 512u
#define HELD_READ_BYTES                                                                            \
    (16u * 1024) /* per read while memory is short: who is held keeps the rest */

static void on_no_input(struct conn *c, enum sl_err err);
static size_t fetch_unread(struct conn *c);
static void on_input(struct conn *c, struct sl_bytes in);
static void on_end_of_input(struct conn *c);
static const struct protocol *choose_protocol(struct conn *c, struct sl_bytes first);
static void start_session(struct conn *c, const struct protocol *protocol);
static void name_session(struct conn *c);
static size_t feed(struct conn *c, struct sl_bytes in);
static void keep_unread(struct conn *c, struct sl_bytes rest);
static void check_unread(struct conn *c, size_t len);
static bool make_room(struct conn *c, size_t n);

bool conn_may_read(const struct conn *c)
{
    const struct session *s = c->session;

    if (c->state == CONN_NEW)
        return true;
    return c->state == CONN_OPEN && !s->is_parked && !s->is_held && !s->is_ending &&
           !s->is_aborted && !c->is_choked && !c->is_read_out;
}

void conn_read(struct conn *c)
{
    /* A resumed session is lent what it left first: after a wait that may be more than fits
     * in front of another read.  The bytes in the socket come back next turn. */
    if (c->session != NULL && !list_is_empty(&c->session->of_runnable))
        return;

    if (c->state == CONN_NEW && !conn_opening_step(c))
        return;
    struct session_env *env = &c->set->env;
    size_t room = env->worker->held_by != 0 ? HELD_READ_BYTES : SL_READ_BYTES;
    size_t got;

    size_t kept = fetch_unread(c);
    enum sl_err err = c->transport.ops->read(&c->transport, c->set->input + kept, room, &got);
    if (err != SL_OK) {
        on_no_input(c, err);
        return;
    }
    if (got == 0) {
        on_end_of_input(c);
        return;
    }
    counter_add(&env->worker->counters.bytes_in, got);
    broker_worker_refresh(env->worker);
    on_input(c, (struct sl_bytes){c->set->input, kept + got});
    broker_worker_hand_over(env->worker);
    if (c->state == CONN_OPEN && c->transport.ops->pending(&c->transport))
        conn_resume_later(c);
}

void conn_lend_unread(struct conn *c)
{
    if (c->unread == NULL)
        return;
    struct sl_bytes in = {c->unread + c->unread_at, c->unread_end - c->unread_at};
    size_t used = feed(c, in);
    c->unread_at += (uint32_t)used;
    if (used == in.len)
        conn_drop_unread(c);
    else
        check_unread(c, in.len - used);
}

void conn_drop_unread(struct conn *c)
{
    free(c->unread);
    c->unread = NULL;
    c->unread_at = c->unread_end = c->unread_room = 0;
}

/* The peer closes when it has read our last words, or has no more to say itself. */
void conn_drop_input(struct conn *c)
{
    size_t got;
    enum sl_err err = c->transport.ops->read(&c->transport, c->set->input, SL_READ_BYTES, &got);

    if (err != SL_EAGAIN && (err != SL_OK || got == 0))
        conn_kill(c);
    else
        conn_want(c);
}

static void on_no_input(struct conn *c, enum sl_err err)
{
    if (err == SL_EAGAIN)
        conn_want(c);
    else if (err != SL_EPROTO)
        conn_kill(c);
    else if (c->state == CONN_NEW)
        conn_refuse(c, c->transport.ops->reason(&c->transport));
    else {
        sl_log_peer(SL_LOG_WARN, "connection.dropped", "reason=\"%s\" peer=%s",
                    c->transport.ops->reason(&c->transport), c->session->peer);
        conn_kill(c);
    }
}

/* Copies the unread bytes to the front of the shared input; they stay kept until on_input has
 * seen what is new. */
static size_t fetch_unread(struct conn *c)
{
    size_t n = c->unread_end - c->unread_at;

    SL_ASSERT(n <= SL_UNREAD_BYTES_MAX);
    if (n != 0)
        memcpy(c->set->input, c->unread + c->unread_at, n);
    return n;
}

static void on_input(struct conn *c, struct sl_bytes in)
{
    if (c->state == CONN_NEW) {
        const struct protocol *protocol = choose_protocol(c, in);
        if (protocol != NULL)
            start_session(c, protocol);
    }
    if (c->state == CONN_OPEN) {
        c->session->last_in_ms = c->set->env.now_ms;
        in = sl_bytes_skip(in, feed(c, in));
    }
    if (c->state != CONN_DEAD && c->state != CONN_LINGER)
        keep_unread(c, in);
    conn_attend(c);
}

/* A peer that only stopped sending still gets its answers. */
static void on_end_of_input(struct conn *c)
{
    if (c->state != CONN_OPEN) {
        conn_kill(c);
        return;
    }
    c->is_read_out = true;
    conn_drop_unread(c); /* the beginning of something that has no end */
    c->session->protocol->on_end_of_input(c->session);
    conn_attend(c);
}

/* NULL: more bytes are needed, or none will help. */
static const struct protocol *choose_protocol(struct conn *c, struct sl_bytes first)
{
    const struct protocol *protocol = NULL;

    if (first.at[0] == TLS_HANDSHAKE && c->transport.state == NULL) {
        conn_refuse(c, "tls-on-plain-port");
        return NULL;
    }
    switch (sniff_protocol(first, &protocol)) {
    case SNIFF_YES: return protocol;
    case SNIFF_NO: return c->port->protocol;
    case SNIFF_MORE: break;
    }
    return first.len > SNIFF_BYTES_MAX ? c->port->protocol : NULL;
}

static void start_session(struct conn *c, const struct protocol *protocol)
{
    struct session *s = calloc(1, protocol->session_size);
    struct sl_handle handle = {c->at.slot, c->at.generation, c->set->env.worker->index};

    if (s == NULL) {
        sl_log_peer(SL_LOG_WARN, "connection.refused", "reason=memory");
        conn_kill(c);
        return;
    }
    session_init(s, protocol, &c->set->env, handle);
    s->carrier = c;
    s->last_in_ms = s->last_out_ms = c->set->env.now_ms;
    c->session = s;
    c->state = CONN_OPEN;
    c->limit_ms = TIMER_NEVER; /* the session watches over its login from here */
    name_session(c);
    protocol->open(s);
    sl_debug("connection.open", "peer=%s protocol=%s", s->peer, protocol->name);
}

static void name_session(struct conn *c)
{
    struct session *s = c->session;
    struct address peer = {.len = sizeof peer.at};
    struct address local = {.len = sizeof local.at};

    (void)getpeername(c->watch.fd, (struct sockaddr *)&peer.at, &peer.len);
    (void)getsockname(c->watch.fd, (struct sockaddr *)&local.at, &local.len);
    s->is_loopback = address_is_loopback(&peer);
    if (c->origin != NULL) { /* a loopback that another machine tells of is not ours */
        s->is_loopback &= address_is_loopback(&c->origin->peer);
        peer = c->origin->peer;
        local = c->origin->local;
    }
    address_format(&peer, s->peer, sizeof s->peer);
    address_format(&local, s->local, sizeof s->local);
    s->security = c->transport.ops->security(&c->transport);
    s->certificate_name = cert_login_name(&c->set->entrance.cert_login, s->security);
}

static size_t feed(struct conn *c, struct sl_bytes in)
{
    size_t used = 0;

    if (!conn_may_read(c))
        return 0;
    c->session->protocol->on_bytes(c->session, in, &used);
    SL_ASSERT(used <= in.len);
    return used;
}

static void keep_unread(struct conn *c, struct sl_bytes rest)
{
    c->unread_at = c->unread_end = 0;
    if (rest.len == 0 || c->state == CONN_ENDING) {
        conn_drop_unread(c);
        return;
    }
    if (!make_room(c, rest.len)) {
        sl_log_peer(SL_LOG_WARN, "connection.dropped", "reason=memory");
        conn_kill(c);
        return;
    }
    memcpy(c->unread, rest.at, rest.len);
    c->unread_end = (uint32_t)rest.len;
    check_unread(c, rest.len);
}

/* Front ends keep to their limits; this is for the day when one does not. */
static void check_unread(struct conn *c, size_t len)
{
    if (len <= SL_UNREAD_BYTES_MAX || !conn_may_read(c))
        return;
    sl_error("connection.unread", "bytes=%zu listener=%s", len, c->port->name);
    conn_kill(c);
}

static bool make_room(struct conn *c, size_t n)
{
    if (n <= c->unread_room)
        return true;
    conn_drop_unread(c);
    c->unread_room = n < UNREAD_ROOM_MIN ? UNREAD_ROOM_MIN : (uint32_t)n;
    c->unread = malloc(c->unread_room);
    if (c->unread == NULL)
        c->unread_room = 0;
    return c->unread != NULL;
}
