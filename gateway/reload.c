#include "gateway/reload.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "gateway/ports.h"

#include <stdlib.h>
#include <string.h>

struct reload_config {
    struct config config; /* first: in force, it is the gateway's */
    struct reload_config *next;
};

static void compare(struct config *fresh, const struct gateway *g, struct reload_report *report);
static bool is_applied(const struct setting *s, const struct gateway *g);
static void add_name(struct text *to, const char *name);
static void forget(struct reload_config *c);

void reload_init(struct reload *r, int count, char **arguments)
{
    *r = (struct reload){count, arguments, NULL};
}

void reload_deinit(struct reload *r)
{
    while (r->configs != NULL) {
        struct reload_config *c = r->configs;
        r->configs = c->next;
        forget(c);
    }
}

enum sl_err reload_run(struct reload *r, struct gateway *g, struct reload_report *report,
                       struct text *why)
{
    struct reload_config *fresh = calloc(1, sizeof *fresh);
    struct config_request request;

    SL_ASSERT(fresh != NULL);
    config_init(&fresh->config);
    enum sl_err err = config_read_arguments(&fresh->config, r->count, r->arguments, &request, why);
    if (err != SL_OK) {
        sl_error("config.reload", "reason=\"%s\" action=\"nothing has changed\"", why->at);
        forget(fresh);
        return err;
    }
    err = ports_reload(g, &fresh->config.tls, why); /* other files may have the same names */
    if (err != SL_OK) {
        sl_error("tls.reload", "reason=\"%s\" action=\"nothing has changed\"", why->at);
        forget(fresh);
        return err;
    }
    compare(&fresh->config, g, report);
    if (report->applied.len == 0) {
        forget(fresh);
    } else {
        fresh->next = r->configs;
        r->configs = fresh;
        gateway_apply(g, &fresh->config);
    }
    sl_info("config.reload", "applied=%s", report->applied.len == 0 ? "none" : report->applied.at);
    if (report->waiting.len != 0)
        sl_warn("config.reload", "waiting=%s action=\"these need a restart\"", report->waiting.at);
    return SL_OK;
}

/* What cannot be applied is put back: a config says what is in force. */
static void compare(struct config *fresh, const struct gateway *g, struct reload_report *report)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];

        if (setting_is_equal(s, fresh, g->config))
            continue;
        add_name(is_applied(s, g) ? &report->applied : &report->waiting, s->name);
        if (!is_applied(s, g))
            setting_copy(s, fresh, g->config);
    }
}

/* Where there is no TLS yet, its ports are not open. */
static bool is_applied(const struct setting *s, const struct gateway *g)
{
    return s->is_live && (g->tls != NULL || strcmp(s->section, "tls") != 0);
}

static void add_name(struct text *to, const char *name)
{
    text_add(to, "%s%s", to->len == 0 ? "" : ",", name);
}

static void forget(struct reload_config *c)
{
    config_deinit(&c->config);
    free(c);
}
