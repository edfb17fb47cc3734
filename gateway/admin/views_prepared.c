/* views_prepared.c - messages that wait for their outcomes. */
#include "gateway/admin/views.h"

static json_t *render(const struct view *v, const void *row);
static int compare(const void *row, const void *other);

static const struct list_of PREPARED = {INSPECT_PREPARED, NULL, render, compare};

unsigned view_prepared(struct view *v)
{
    return view_list(v, &PREPARED);
}

static json_t *render(const struct view *v, const void *row)
{
    const struct inspect_prepared *p = row;
    json_t *o = json_object();

    (void)v;
    json_put(o, "vhost", json_of_bytes(p->vhost));
    json_put(o, "user", json_of_bytes(p->user));
    json_put(o, "name", json_of_bytes(p->id));
    json_put(o, "exchange", json_of_bytes(p->exchange));
    json_put(o, "routing_key", json_of_bytes(p->key));
    json_put(o, "check_destination", json_of_bytes(p->check));
    json_put(o, "age_ms", json_of_number(p->age_ms));
    json_put(o, "checks", json_of_number(p->checks));
    json_put(o, "expired", json_boolean(p->is_expired));
    return o;
}

/* The oldest first. */
static int compare(const void *row, const void *other)
{
    const struct inspect_prepared *a = row;
    const struct inspect_prepared *b = other;

    if (a->age_ms != b->age_ms)
        return a->age_ms > b->age_ms ? -1 : 1;
    return view_compare_bytes(a->id, b->id);
}
