#include "gateway/admin/view.h"

#include "gateway/admin/columns.h"
#include "gateway/admin/paging.h"

#include <stdlib.h>

struct item { /* a row that was picked */
    const void *row;
    json_t *key; /* owned; what it is sorted by, or NULL */
};

struct items {
    struct item *at;
    size_t count;
    size_t room;
    size_t total; /* before the name filter */
};

struct ordering {
    const struct list_of *list;
    bool is_reversed;
};

static enum sl_err pick(const struct view *v, const struct list_of *list,
                        const struct paging *paging, struct items *out);
static enum sl_err pick_one(const struct view *v, const struct list_of *list,
                            const struct paging *paging, const void *row, struct items *out);
static enum sl_err add_item(struct items *out, const void *row, json_t *key);
static int compare_items(const void *a, const void *b, void *context);
static enum sl_err write_items(struct view *v, const struct list_of *list,
                               const struct items *items, size_t first, size_t count);
static enum sl_err write_one(struct view *v, json_t *object);
static enum sl_err write_text(struct view *v, const char *text);
static unsigned write_list(struct view *v, const struct list_of *list, const struct paging *paging,
                           const struct items *items);
static unsigned out_of_room(struct view *v);
static void items_deinit(struct items *items);

void view_init(struct view *v, const struct query *q, const struct facts *facts,
               const struct findings *found, const char *user)
{
    *v = (struct view){.query = q, .facts = facts, .found = found, .user = user};
    sl_buffer_init(&v->body, VIEW_BODY_BYTES_MAX);
}

void view_deinit(struct view *v)
{
    hash_map_deinit(&v->seen);
    sl_buffer_deinit(&v->body);
}

unsigned view_fail(struct view *v, unsigned status, const char *error, const char *reason)
{
    json_t *object = json_pack("{s:s, s:s}", "error", error, "reason", reason);

    sl_buffer_clear(&v->body);
    (void)!json_write(&v->body, object); /* then the status has to do */
    json_decref(object);
    return status;
}

/* The words are those of RabbitMQ's HTTP library, and tools read them. */
unsigned view_not_found(struct view *v)
{
    return view_fail(v, 404, "Object Not Found", "Not Found");
}

unsigned view_object(struct view *v, json_t *object)
{
    return write_one(v, object) == SL_OK ? 200 : out_of_room(v);
}

unsigned view_list(struct view *v, const struct list_of *list)
{
    struct ordering ordering = {list, query_is_true(v->query, "sort_reverse")};
    struct items items = {NULL, 0, 0, 0};
    struct paging paging;
    const char *why = NULL;
    unsigned status = 400;

    if (paging_read(&paging, v->query, &why) != SL_OK)
        return view_fail(v, 400, "bad_request", why);
    if (pick(v, list, &paging, &items) != SL_OK)
        status = out_of_room(v);
    else if (!paging_is_in_range(&paging, items.count))
        status = view_fail(v, 400, "page_out_of_range", "There is no such page");
    else {
        if (items.count != 0)
            qsort_r(items.at, items.count, sizeof *items.at, compare_items, &ordering);
        status = write_list(v, list, &paging, &items);
    }
    items_deinit(&items);
    paging_deinit(&paging);
    return status;
}

int view_compare_bytes(struct sl_bytes a, struct sl_bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.at, b.at, n);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static enum sl_err pick(const struct view *v, const struct list_of *list,
                        const struct paging *paging, struct items *out)
{
    struct findings_cursor at = {0};
    const void *row;

    while ((row = findings_next(v->found, list->subject, &at)) != NULL)
        if (list->wants == NULL || list->wants(v, row))
            SL_TRY(pick_one(v, list, paging, row, out));
    return SL_OK;
}

/* Filter and sort look at what is shown, so they cost a rendering; who asks for neither does
 * not pay. */
static enum sl_err pick_one(const struct view *v, const struct list_of *list,
                            const struct paging *paging, const void *row, struct items *out)
{
    struct sl_bytes sort = query_value(v->query, "sort");
    json_t *object = NULL;
    json_t *key = NULL;
    bool is_in = true;

    out->total++;
    if (sort.len != 0 || paging_has_filter(paging)) {
        object = list->render(v, row);
        if (object == NULL)
            return SL_ENOMEM;
        is_in = paging_lets_in(paging, object);
        key = is_in && sort.len != 0 ? json_incref(columns_find(object, sort)) : NULL;
        json_decref(object);
    }
    return is_in ? add_item(out, row, key) : SL_OK;
}

/* Takes key. */
static enum sl_err add_item(struct items *out, const void *row, json_t *key)
{
    if (out->count == out->room) {
        size_t room = out->room == 0 ? 64 : out->room * 2;
        struct item *at = realloc(out->at, room * sizeof *at);
        if (at == NULL) {
            json_decref(key);
            return SL_ENOMEM;
        }
        out->at = at;
        out->room = room;
    }
    out->at[out->count++] = (struct item){row, key};
    return SL_OK;
}

static int compare_items(const void *a, const void *b, void *context)
{
    const struct ordering *ordering = context;
    const struct item *one = a;
    const struct item *other = b;
    int order = columns_compare(one->key, other->key);

    if (order == 0)
        order = ordering->list->compare(one->row, other->row);
    return ordering->is_reversed ? -order : order;
}

static unsigned write_list(struct view *v, const struct list_of *list, const struct paging *paging,
                           const struct items *items)
{
    size_t first = paging_first(paging);
    size_t count = paging_count(paging, items->count);
    char head[256];

    paging_format_head(paging, items->total, items->count, head, sizeof head);
    if (write_text(v, head) != SL_OK || write_items(v, list, items, first, count) != SL_OK ||
        write_text(v, paging->page == 0 ? "" : "}") != SL_OK)
        return out_of_room(v);
    return 200;
}

static enum sl_err write_items(struct view *v, const struct list_of *list,
                               const struct items *items, size_t first, size_t count)
{
    SL_TRY(write_text(v, "["));
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            SL_TRY(write_text(v, ","));
        SL_TRY(write_one(v, list->render(v, items->at[first + i].row)));
    }
    return write_text(v, "]");
}

static enum sl_err write_one(struct view *v, json_t *object)
{
    struct sl_bytes columns = query_value(v->query, "columns");
    json_t *shown = columns.len == 0 || !json_is_object(object) ? json_incref(object)
                                                                : columns_cut(object, columns);
    enum sl_err err = json_write(&v->body, shown);

    json_decref(shown);
    json_decref(object);
    return err;
}

static enum sl_err write_text(struct view *v, const char *text)
{
    return sl_buffer_append(&v->body, sl_bytes_of(text));
}

static unsigned out_of_room(struct view *v)
{
    sl_buffer_deinit(&v->body);
    return view_fail(v, 503, "service_unavailable",
                     "the list is too long for the memory there is; ask for pages of it");
}

static void items_deinit(struct items *items)
{
    for (size_t i = 0; i < items->count; i++)
        json_decref(items->at[i].key);
    free(items->at);
}
