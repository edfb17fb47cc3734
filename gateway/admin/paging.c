#include "gateway/admin/paging.h"

#include <stdio.h>
#include <string.h>

#define PAGE_SIZE_DEFAULT 100u
#define PAGE_SIZE_MAX 500u
#define PATTERN_BYTES_MAX 255u

static enum sl_err read_filter(struct paging *p, const struct query *q, const char **why);
static bool is_simple(struct sl_bytes pattern);
static uint64_t pages_of(const struct paging *p, size_t items);

enum sl_err paging_read(struct paging *p, const struct query *q, const char **why)
{
    *p = (struct paging){.size = PAGE_SIZE_DEFAULT};
    *why = "page and page_size are whole numbers, page from 1, page_size from 1 to 500";
    if (query_value(q, "page").at == NULL)
        return SL_OK;
    SL_TRY(query_number(q, "page", &p->page));
    SL_TRY(query_number(q, "page_size", &p->size));
    if (p->page == 0 || p->page > UINT32_MAX || p->size == 0 || p->size > PAGE_SIZE_MAX)
        return SL_ESYNTAX;
    return read_filter(p, q, why);
}

void paging_deinit(struct paging *p)
{
    if (p->has_pattern)
        regfree(&p->pattern);
}

bool paging_lets_in(const struct paging *p, json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));

    if (name == NULL || !paging_has_filter(p))
        return true;
    if (p->has_pattern)
        return regexec(&p->pattern, name, 0, NULL, 0) == 0;
    for (; strlen(name) >= p->name.len; name++)
        if (strncasecmp(name, (const char *)p->name.at, p->name.len) == 0)
            return true;
    return false;
}

bool paging_is_in_range(const struct paging *p, size_t items)
{
    return p->page <= 1 || p->page <= pages_of(p, items);
}

size_t paging_first(const struct paging *p)
{
    return p->page == 0 ? 0 : (size_t)((p->page - 1) * p->size);
}

size_t paging_count(const struct paging *p, size_t items)
{
    size_t left = items - paging_first(p);

    return p->page == 0 || left < p->size ? left : (size_t)p->size;
}

void paging_format_head(const struct paging *p, size_t total, size_t filtered, char *out,
                        size_t room)
{
    out[0] = '\0';
    if (p->page != 0)
        snprintf(out, room,
                 "{\"filtered_count\":%zu,\"item_count\":%zu,\"page\":%llu,\"page_count\":%llu,"
                 "\"page_size\":%llu,\"total_count\":%zu,\"items\":",
                 filtered, paging_count(p, filtered), (unsigned long long)p->page,
                 (unsigned long long)pages_of(p, filtered), (unsigned long long)p->size, total);
}

static enum sl_err read_filter(struct paging *p, const struct query *q, const char **why)
{
    struct sl_bytes name = query_value(q, "name");
    char pattern[PATTERN_BYTES_MAX + 1];

    if (name.len == 0)
        return SL_OK;
    if (!query_is_true(q, "use_regex")) {
        p->name = name;
        return SL_OK;
    }
    *why = "name is not a regular expression that can be used here: POSIX extended, at most 255 "
           "bytes, without counts and back references";
    if (!is_simple(name))
        return SL_ESYNTAX;
    memcpy(pattern, name.at, name.len);
    pattern[name.len] = '\0';
    p->has_pattern = regcomp(&p->pattern, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
    return p->has_pattern ? SL_OK : SL_ESYNTAX;
}

/* Counts multiply, and so do back references: a short pattern with them takes all the memory or
 * all the time there is. */
static bool is_simple(struct sl_bytes pattern)
{
    if (pattern.len > PATTERN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < pattern.len; i++) {
        uint8_t c = pattern.at[i];
        bool is_reference = c == '\\' && i + 1 < pattern.len && pattern.at[i + 1] >= '0' &&
                            pattern.at[i + 1] <= '9';
        if (c == '\0' || c == '{' || is_reference)
            return false;
    }
    return true;
}

/* An empty list has one page, an empty one. */
static uint64_t pages_of(const struct paging *p, size_t items)
{
    return items == 0 ? 1 : (items + p->size - 1) / p->size;
}
