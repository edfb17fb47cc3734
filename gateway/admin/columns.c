#include "gateway/admin/columns.h"

#include <string.h>

#define NAME_BYTES_MAX 256u

static bool take_name(struct sl_bytes *rest, char end, char name[NAME_BYTES_MAX]);
static void cut_one(json_t *from, json_t *to, struct sl_bytes path);
static int rank(const json_t *value);
static int compare_texts(const json_t *a, const json_t *b);

json_t *columns_find(json_t *object, struct sl_bytes path)
{
    char name[NAME_BYTES_MAX];

    while (object != NULL && path.len != 0)
        object = take_name(&path, '.', name) ? json_object_get(object, name) : NULL;
    return object;
}

json_t *columns_cut(json_t *object, struct sl_bytes list)
{
    json_t *out = object == NULL ? NULL : json_object();

    while (out != NULL && list.len != 0) {
        const uint8_t *comma = memchr(list.at, ',', list.len);
        struct sl_bytes path = {list.at, comma == NULL ? list.len : (size_t)(comma - list.at)};

        list = sl_bytes_skip(list, path.len + 1);
        cut_one(object, out, path);
    }
    return out;
}

int columns_compare(const json_t *a, const json_t *b)
{
    int order = rank(a) - rank(b);

    if (order != 0 || a == NULL)
        return order;
    if (json_is_integer(a) && json_is_integer(b))
        return (json_integer_value(a) > json_integer_value(b)) -
               (json_integer_value(a) < json_integer_value(b));
    if (json_is_number(a))
        return (json_number_value(a) > json_number_value(b)) -
               (json_number_value(a) < json_number_value(b));
    return json_is_string(a) ? compare_texts(a, b) : 0;
}

/* False: longer than any name here; it names nothing. */
static bool take_name(struct sl_bytes *rest, char end, char name[NAME_BYTES_MAX])
{
    const uint8_t *found = memchr(rest->at, end, rest->len);
    size_t len = found == NULL ? rest->len : (size_t)(found - rest->at);
    bool fits = len < NAME_BYTES_MAX;

    if (fits) {
        memcpy(name, rest->at, len);
        name[len] = '\0';
    }
    *rest = sl_bytes_skip(*rest, len + 1);
    return fits;
}

/* Shares what stands at the end of the path; the objects on the way to it are new ones. */
static void cut_one(json_t *from, json_t *to, struct sl_bytes path)
{
    char name[NAME_BYTES_MAX];

    while (path.len != 0) {
        if (!take_name(&path, '.', name) || (from = json_object_get(from, name)) == NULL)
            return;
        if (path.len == 0) {
            (void)json_object_set_nocheck(to, name, from);
            return;
        }
        if (!json_is_object(from))
            return;
        if (json_object_get(to, name) == NULL)
            (void)json_object_set_new_nocheck(to, name, json_object());
        to = json_object_get(to, name);
    }
}

static int rank(const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return 0;
    if (json_is_boolean(value))
        return json_is_true(value) ? 2 : 1;
    return json_is_number(value) ? 3 : json_is_string(value) ? 4 : 5;
}

static int compare_texts(const json_t *a, const json_t *b)
{
    size_t len = json_string_length(a);
    size_t other = json_string_length(b);
    int order = memcmp(json_string_value(a), json_string_value(b), len < other ? len : other);

    return order != 0 ? order : (len > other) - (len < other);
}
