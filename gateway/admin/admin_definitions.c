/* admin_definitions.c - the part of admin.h that nobody calls for: the import at the start, and the
 * export of a directory that nobody serves. */
#include "gateway/admin/admin.h"

#include "core/base/log.h"
#include "gateway/admin/definitions.h"

#define TURN_MS 100

static enum sl_err read_file(struct change *c, const char *path, struct text *why);

enum sl_err admin_import(struct admin *a, const char *path, bool (*goes_on)(void *context),
                         void *context, struct text *why)
{
    struct change *c = change_new(a->gateway->broker, a->ticket);
    enum sl_err err = read_file(c, path, why);

    if (err != SL_OK) {
        change_free(c);
        return err;
    }
    a->ticket += c->count;
    change_begin(c);
    a->change = c;
    while (a->change == c && !change_is_done(c)) {
        a->is_own_change = true;
        admin_turn(a, TURN_MS);
        if (!goes_on(context))
            return SL_EAGAIN; /* answers may still come: admin_close frees the change */
    }
    a->is_own_change = false;
    a->change = NULL;
    if (c->refused != 0) {
        text_add(why, "%s: %s", path, c->reasons.at);
        err = SL_EPRECOND;
    } else
        sl_info("definitions.loaded", "file=%s objects=%zu", path, c->count);
    change_free(c);
    return err;
}

enum sl_err admin_export(struct admin *a, FILE *to)
{
    static const struct query ALL;
    struct view v;

    inquiry_begin(&a->inquiry, DEFINITIONS_NEEDS, (struct inquiry_scope){{NULL, 0}, {NULL, 0}});
    while (!inquiry_is_done(&a->inquiry))
        admin_turn(a, TURN_MS);
    facts_refresh(&a->facts, a->gateway);
    view_init(&v, &ALL, &a->facts, &a->inquiry.found, "");
    v.topology = broker_topology(a->gateway->broker);
    bool is_whole = !a->inquiry.is_short && view_definitions(&v) == 200;
    bool is_written = is_whole && fwrite(v.body.at, 1, v.body.len, to) == v.body.len &&
                      fputc('\n', to) != EOF && fflush(to) == 0;
    view_deinit(&v);
    inquiry_end(&a->inquiry);
    return is_written ? SL_OK : SL_EIO;
}

static enum sl_err read_file(struct change *c, const char *path, struct text *why)
{
    char room[2048] = "";
    struct text passed_over = text_on(room, sizeof room);
    char reason[1024] = "";
    struct text words = text_on(reason, sizeof reason);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);

    if (root == NULL) {
        text_add(why, "%s:%d: %s", path, error.line, error.text);
        return SL_ESYNTAX;
    }
    enum sl_err err = definitions_import(c, root, (struct sl_bytes){NULL, 0}, &passed_over, &words);
    json_decref(root);
    if (err != SL_OK)
        text_add(why, "%s: %s", path, reason);
    else if (passed_over.len != 0)
        sl_warn("definitions.passed_over", "parts=%s", room);
    return err;
}
