#include "core/header_match.h"

#include <stdlib.h>

struct rule { /* what x-match asks for */
    bool is_all;
    bool with_x;
};

static bool parse_rule(struct sl_bytes arguments, struct rule *rule);
static enum sl_err sorted_fields(struct sl_bytes table, struct table_field **fields, size_t *count);
static int compare_fields(const void *a, const void *b);
static int compare_names(struct sl_bytes a, struct sl_bytes b);
static bool is_compared(struct sl_bytes name, struct rule rule);

enum sl_err header_match_check(struct sl_bytes arguments, struct text *reason)
{
    struct table_value value;
    struct sl_bytes name;
    struct rule rule;

    if (parse_rule(arguments, &rule))
        return SL_OK;
    table_find(arguments, "x-match", &value);
    if (table_value_string(value, &name)) {
        text_add(reason, "Invalid x-match field value <<\"");
        text_add_bytes(reason, name);
        text_add(reason, "\">>; expected all, any, all-with-x, or any-with-x");
    } else {
        text_add(reason, "Invalid x-match field type %s (value ", table_type_name(value.type));
        table_value_describe(value, reason);
        text_add(reason, "); expected longstr");
    }
    return SL_EPRECOND;
}

enum sl_err header_set_sort(struct header_set *h)
{
    if (h->is_sorted)
        return SL_OK;
    if (h->table.len != 0)
        SL_TRY(sorted_fields(h->table, &h->fields, &h->count));
    h->is_sorted = true;
    return SL_OK;
}

void header_set_deinit(struct header_set *h)
{
    free(h->fields);
    *h = (struct header_set){0};
}

bool header_set_find(const struct header_set *h, struct sl_bytes name, struct table_value *value)
{
    size_t from = 0;
    size_t to = h->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_names(h->fields[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == h->count || !sl_bytes_equal(h->fields[from].name, name))
        return false;
    *value = h->fields[from].value;
    return true;
}

bool header_match(struct sl_bytes arguments, const struct header_set *headers)
{
    struct sl_reader r = table_fields(arguments);
    struct table_field wanted;
    struct rule rule;
    size_t i = 0;

    if (!parse_rule(arguments, &rule))
        return false;
    while (table_next(&r, &wanted)) {
        if (!is_compared(wanted.name, rule))
            continue;
        while (i < headers->count && compare_names(headers->fields[i].name, wanted.name) < 0)
            i++;
        bool fits = i < headers->count && sl_bytes_equal(headers->fields[i].name, wanted.name) &&
                    (wanted.value.type == TABLE_VOID ||
                     table_value_equal(headers->fields[i].value, wanted.value));
        if (fits != rule.is_all)
            return fits; /* one missing is enough against all, one present for any */
    }
    return rule.is_all;
}

enum sl_err header_table_sort(struct sl_bytes table, struct sl_writer *w)
{
    struct table_field *fields;
    size_t count;

    SL_TRY(sorted_fields(table, &fields, &count));
    uint8_t *start = table_write_start(w);
    for (size_t i = 0; i < count; i++)
        table_write_value(w, fields[i].name, fields[i].value);
    table_write_finish(w, start);
    free(fields);
    return SL_OK;
}

static bool parse_rule(struct sl_bytes arguments, struct rule *rule)
{
    static const struct {
        const char *name;
        struct rule rule;
    } rules[] = {{"all", {true, false}},
                 {"any", {false, false}},
                 {"all-with-x", {true, true}},
                 {"any-with-x", {false, true}}};
    struct table_value value;
    struct sl_bytes name;

    *rule = rules[0].rule;
    if (!table_find(arguments, "x-match", &value))
        return true;
    if (!table_value_string(value, &name))
        return false;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (sl_bytes_are(name, rules[i].name)) {
            *rule = rules[i].rule;
            return true;
        }
    return false;
}

static enum sl_err sorted_fields(struct sl_bytes table, struct table_field **fields, size_t *count)
{
    struct sl_reader r = table_fields(table);
    size_t n = table_count(table);

    *count = 0;
    *fields = n == 0 ? NULL : malloc(n * sizeof **fields);
    if (n == 0)
        return SL_OK;
    if (*fields == NULL)
        return SL_ENOMEM;
    while (*count < n && table_next(&r, &(*fields)[*count]))
        ++*count;
    qsort(*fields, *count, sizeof **fields, compare_fields);
    return SL_OK;
}

/* Fields of one name lie in one table, so their addresses say which came first. */
static int compare_fields(const void *a, const void *b)
{
    const struct table_field *x = a;
    const struct table_field *y = b;
    int order = compare_names(x->name, y->name);

    if (order != 0)
        return order;
    return x->name.at < y->name.at ? -1 : x->name.at > y->name.at;
}

static int compare_names(struct sl_bytes a, struct sl_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.at, b.at, common);

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static bool is_compared(struct sl_bytes name, struct rule rule)
{
    return rule.with_x ? !sl_bytes_are(name, "x-match") : !sl_bytes_begin(name, "x-");
}
