#include "protocols/amqp/handshake.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/cluster_name.h"
#include "core/identity.h"
#include "core/table.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/heartbeat.h"
#include "protocols/amqp/sasl.h"

static const uint8_t HEADER[8] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
/* Old clients ask for 0-9 and then speak what 0-9-1 has in common with it. */
static const uint8_t HEADER_0_9[8] = {'A', 'M', 'Q', 'P', 1, 1, 0, 9};

static void send_start(struct amqp_connection *c);
static void write_server_properties(const struct protocol_settings *settings, struct sl_writer *w);
static void write_capabilities(struct sl_writer *w);
static void read_capabilities(struct amqp_connection *c);
static bool read_cluster_id(struct amqp_connection *c);
static bool has_capability(struct sl_bytes capabilities, const char *name);
static struct amqp_sasl_offer offer_to(const struct amqp_connection *c);
static void log_in(struct amqp_connection *c, const struct amqp_credentials *who);
static void end_login(struct amqp_connection *c, enum identity_verdict verdict);
static void refuse_login(struct amqp_connection *c, struct sl_bytes mechanism);
static void send_tune(struct amqp_connection *c);
static bool limit_is_agreed(struct amqp_connection *c, const char *name, uint32_t value,
                            uint32_t min, uint32_t max);

enum sniff amqp_sniff(struct sl_bytes first)
{
    size_t n = first.len < 4 ? first.len : 4;

    if (n != 0 && memcmp(first.at, HEADER, n) != 0)
        return SNIFF_NO;
    return n == 4 ? SNIFF_YES : SNIFF_MORE;
}

size_t amqp_handshake_on_header(struct amqp_connection *c, struct sl_bytes in)
{
    size_t n = in.len < sizeof HEADER ? in.len : sizeof HEADER;

    if (n != 0 && memcmp(in.at, HEADER, n) != 0 && memcmp(in.at, HEADER_0_9, n) != 0) {
        outbox_add(&c->session.out, (struct sl_bytes){HEADER, sizeof HEADER});
        session_touch(&c->session);
        session_end(&c->session);
        return in.len;
    }
    if (n < sizeof HEADER)
        return 0;
    send_start(c);
    c->phase = AMQP_PHASE_STARTING;
    return n;
}

void amqp_connection_start_ok(struct amqp_connection *c, struct sl_reader *r)
{
    struct sl_bytes properties = amqp_read_table(r);
    struct sl_bytes mechanism = sl_read_short_string(r);
    struct sl_bytes response = {r->pos, 0}; /* with its length: AMQPLAIN is a table */
    response.len = 4 + sl_read_long_string(r).len;
    struct amqp_credentials who;

    sl_read_short_string(r); /* locale: there is one */
    if (!amqp_arguments_end(c, r))
        return;
    c->client_properties = sl_bytes_copy(properties);
    read_capabilities(c);
    c->mechanism = amqp_sasl_name(mechanism);
    struct amqp_sasl_offer offer = offer_to(c);
    if (amqp_sasl_read(&offer, mechanism, response, &who) != SL_OK) {
        refuse_login(c, mechanism);
        return;
    }
    log_in(c, &who);
}

void amqp_handshake_on_answer(struct amqp_connection *c, const struct answer *a)
{
    if (!c->is_logging_in)
        return;
    c->is_logging_in = false;
    end_login(c, identity_on_answer(amqp_client(c), a));
    session_resume(&c->session);
}

void amqp_connection_tune_ok(struct amqp_connection *c, struct sl_reader *r)
{
    uint16_t channel_max = sl_read_u16(r);
    uint32_t frame_max = sl_read_u32(r);
    uint16_t heartbeat_s = sl_read_u16(r);
    const struct protocol_settings *settings = c->session.env->settings;

    if (!amqp_arguments_end(c, r))
        return;
    if (!limit_is_agreed(c, "channel_max", channel_max, 0, settings->amqp_channels_max))
        return;
    if (!limit_is_agreed(c, "frame_max", frame_max, SL_AMQP_FRAME_BYTES_MIN,
                         settings->amqp_frame_bytes_max))
        return;
    c->channel_max = channel_max;
    c->frame_max = frame_max;
    c->heartbeat_s = heartbeat_s;
    c->phase = AMQP_PHASE_OPENING;
}

