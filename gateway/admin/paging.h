/*
 * paging.h - which part of a list is asked for: page, page_size, name, use_regex.
 */
#ifndef SLUICE_GATEWAY_ADMIN_PAGING_H
#define SLUICE_GATEWAY_ADMIN_PAGING_H

#include "gateway/admin/query.h"

#include <jansson.h>
#include <regex.h>

struct paging {
    uint64_t page; /* from 1; 0: all of the list, as a bare array */
    uint64_t size;
    struct sl_bytes name; /* part of the names that are wanted, of any case */
    regex_t pattern;
    bool has_pattern;
};

/* SL_ESYNTAX with why, a literal.  Needs paging_deinit only when SL_OK. */
SL_MUST_CHECK enum sl_err paging_read(struct paging *p, const struct query *q, const char **why);
void paging_deinit(struct paging *p);

static inline bool paging_has_filter(const struct paging *p)
{
    return p->has_pattern || p->name.len != 0;
}
bool paging_lets_in(const struct paging *p, json_t *object);

/* Of a list that has that many items after the filter. */
bool paging_is_in_range(const struct paging *p, size_t items);
size_t paging_first(const struct paging *p);
size_t paging_count(const struct paging *p, size_t items);
/* Everything up to the array of a page; nothing for a bare array. */
void paging_format_head(const struct paging *p, size_t total, size_t filtered, char *out,
                        size_t room);

#endif
