#include "gateway/conn.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "gateway/conn_input.h"
#include "gateway/conn_opening.h"
#include "gateway/conn_set.h"

#include <stdlib.h>
#include <unistd.h>

#define IOVECS_MAX 64
#define ENDING_TIMEOUT_MS 10000u /* for a peer that does not read our last words */
#define LINGER_TIMEOUT_MS 2000u

static void note_login(struct conn *c);
static void on_ready(struct loop_watch *watch, unsigned events);
static void on_ready_to_write(struct conn *c);
static void on_fire(struct timer *t);
static enum sl_err write_once(struct conn *c, bool *took_all);
static void linger(struct conn *c);
static void want(struct conn *c, bool to_write);
static void arm(struct conn *c);

void conn_open(struct conn_set *set, int fd, const struct port *port)
{
    struct address peer = {.len = sizeof peer.at};
    uint32_t place;

    (void)getpeername(fd, (struct sockaddr *)&peer.at, &peer.len);
    bool is_proxied = address_list_has(&set->entrance.proxies, &peer);
    bool has_place = strangers_enter(&set->strangers, is_proxied ? NULL : &peer, &place);
    struct conn *c = has_place ? calloc(1, sizeof *c) : NULL;
    if (c == NULL || slot_table_put(&set->slots, c, &c->at) != SL_OK) {
        free(c);
        close(fd);
        if (has_place)
            strangers_leave(&set->strangers, place);
        sl_log_peer(SL_LOG_WARN, "connection.refused", "reason=%s listener=%s",
                    has_place ? "memory" : "too-many-not-logged-in", port->name);
        return;
    }
    c->set = set;
    c->port = port;
    c->is_stranger = true;
    c->place = place;
    c->awaits_proxy_header = is_proxied;
    c->transport = transport_plain(fd);
    c->watch = (struct loop_watch){.fd = fd, .on_ready = on_ready};
    c->limit_ms = set->env.now_ms + set->env.settings->login_timeout_ms;
    list_init(&c->of_graveyard);
    list_init(&c->of_held);
    timer_init(&c->timer, on_fire);
    counter_add(&set->env.worker->counters.connections_opened, 1);
    if (loop_add(set->loop, &c->watch, LOOP_READ) != SL_OK) {
        sl_log_peer(SL_LOG_WARN, "connection.refused", "reason=epoll");
        conn_kill(c);
        return;
    }
    conn_opening_begin(c);
    arm(c);
}

void conn_resume(struct conn *c)
{
    if (c->state != CONN_OPEN || !conn_may_read(c))
        return;
    conn_lend_unread(c);
    conn_attend(c);
    if (c->state == CONN_OPEN && conn_may_read(c) && c->transport.ops->pending(&c->transport))
        conn_read(c);
}

void conn_resume_later(struct conn *c)
{
    struct session *s = c->session;

    if (list_is_empty(&s->of_runnable))
        list_push(&s->env->runnable, &s->of_runnable);
}

void conn_flush(struct conn *c)
{
    struct session *s = c->session;
    bool took_all = true;

    conn_attend(c);
    if (c->state != CONN_OPEN && c->state != CONN_ENDING)
        return;
    uint64_t before = s->out.taken;
    while (took_all && outbox_bytes(&s->out) != 0) {
        if (write_once(c, &took_all) != SL_OK) {
            conn_kill(c);
            return;
        }
    }
    if (s->out.taken != before) {
        s->last_out_ms = c->set->env.now_ms;
        counter_add(&c->set->env.worker->counters.bytes_out, s->out.taken - before);
    }
    session_on_written(s); /* also when nothing was: deliveries may have been dropped */
    if (c->state == CONN_ENDING && took_all) {
        linger(c);
        return;
    }

    /* Two marks, so that one drained packet does not flip us back and forth. */
    size_t waiting = outbox_bytes(&s->out);
    if (waiting > SL_OUT_BYTES_HIGH)
        c->is_choked = true;
    else if (c->is_choked && waiting < SL_OUT_BYTES_LOW) {
        c->is_choked = false;
        conn_resume_later(c);
    }
    want(c, !took_all);
}

void conn_attend(struct conn *c)
{
    struct session *s = c->session;

    if (c->state != CONN_OPEN)
        return;
    note_login(c);
    if (s->is_aborted)
        conn_kill(c);
    else if (s->is_ending)
        conn_end(c);
    else
        want(c, c->watch.events & LOOP_WRITE);
    if (!s->is_held)
        list_remove(&c->of_held);
    else if (list_is_empty(&c->of_held))
        list_push(&c->set->held, &c->of_held); /* behind those who wait longer */
    arm(c);
}

void conn_end(struct conn *c)
{
    if (c->state != CONN_OPEN)
        return;
    c->state = CONN_ENDING;
    c->limit_ms = c->set->env.now_ms + ENDING_TIMEOUT_MS;
    conn_drop_unread(c);
    session_touch(c->session); /* the flush sees it through */
    arm(c);
}

void conn_refuse(struct conn *c, const char *reason)
{
    struct address peer = {.len = sizeof peer.at};
    char who[SESSION_ADDRESS_MAX];

    SL_ASSERT(c->session == NULL);
    if (c->state != CONN_NEW)
        return;
    (void)getpeername(c->watch.fd, (struct sockaddr *)&peer.at, &peer.len);
    address_format(c->origin == NULL ? &peer : &c->origin->peer, who, sizeof who);
    sl_log_peer(SL_LOG_WARN, "connection.refused", "reason=\"%s\" listener=%s peer=%s", reason,
                c->port->name, who);
    linger(c);
}

