#include "protocols/stomp/heartbeat.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/send.h"
#include "protocols/stomp/session.h"

static bool read_interval(struct sl_bytes digits, uint32_t *ms);
static uint64_t send_due(const struct stomp_session *s);
static uint64_t receive_due(const struct stomp_session *s);
static bool is_peer_excused(const struct stomp_session *s);
static bool is_receiving(const struct stomp_session *s);

bool stomp_heartbeat_parse(struct sl_bytes value, struct stomp_heartbeat *out)
{
    *out = (struct stomp_heartbeat){0};
    if (value.len == 0)
        return true;

    const uint8_t *comma = memchr(value.at, ',', value.len);
    if (comma == NULL)
        return false;
    struct sl_bytes can_send = {value.at, (size_t)(comma - value.at)};
    struct sl_bytes wants = stomp_trim(sl_bytes_skip(value, can_send.len + 1));
    return read_interval(can_send, &out->receive_ms) && read_interval(wants, &out->send_ms);
}

void stomp_heartbeat_schedule(struct stomp_session *s)
{
    uint64_t send = send_due(s);
    uint64_t receive = receive_due(s);

    if (s->phase == STOMP_NEW)
        s->base.deadline_ms = s->heartbeat.since_ms + s->base.env->settings->login_timeout_ms;
    else
        s->base.deadline_ms = send < receive ? send : receive;
    if (is_receiving(s) && s->body.due_ms < s->base.deadline_ms)
        s->base.deadline_ms = s->body.due_ms;
}

void stomp_heartbeat_on_deadline(struct stomp_session *s)
{
    uint64_t now = s->base.env->now_ms;

    if (s->base.is_ending) {
        s->base.deadline_ms = UINT64_MAX;
        return;
    }
    if (s->phase == STOMP_NEW &&
        now >= s->heartbeat.since_ms + s->base.env->settings->login_timeout_ms) {
        stomp_fail(s, STOMP_NO_RECEIPT, "Login timeout", "No CONNECT came in time");
        s->base.deadline_ms = UINT64_MAX;
        return;
    }
    if (is_peer_excused(s)) {
        s->heartbeat.since_ms = now;
        s->body.is_excused = true;
    }
    if (is_receiving(s) && now >= s->body.due_ms && !stomp_publication_keeps_pace(s)) {
        stomp_fail(s, s->send->publication.receipt, "Body not finished",
                   "The body did not go on in time");
        s->base.deadline_ms = UINT64_MAX;
        return;
    }
    if (now >= receive_due(s)) {
        sl_log_peer(SL_LOG_WARN, "stomp.silent", "peer=%s interval_ms=%u", s->base.peer,
                    s->heartbeat.receive_ms);
        session_abort(&s->base);
        return;
    }
    if (now >= send_due(s) && outbox_bytes(&s->base.out) == 0) {
        outbox_add(&s->base.out, SL_BYTES_LITERAL("\n"));
        session_touch(&s->base);
        s->base.last_out_ms = now;
    } else if (now >= send_due(s)) {
        s->base.last_out_ms = now; /* what waits to be written says that we live */
    }
    stomp_heartbeat_schedule(s);
}

static bool read_interval(struct sl_bytes digits, uint32_t *ms)
{
    uint64_t n;

    while (digits.len != 0 && digits.at[digits.len - 1] == ' ')
        digits.len--;
    if (!stomp_number(digits, UINT32_MAX, &n))
        return false;
    *ms = (uint32_t)n;
    if (n != 0 && n < STOMP_HEARTBEAT_MS_MIN)
        *ms = STOMP_HEARTBEAT_MS_MIN;
    return true;
}

static uint64_t send_due(const struct stomp_session *s)
{
    if (s->heartbeat.send_ms == 0)
        return UINT64_MAX;
    return s->base.last_out_ms + s->heartbeat.send_ms - s->heartbeat.send_ms / 4;
}

static uint64_t receive_due(const struct stomp_session *s)
{
    uint64_t since = s->heartbeat.since_ms;

    if (s->heartbeat.receive_ms == 0)
        return UINT64_MAX;
    if (s->base.last_in_ms > since)
        since = s->base.last_in_ms;
    return since + 2ull * s->heartbeat.receive_ms + STOMP_HEARTBEAT_GRACE_MS;
}

/* We do not read from a session that waits for memory, for an answer, or for its peer to take
 * what we said: its silence is ours.  Who is leaving has no more to say. */
static bool is_peer_excused(const struct stomp_session *s)
{
    return s->base.is_held || s->base.is_parked || s->phase == STOMP_LEAVING ||
           outbox_bytes(&s->base.out) > SL_OUT_BYTES_LOW;
}

static bool is_receiving(const struct stomp_session *s)
{
    return s->body.is_open && s->body.is_kept;
}