void amqp_connection_open(struct amqp_connection *c, struct sl_reader *r)
{
    struct sl_bytes name = sl_read_short_string(r);

    sl_read_short_string(r);
    sl_read_u8(r);
    if (!amqp_arguments_end(c, r))
        return;
    enum sl_err err = broker_open_vhost(amqp_client(c), name);
    if (err != SL_OK) {
        char room[600];
        struct text why = text_on(room, sizeof room);
        broker_describe_vhost_refusal(amqp_client(c), name, err, &why);
        amqp_connection_fail(c, AMQP_NOT_ALLOWED, "%s", room);
        return;
    }
    if (!read_cluster_id(c))
        return;
    amqp_send_name(c, 0, AMQP_CONNECTION_OPEN_OK, (struct sl_bytes){NULL, 0});
    c->phase = AMQP_PHASE_OPEN;
    amqp_heartbeat_arm(c);
}

static struct amqp_sasl_offer offer_to(const struct amqp_connection *c)
{
    return (struct amqp_sasl_offer){.certificate_name = c->session.certificate_name,
                                    .anonymous_user = c->session.env->settings->anonymous_user};
}

/* The session reads nothing until it is known who it is. */
static void log_in(struct amqp_connection *c, const struct amqp_credentials *who)
{
    const struct protocol_settings *settings = c->session.env->settings;
    struct login login = {.user = who->user,
                          .password = who->password,
                          .is_vouched_for = who->is_vouched_for,
                          .is_loopback = c->session.is_loopback,
                          .loopback_users = settings->loopback_users,
                          .peer = c->session.peer};
    enum identity_verdict verdict = identity_login(amqp_client(c), 0, &login);

    if (verdict == IDENTITY_WAIT)
        c->session.is_parked = c->is_logging_in = true;
    else
        end_login(c, verdict);
}

static void end_login(struct amqp_connection *c, enum identity_verdict verdict)
{
    if (verdict != IDENTITY_OK) {
        refuse_login(c, sl_bytes_of(c->mechanism));
        return;
    }
    c->user = sl_bytes_copy(amqp_client(c)->user);
    send_tune(c);
    c->phase = AMQP_PHASE_TUNING;
}

static void send_start(struct amqp_connection *c)
{
    const struct protocol_settings *settings = c->session.env->settings;
    size_t room = 1024 + strlen(settings->server_product) + strlen(settings->server_version) +
                  strlen(settings->server_information);
    struct amqp_writing writing = amqp_method_begin(c, 0, AMQP_CONNECTION_START, room);
    struct amqp_sasl_offer offer = offer_to(c);

    sl_write_u8(&writing.w, 0);
    sl_write_u8(&writing.w, 9);
    write_server_properties(settings, &writing.w);
    sl_write_long_string(&writing.w, sl_bytes_of(amqp_sasl_mechanisms(&offer)));
    sl_write_long_string(&writing.w, sl_bytes_of("en_US"));
    amqp_method_end(c, &writing);
}

static void write_server_properties(const struct protocol_settings *settings, struct sl_writer *w)
{
    uint8_t *start = table_write_start(w);

    write_capabilities(w);
    table_write_string(w, sl_bytes_of("product"), sl_bytes_of(settings->server_product));
    table_write_string(w, sl_bytes_of("version"), sl_bytes_of(settings->server_version));
    table_write_string(w, sl_bytes_of("information"), sl_bytes_of(settings->server_information));
    table_write_string(w, sl_bytes_of("platform"), sl_bytes_of("Linux"));
    table_write_finish(w, start);
}