void conn_kill(struct conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    c->state = CONN_DEAD;
    timer_cancel(&c->timer);
    if (list_is_empty(&c->of_graveyard))
        list_push(&c->set->graveyard, &c->of_graveyard);
}

void conn_close_session(struct conn *c)
{
    struct session *s = c->session;

    if (s == NULL)
        return;
    sl_debug("connection.close", "peer=%s protocol=%s", s->peer, s->protocol->name);
    s->protocol->close(s);
    list_remove(&s->of_dirty);
    list_remove(&s->of_runnable);
    list_remove(&c->of_held);
    session_deinit(s);
    free(s);
    c->session = NULL;
}

void conn_free(struct conn *c)
{
    SL_ASSERT(c->state == CONN_DEAD && c->session == NULL);
    counter_add(&c->set->env.worker->counters.connections_closed, 1);
    if (c->is_stranger)
        strangers_leave(&c->set->strangers, c->place);
    slot_table_remove(&c->set->slots, c->at);
    conn_drop_unread(c);
    free(c->origin);
    c->transport.ops->close(&c->transport); /* epoll forgets a closed descriptor */
    free(c);
}

static void note_login(struct conn *c)
{
    if (!c->is_stranger || c->session->client.vhost == NULL)
        return;
    c->is_stranger = false;
    strangers_leave(&c->set->strangers, c->place);
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct conn *c = (struct conn *)watch;

    if (c->state == CONN_DEAD)
        return;
    if (events & LOOP_WRITE)
        on_ready_to_write(c);
    if (c->state == CONN_LINGER)
        conn_drop_input(c);
    else if (events & LOOP_READ && conn_may_read(c))
        conn_read(c);
    else if (events & LOOP_HANG)
        conn_kill(c);
    else if (events & LOOP_READ)
        loop_change(c->set->loop, &c->watch, c->watch.events & ~LOOP_READ);
}

/* What the socket did not take before was the session's, or of the transport itself. */
static void on_ready_to_write(struct conn *c)
{
    if (c->session != NULL)
        session_touch(c->session); /* the flush writes */
    if (!c->transport.wants_write)
        return;
    if (c->state == CONN_LINGER)
        c->transport.ops->shutdown(&c->transport);
    else if (c->transport.ops->flush(&c->transport) == SL_EIO)
        conn_kill(c);
    else if (conn_may_read(c))
        conn_read(c);
    if (c->state != CONN_DEAD)
        conn_want(c);
}

static void on_fire(struct timer *t)
{
    struct conn *c = LIST_OF(t, struct conn, timer);
    uint64_t now_ms = c->set->env.now_ms;

    if (now_ms >= c->limit_ms) {
        if (c->state == CONN_NEW)
            sl_log_peer(SL_LOG_WARN, "connection.silent", "listener=%s", c->port->name);
        conn_kill(c);
        return;
    }
    if (c->state == CONN_OPEN && now_ms >= c->session->deadline_ms)
        c->session->protocol->on_deadline(c->session);
    conn_attend(c);
    arm(c);
}

static enum sl_err write_once(struct conn *c, bool *took_all)
{
    struct outbox *out = &c->session->out;
    struct iovec iov[IOVECS_MAX];
    size_t offered = 0;
    size_t put = 0;
    int n = outbox_gather(out, iov, IOVECS_MAX);

    for (int i = 0; i < n; i++)
        offered += iov[i].iov_len;
    enum sl_err err = c->transport.ops->writev(&c->transport, iov, n, &put);
    if (err == SL_OK)
        outbox_take(out, put);
    *took_all = put == offered;
    return err == SL_EAGAIN ? SL_OK : err;
}

/* The session is over; its socket waits for the peer to have read everything. */
static void linger(struct conn *c)
{
    c->state = CONN_LINGER;
    c->limit_ms = c->set->env.now_ms + LINGER_TIMEOUT_MS;
    c->transport.ops->shutdown(&c->transport);
    conn_want(c);
    list_push(&c->set->graveyard, &c->of_graveyard);
    arm(c);
}

void conn_want(struct conn *c)
{
    if (c->state == CONN_NEW || c->state == CONN_LINGER)
        loop_change(c->set->loop, &c->watch,
                    LOOP_READ | (c->transport.wants_write ? LOOP_WRITE : 0u));
    else
        want(c, c->watch.events & LOOP_WRITE);
}

/* Reading is only switched on here; on_ready switches it off when it is in the way. */
static void want(struct conn *c, bool to_write)
{
    unsigned events = conn_may_read(c) ? LOOP_READ : c->watch.events & LOOP_READ;

    to_write |= c->transport.wants_write;
    loop_change(c->set->loop, &c->watch, events | (to_write ? LOOP_WRITE : 0u));
}

/* A timer that is set too early is put right when it fires, so deadlines that move away, as
 * those of heartbeats do with every read, cost nothing. */
static void arm(struct conn *c)
{
    uint64_t due = c->limit_ms;

    if (c->state == CONN_DEAD)
        return;
    if (c->state == CONN_OPEN && c->session->deadline_ms < due)
        due = c->session->deadline_ms;
    if (due < c->timer.at_ms)
        timer_set(&c->set->wheel, &c->timer, due);
}
