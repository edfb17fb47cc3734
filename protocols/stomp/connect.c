#include "protocols/stomp/connect.h"

#include "core/identity.h"
#include "protocols/stomp/cluster.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#include <stdlib.h>

static bool choose_version(struct sl_bytes accepted, enum stomp_version *version);
static bool has_word(struct sl_bytes list, const char *word);
static bool open_vhost(struct stomp_session *s, struct sl_bytes host);
static bool log_in(struct stomp_session *s, const struct stomp_headers *h);

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
    if (!open_vhost(s, stomp_value(&headers, "host")) || !log_in(s, &headers) ||
        !stomp_cluster_of_connection(s, &headers))
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

    if (host.len != 0 && broker_open_vhost(c, host) == SL_OK)
        return true;
    if (host.len != 0 && s->base.env->settings->stomp_host_must_exist) {
        stomp_refuse_about(s, STOMP_NO_RECEIPT, "Bad CONNECT", "Virtual host '", host,
                           "' access denied");
        return false;
    }
    if (broker_open_vhost(c, SL_BYTES_LITERAL("/")) == SL_OK)
        return true;
    stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT", "Virtual host '/' access denied");
    return false;
}

static bool log_in(struct stomp_session *s, const struct stomp_headers *h)
{
    const struct protocol_settings *settings = s->base.env->settings;
    struct sl_bytes user = stomp_value(h, "login");
    struct sl_bytes password = stomp_value(h, "passcode");

    if (user.at == NULL && settings->default_user != NULL) {
        user = sl_bytes_of(settings->default_user);
        password =
            sl_bytes_of(settings->default_password == NULL ? "" : settings->default_password);
    }
    switch (identity_check(user, password, s->base.is_loopback)) {
    case IDENTITY_OK: break;
    case IDENTITY_BAD_CREDENTIALS:
        stomp_refuse_about(s, STOMP_NO_RECEIPT, "Bad CONNECT", "Access refused for user '", user,
                           "'");
        return false;
    case IDENTITY_NOT_LOOPBACK:
        stomp_refuse(s, STOMP_NO_RECEIPT, "Bad CONNECT", "non-loopback access denied");
        return false;
    }
    s->user = strndup((const char *)user.at, user.len);
    if (s->user != NULL) {
        s->base.client.user = sl_bytes_of(s->user);
        return true;
    }
    stomp_fail_with(s, STOMP_NO_RECEIPT, SL_ENOMEM, "out of memory");
    return false;
}
