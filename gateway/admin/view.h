/*
 * view.h - what a handler looks at, and the page of JSON it makes.
 *
 * A list is made in three steps: rows are picked, put in order, and rendered one at a time into
 * the body, so that a list of a hundred thousand queues is never a hundred thousand objects.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_VIEW_H
#define SLUICE_GATEWAY_ADMIN_VIEW_H

#include "gateway/admin/facts.h"
#include "gateway/admin/inquiry.h"
#include "gateway/admin/query.h"
#include "gateway/admin/render.h"
#include "protocols/description.h"

#define VIEW_ARGUMENTS_MAX 4u
#define VIEW_BODY_BYTES_MAX (512u * 1024 * 1024)

struct view {
    const struct query *query;
    struct sl_bytes arguments[VIEW_ARGUMENTS_MAX]; /* of the path, in its order */
    const struct facts *facts;
    const struct findings *found;
    struct topology *topology; /* of what is few: policies; NULL where the request changes things */
    const char *user;          /* who asks */
    struct hash_map seen;      /* of a handler: rows of another subject, by what it joins them by */
    struct sl_buffer body;
};

/* Gives the HTTP status; the body is written. */
typedef unsigned (*view_handler)(struct view *v);

void view_init(struct view *v, const struct query *q, const struct facts *facts,
               const struct findings *found, const char *user);
void view_deinit(struct view *v);

/* {"error":..., "reason":...} with that status. */
unsigned view_fail(struct view *v, unsigned status, const char *error, const char *reason);
unsigned view_not_found(struct view *v);
/* One object, with the columns that are asked for.  Takes it; NULL means no memory. */
unsigned view_object(struct view *v, json_t *object);

struct list_of {
    enum inspect_subject subject;
    /* Does the row belong to what the path names?  NULL: all do. */
    bool (*wants)(const struct view *v, const void *row);
    json_t *(*render)(const struct view *v, const void *row);
    /* The order when no other is asked for. */
    int (*compare)(const void *row, const void *other);
};

/* The rows as an array, or a page of them, as the parameters say: page, page_size, name,
 * use_regex, sort, sort_reverse, columns. */
unsigned view_list(struct view *v, const struct list_of *list);

/* -1, 0, 1; shorter before longer. */
int view_compare_bytes(struct sl_bytes a, struct sl_bytes b);

#endif
