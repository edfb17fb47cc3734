#include "core/grant.h"

#include "core/base/assert.h"
#include "core/base/buffer.h"

#include <stdlib.h>

#define EXPANDED_BYTES_MAX (64u * 1024)

static struct grant *copy_without(const struct grant *g, bool keeps_permission,
                                  struct sl_bytes exchange);
static enum sl_err set_patterns(struct sl_bytes *texts, struct name_pattern *patterns,
                                const struct sl_bytes *from, const struct grant *g,
                                struct text *why);
static enum sl_err expand(struct sl_bytes text, const struct grant *g, struct sl_buffer *out);
static bool take_variable(struct sl_bytes *rest, const char *name, struct sl_bytes value,
                          struct sl_buffer *out, enum sl_err *err);
static void add_topic(struct grant *g, struct topic_grant *t);
static struct topic_grant *topic_new(struct sl_bytes exchange);
static void topic_free(struct topic_grant *t);

struct grant *grant_new(struct sl_bytes user, struct sl_bytes vhost)
{
    struct grant *g = calloc(1, sizeof *g);

    SL_ASSERT(g != NULL);
    atomic_init(&g->refs, 1);
    g->user = sl_bytes_copy(user);
    g->vhost = sl_bytes_copy(vhost);
    return g;
}

enum sl_err grant_with_permission(const struct grant *g, const struct sl_bytes *texts,
                                  struct grant **out, struct text *why)
{
    struct grant *made = copy_without(g, false, (struct sl_bytes){NULL, 0});
    enum sl_err err = SL_OK;

    made->has_permission = texts != NULL;
    if (texts != NULL)
        err = set_patterns(made->texts, made->patterns, texts, NULL, why);
    if (err != SL_OK) {
        grant_unref(made);
        made = NULL;
    }
    *out = made;
    return err;
}

enum sl_err grant_with_topic(const struct grant *g, struct sl_bytes exchange,
                             const struct sl_bytes *texts, struct grant **out, struct text *why)
{
    static const uint8_t nothing[1];
    struct grant *made;
    enum sl_err err = SL_OK;

    if (exchange.at == NULL)
        exchange.at = nothing; /* the default exchange is named, too */
    made = copy_without(g, true, exchange);
    if (texts != NULL) {
        struct topic_grant *t = topic_new(exchange);
        err = set_patterns(t->texts, t->patterns, texts, made, why);
        add_topic(made, t);
    }
    if (err != SL_OK) {
        grant_unref(made);
        made = NULL;
    }
    *out = made;
    return err;
}

struct grant *grant_ref(struct grant *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void grant_unref(struct grant *g)
{
    if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (g->topics != NULL) {
        struct topic_grant *t = g->topics;
        g->topics = t->next;
        topic_free(t);
    }
    for (int i = 0; i < PERMISSIONS; i++) {
        sl_bytes_free(g->texts[i]);
        name_pattern_free(&g->patterns[i]);
    }
    sl_bytes_free(g->user);
    sl_bytes_free(g->vhost);
    free(g);
}

const struct topic_grant *grant_topic(const struct grant *g, struct sl_bytes exchange)
{
    const struct topic_grant *t = g->topics;

    while (t != NULL && !sl_bytes_equal(t->exchange, exchange))
        t = t->next;
    return t;
}

/* What was compiled before compiles again. */
static struct grant *copy_without(const struct grant *g, bool keeps_permission,
                                  struct sl_bytes exchange)
{
    struct grant *made = grant_new(g->user, g->vhost);
    char room[8];
    struct text why = text_on(room, sizeof room);

    if (keeps_permission && g->has_permission) {
        made->has_permission = true;
        SL_ASSERT(set_patterns(made->texts, made->patterns, g->texts, NULL, &why) == SL_OK);
    }
    for (const struct topic_grant *t = g->topics; t != NULL; t = t->next) {
        if (exchange.at != NULL && sl_bytes_equal(t->exchange, exchange))
            continue;
        struct topic_grant *copy = topic_new(t->exchange);
        SL_ASSERT(set_patterns(copy->texts, copy->patterns, t->texts, made, &why) == SL_OK);
        add_topic(made, copy);
    }
    return made;
}

/* g: whose variables are put in; NULL: the texts have none. */
static enum sl_err set_patterns(struct sl_bytes *texts, struct name_pattern *patterns,
                                const struct sl_bytes *from, const struct grant *g,
                                struct text *why)
{
    enum sl_err err = SL_OK;

    for (int i = 0; i < PERMISSIONS && err == SL_OK; i++) {
        struct sl_buffer expanded;
        sl_buffer_init(&expanded, EXPANDED_BYTES_MAX);
        texts[i] = sl_bytes_copy(from[i]);
        if (g != NULL)
            err = expand(from[i], g, &expanded);
        if (err == SL_OK)
            err = name_pattern_compile(&patterns[i],
                                       g != NULL ? sl_buffer_bytes(&expanded) : from[i], why);
        else
            text_add(why, "it is too long");
        sl_buffer_deinit(&expanded);
    }
    return err;
}

/* Variables that a connection does not have stay as they are written. */
static enum sl_err expand(struct sl_bytes text, const struct grant *g, struct sl_buffer *out)
{
    enum sl_err err = SL_OK;

    while (text.len != 0 && err == SL_OK) {
        if (take_variable(&text, "{username}", g->user, out, &err) ||
            take_variable(&text, "{vhost}", g->vhost, out, &err))
            continue;
        err = sl_buffer_append(out, (struct sl_bytes){text.at, 1});
        text = sl_bytes_skip(text, 1);
    }
    return err;
}

static bool take_variable(struct sl_bytes *rest, const char *name, struct sl_bytes value,
                          struct sl_buffer *out, enum sl_err *err)
{
    if (!sl_bytes_begin(*rest, name))
        return false;
    *err = sl_buffer_append(out, value);
    *rest = sl_bytes_skip(*rest, strlen(name));
    return true;
}

static void add_topic(struct grant *g, struct topic_grant *t)
{
    t->next = g->topics;
    g->topics = t;
}

static struct topic_grant *topic_new(struct sl_bytes exchange)
{
    struct topic_grant *t = calloc(1, sizeof *t);

    SL_ASSERT(t != NULL);
    t->exchange = sl_bytes_copy(exchange);
    return t;
}

static void topic_free(struct topic_grant *t)
{
    sl_bytes_free(t->exchange);
    for (int i = 0; i < PERMISSIONS; i++) {
        sl_bytes_free(t->texts[i]);
        name_pattern_free(&t->patterns[i]);
    }
    free(t);
}