/* Only what is there: a client that reads a capability relies on it. */
static void write_capabilities(struct sl_writer *w)
{
    static const char *const NAMES[] = {
        "publisher_confirms",     "exchange_exchange_bindings", "basic.nack",
        "consumer_cancel_notify", "connection.blocked",         "authentication_failure_close",
        "per_consumer_qos",       "consumer_priorities",        "direct_reply_to",
    };

    sl_write_short_string(w, sl_bytes_of("capabilities"));
    sl_write_u8(w, TABLE_TABLE);
    uint8_t *start = table_write_start(w);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        table_write_bool(w, sl_bytes_of(NAMES[i]), true);
    table_write_finish(w, start);
}

static void read_capabilities(struct amqp_connection *c)
{
    struct table_value value;

    if (!table_find(c->client_properties, "capabilities", &value) || value.type != TABLE_TABLE)
        return;
    /* A nested table is lent without its length, but its length is right before it. */
    struct sl_bytes capabilities = {value.bytes.at - 4, value.bytes.len + 4};
    c->can_cancel_notify = has_capability(capabilities, "consumer_cancel_notify");
    c->can_blocked = has_capability(capabilities, "connection.blocked");
    c->can_refusal = has_capability(capabilities, "authentication_failure_close");
}

/* The connection's own goes before that of the account. */
static bool read_cluster_id(struct amqp_connection *c)
{
    char room[512];
    struct text reason = text_on(room, sizeof room);
    struct table_value value;
    struct sl_bytes id = {NULL, 0};

    if (!table_find(c->client_properties, "cluster_id", &value))
        return true;
    if (!table_value_string(value, &id))
        text_add(&reason, "the client property 'cluster_id' is no string");
    else if (cluster_id_check(id, &reason) == SL_OK) {
        amqp_client(c)->cluster_id = id;
        return true;
    }
    amqp_connection_fail(c, AMQP_NOT_ALLOWED, "%s", room);
    return false;
}

static bool has_capability(struct sl_bytes capabilities, const char *name)
{
    struct table_value value;
    bool is_on;

    return table_find(capabilities, name, &value) && table_value_bool(value, &is_on) && is_on;
}

static void refuse_login(struct amqp_connection *c, struct sl_bytes mechanism)
{
    sl_log_peer(SL_LOG_WARN, "amqp.login.refused", "peer=%s mechanism=%s", c->session.peer,
                amqp_printable(c, mechanism));
    if (c->can_refusal)
        amqp_connection_fail(c, AMQP_ACCESS_REFUSED,
                             "Login was refused using authentication mechanism %s. "
                             "For details see the broker logfile.",
                             amqp_printable(c, mechanism));
    else
        session_end(&c->session);
}

static void send_tune(struct amqp_connection *c)
{
    const struct protocol_settings *settings = c->session.env->settings;
    struct amqp_writing writing = amqp_method_begin(c, 0, AMQP_CONNECTION_TUNE, 8);

    sl_write_u16(&writing.w, (uint16_t)settings->amqp_channels_max);
    sl_write_u32(&writing.w, settings->amqp_frame_bytes_max);
    sl_write_u16(&writing.w, (uint16_t)settings->amqp_heartbeat_s);
    amqp_method_end(c, &writing);
}

/* 0 means "no limit", which is above every limit of ours. */
static bool limit_is_agreed(struct amqp_connection *c, const char *name, uint32_t value,
                            uint32_t min, uint32_t max)
{
    if (value != 0 && value < min)
        amqp_connection_fail(c, AMQP_NOT_ALLOWED,
                             "negotiated %s = %u is lower than the minimum allowed value (%u)",
                             name, value, min);
    else if (value == 0 || value > max)
        amqp_connection_fail(c, AMQP_NOT_ALLOWED,
                             "negotiated %s = %u is higher than the maximum allowed value (%u)",
                             name, value, max);
    else
        return true;
    return false;
}
