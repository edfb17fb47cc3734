#include "protocols/stomp/connect.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/identity.h"
#include "protocols/stomp/cluster.h"
#include "protocols/stomp/durable.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#include <stdlib.h>

struct stomp_login { /* a CONNECT that waits */
    bool is_known;
    enum identity_verdict verdict;
};

static bool choose_version(struct sl_bytes accepted, enum stomp_version *version);
static bool has_word(struct sl_bytes list, const char *word);
static bool open_vhost(struct stomp_session *s, struct sl_bytes host);
static enum identity_verdict log_in(struct stomp_session *s, const struct stomp_headers *h);
static void find_user(const struct stomp_session *s, struct login *out);
static void keep_user(struct stomp_session *s);
static void refuse(struct stomp_session *s, enum identity_verdict verdict, struct sl_bytes user);

bool stomp_on_connect(struct stomp_session *s, const struct stomp_frame *f)
{
    struct stomp_headers headers = f->headers;
    struct stomp_heartbeat heartbeat;
    enum stomp_version version;

    if (!choose_version(stomp_value(&headers, "accept-version"), &version)) {
        stomp_refuse(s, STOMP_NO_RECEIPT, "Version mismatch", "Supported versions are 1.0,1.1,1.2");
        return true;
    }
    if (version == STOMP_1_0)
        stomp_headers_trim(&headers);
    if (!stomp_heartbeat_parse(stomp_value(&headers, "heart-beat"), &heartbeat)) {
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT", "Invalid heart-beat header");
        return true;
    }
    switch (log_in(s, &headers)) {
    case IDENTITY_OK: break;
    case IDENTITY_WAIT: return false;
    default: return true;
    }
    if (!open_vhost(s, stomp_value(&headers, "host")) ||
        !stomp_cluster_of_connection(s, &headers) || !stomp_durable_of_connection(s, &headers))
        return true;
    s->version = version;
    s->phase = STOMP_OPEN;
    heartbeat.since_ms = s->base.env->now_ms;
    s->heartbeat = heartbeat;
    stomp_heartbeat_schedule(s);
    stomp_say_connected(s, stomp_value(&headers, "request-id"));
    return true;
}

/* The highest that both sides speak; who does not say is of 1.0. */
static bool choose_version(struct sl_bytes accepted, enum stomp_version *version)
{
    *version = STOMP_1_0;
    if (accepted.at == NULL)
        return true;
    if (has_word(accepted, "1.2"))
        *version = STOMP_1_2;
    else if (has_word(accepted, "1.1"))
        *version = STOMP_1_1;
    else
        return has_word(accepted, "1.0");
    return true;
}

/* In a list with commas; blanks around a word do not count. */
static bool has_word(struct sl_bytes list, const char *word)
{
    while (list.len != 0) {
        const uint8_t *comma = memchr(list.at, ',', list.len);
        struct sl_bytes one = {list.at, comma == NULL ? list.len : (size_t)(comma - list.at)};

        list = sl_bytes_skip(list, one.len + 1);
        one = stomp_trim(one);
        while (one.len != 0 && one.at[one.len - 1] == ' ')
            one.len--;
        if (sl_bytes_are(one, word))
            return true;
    }
    return false;
}

/* STOMP means a host name by it, RabbitMQ a virtual host: it is one where there is one of that
 * name, and otherwise, unless a setting says so, nobody's business. */
static bool open_vhost(struct stomp_session *s, struct sl_bytes host)
{
    struct client *c = &s->base.client;
    enum sl_err err = host.len == 0 ? SL_ENOENT : broker_open_vhost(c, host);

    if (err == SL_OK)
        return true;
    if (err == SL_ENOENT && (host.len == 0 || !s->base.env->settings->stomp_host_must_exist)) {
        host = SL_BYTES_LITERAL("/");
        err = broker_open_vhost(c, host);
    }
    if (err == SL_OK)
        return true;
    if (err == SL_EFULL)
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT",
                     "Connection refused: vhost connection limit reached");
    else if (err == SL_ENOTALLOWED)
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT",
                     "Connection refused: user connection limit reached");
    else
        stomp_refuse_about(s, STOMP_NO_RECEIPT, "Bad CONNECT", "Virtual host '", host,
                           "' access denied");
    return false;
}

void stomp_connect_on_answer(struct stomp_session *s, const struct answer *a)
{
    if (s->login->is_known)
        return;
    s->login->is_known = true;
    s->login->verdict = identity_on_answer(&s->base.client, a);
    session_resume(&s->base);
}

/* The frame is left unread while the login is looked at, and comes again when that is known. */
static enum identity_verdict log_in(struct stomp_session *s, const struct stomp_headers *h)
{
    const struct protocol_settings *settings = s->base.env->settings;
    struct login login = {.user = stomp_value(h, "login"),
                          .password = stomp_value(h, "passcode"),
                          .is_loopback = s->base.is_loopback,
                          .loopback_users = settings->loopback_users,
                          .peer = s->base.peer};
    enum identity_verdict verdict;

    if (login.user.at == NULL)
        find_user(s, &login);
    if (s->login != NULL && !s->login->is_known) {
        verdict = IDENTITY_WAIT;
    } else if (s->login != NULL) {
        verdict = s->login->verdict;
        free(s->login);
        s->login = NULL;
    } else {
        verdict = identity_login(&s->base.client, 0, &login);
    }
    if (verdict == IDENTITY_WAIT) {
        if (s->login == NULL)
            s->login = calloc(1, sizeof *s->login);
        SL_ASSERT(s->login != NULL);
        s->base.is_parked = true;
    } else if (verdict == IDENTITY_OK) {
        keep_user(s);
    } else {
        refuse(s, verdict, login.user);
    }
    return verdict;
}

/* Who sends no login header. */
static void find_user(const struct stomp_session *s, struct login *out)
{
    const struct protocol_settings *settings = s->base.env->settings;

    if (settings->stomp_certificate_login && s->base.certificate_name != NULL) {
        out->user = sl_bytes_of(s->base.certificate_name);
        out->is_vouched_for = true;
    } else if (settings->default_user != NULL) {
        out->user = sl_bytes_of(settings->default_user);
        out->password =
            sl_bytes_of(settings->default_password == NULL ? "" : settings->default_password);
    }
}

static void keep_user(struct stomp_session *s)
{
    struct sl_bytes user = s->base.client.user;

    free(s->user);
    s->user = strndup((const char *)user.at, user.len);
    SL_ASSERT(s->user != NULL);
}

static void refuse(struct stomp_session *s, enum identity_verdict verdict, struct sl_bytes user)
{
    sl_log_peer(SL_LOG_WARN, "stomp.login.refused", "peer=%s", s->base.peer);
    if (verdict == IDENTITY_NOT_LOOPBACK)
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT", "non-loopback access denied");
    else
        stomp_refuse_about(s, STOMP_NO_RECEIPT, "Bad CONNECT", "Access refused for user '", user,
                           "'");
}
