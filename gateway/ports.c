#include "gateway/ports.h"

#include "core/base/log.h"

#include <string.h>

static enum sl_err open_entrance(struct gateway *g, struct text *why);
static void let_in(struct conn_set *set, const struct entrance *e, const struct gateway *g);
static uint32_t share(uint32_t limit, const struct gateway *g);
static enum sl_err open_all(struct gateway *g, struct text *why);
static enum sl_err open_port(struct gateway *g, uint32_t number, const struct port *port,
                             struct text *why);
static bool is_taken(const struct gateway *g, const struct address *at);
static void describe_port(const struct gateway *g, const char *name, uint32_t port,
                          struct text *to);

enum sl_err ports_open(struct gateway *g, struct text *why)
{
    SL_TRY(open_entrance(g, why));
    return open_all(g, why);
}

void ports_close(struct gateway *g)
{
    tls_context_close(g->tls);
    g->tls = NULL;
}

enum sl_err ports_reload(struct gateway *g, const struct tls_settings *settings, struct text *why)
{
    if (g->tls != NULL)
        return tls_context_reload(g->tls, settings, why);
    if (*settings->cert != '\0')
        sl_warn("tls.reload", "action=\"the first certificate of all needs a restart\"");
    return SL_OK;
}

void ports_describe(const struct gateway *g, struct text *to)
{
    describe_port(g, "amqp", g->config->amqp_port, to);
    describe_port(g, "stomp", g->config->stomp_port, to);
    if (g->tls == NULL)
        return;
    describe_port(g, "amqps", g->config->amqps_port, to);
    describe_port(g, "stomps", g->config->stomps_port, to);
}

static enum sl_err open_entrance(struct gateway *g, struct text *why)
{
    struct entrance e = {.tls = NULL};

    SL_TRY(address_list_parse(g->config->proxies, &e.proxies, why));
    SL_TRY(cert_login_parse(g->config->cert_login_from, g->config->cert_login_kind,
                            g->config->cert_login_index, &e.cert_login, why));
    if (*g->config->tls.cert != '\0')
        SL_TRY(tls_context_open(&g->tls, &g->config->tls, why));
    e.tls = g->tls;
    for (uint32_t i = 0; i < g->workers_count; i++)
        let_in(&g->workers[i].conns, &e, g);
    return SL_OK;
}

static void let_in(struct conn_set *set, const struct entrance *e, const struct gateway *g)
{
    set->entrance = *e;
    strangers_init(&set->strangers, share(g->config->strangers_max, g),
                   share(g->config->strangers_of_address_max, g));
}

/* One worker's part of a limit over all; 0 stays none. */
static uint32_t share(uint32_t limit, const struct gateway *g)
{
    return (limit + g->workers_count - 1) / g->workers_count;
}

static enum sl_err open_all(struct gateway *g, struct text *why)
{
    static const struct port PORTS[] = {
        {"amqp", &amqp_protocol, PORT_PLAIN},  {"stomp", &stomp_protocol, PORT_PLAIN},
        {"amqp", &amqp_protocol, PORT_EITHER}, {"stomp", &stomp_protocol, PORT_EITHER},
        {"amqps", &amqp_protocol, PORT_TLS},   {"stomps", &stomp_protocol, PORT_TLS}};
    const struct config *c = g->config;
    const struct port *clear = &PORTS[c->tls_on_plain_ports ? 2 : 0];

    SL_TRY(open_port(g, c->amqp_port, &clear[0], why));
    SL_TRY(open_port(g, c->stomp_port, &clear[1], why));
    if (g->tls == NULL)
        return SL_OK;
    SL_TRY(open_port(g, c->amqps_port, &PORTS[4], why));
    return open_port(g, c->stomps_port, &PORTS[5], why);
}

static enum sl_err open_port(struct gateway *g, uint32_t number, const struct port *port,
                             struct text *why)
{
    struct address at;

    if (number == 0)
        return SL_OK;
    SL_TRY(listener_probe(g->config->bind, (uint16_t)number, &at, why));
    if (is_taken(g, &at)) {
        text_add(why, "cannot listen on port %u twice", number);
        return SL_EIO;
    }
    for (uint32_t i = 0; i < g->workers_count; i++)
        SL_TRY(worker_listen(&g->workers[i], &at, port, why));
    return SL_OK;
}

/* By ourselves: the probe does not see a port where nobody listens yet. */
static bool is_taken(const struct gateway *g, const struct address *at)
{
    const struct worker *w = &g->workers[0];

    for (uint32_t i = 0; i < w->listeners_count; i++)
        if (w->listeners[i].at.len == at->len &&
            memcmp(&w->listeners[i].at.at, &at->at, at->len) == 0)
            return true;
    return false;
}

/* "Every address" is said in the form that people and clients know. */
static void describe_port(const struct gateway *g, const char *name, uint32_t port, struct text *to)
{
    struct address at;
    char where[64] = "off";
    const char *bind = *g->config->bind == '\0' ? "0.0.0.0" : g->config->bind;

    if (port != 0 && address_parse(bind, (uint16_t)port, &at) == SL_OK)
        address_format(&at, where, sizeof where);
    text_add(to, " %s=%s", name, where);
}
