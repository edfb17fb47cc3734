#include "protocols/amqp/heartbeat.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "protocols/amqp/content.h"

static void due_by(struct session *s, uint64_t at_ms);
static bool is_unread(const struct amqp_connection *c);

/* A time that has passed already means that something came or went since: half an interval
 * later is soon enough then. */
void amqp_heartbeat_arm(struct amqp_connection *c)
{
    struct session *s = &c->session;
    uint64_t now = s->env->now_ms;

    s->deadline_ms = c->phase == AMQP_PHASE_LEAVING ? c->leave_by_ms : UINT64_MAX;
    if (c->contents != 0)
        due_by(s, c->contents_due_ms);
    if (c->heartbeat_s == 0)
        return;
    uint64_t half = c->heartbeat_s * 500ull;
    uint64_t say = s->last_out_ms + half;
    uint64_t dead = s->last_in_ms + c->heartbeat_s * 2000ull;
    if (say <= now)
        say = now + half;
    due_by(s, say);
    due_by(s, dead);
}

void amqp_heartbeat_on_deadline(struct amqp_connection *c)
{
    static const uint8_t HEARTBEAT[] = {AMQP_FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, AMQP_FRAME_END};
    struct session *s = &c->session;
    uint64_t now = s->env->now_ms;

    if (c->phase == AMQP_PHASE_LEAVING && now >= c->leave_by_ms) {
        amqp_connection_leave_undone(c);
        return;
    }
    if (c->phase != AMQP_PHASE_OPEN &&
        c->phase != AMQP_PHASE_LEAVING) { /* a login, or a wait for close-ok, that took too long */
        sl_log_peer(SL_LOG_INFO, "amqp.timeout", "peer=%s closing=%d", s->peer,
                    c->phase == AMQP_PHASE_CLOSING);
        session_abort(s);
        return;
    }
    if (is_unread(c)) {
        s->last_in_ms = now; /* what we do not read is no silence: its time starts again */
        amqp_content_excuse(c);
    }
    amqp_content_check_pace(c);
    if (!amqp_connection_is_alive(c))
        return;
    if (c->heartbeat_s != 0 && now - s->last_in_ms >= c->heartbeat_s * 2000ull) {
        sl_log_peer(SL_LOG_INFO, "amqp.heartbeat.missed", "peer=%s heartbeat_s=%u", s->peer,
                    c->heartbeat_s);
        session_abort(s);
        return;
    }
    /* What waits to be written will do as a sign of life, and a peer that does not read must
     * not make the outbox grow. */
    if (c->heartbeat_s != 0 && now - s->last_out_ms >= c->heartbeat_s * 500ull &&
        outbox_bytes(&s->out) == 0) {
        outbox_add(&s->out, (struct sl_bytes){HEARTBEAT, sizeof HEARTBEAT});
        session_touch(s);
        s->last_out_ms = now;
    }
    amqp_heartbeat_arm(c);
}

static void due_by(struct session *s, uint64_t at_ms)
{
    if (at_ms < s->deadline_ms)
        s->deadline_ms = at_ms;
}

/* The last one is the gateway's doing: it reads nothing from a peer that does not read us. */
static bool is_unread(const struct amqp_connection *c)
{
    const struct session *s = &c->session;

    return s->is_held || s->is_parked || outbox_bytes(&s->out) >= SL_OUT_BYTES_LOW;
}
