/*
 * header_match.h - does a message with these headers fit a binding with those arguments?
 *
 * The binding's x-match says how: all (the default) or any of its fields, where fields whose
 * names begin with "x-" are not compared; all-with-x and any-with-x compare those too.  A field
 * without value (void) asks only for presence.
 *
 * Both sides are compared in the order of their names, so a match costs the fields of both and
 * not their product: a peer chooses both numbers.
 *
 * Thread: the owner's.
 */
#ifndef SLUICE_CORE_HEADER_MATCH_H
#define SLUICE_CORE_HEADER_MATCH_H

#include "core/table.h"

/* SL_EPRECOND: x-match is none of the four. */
SL_MUST_CHECK enum sl_err header_match_check(struct sl_bytes arguments, struct text *reason);

struct header_set {        /* a message's headers, sorted when first asked for */
    struct sl_bytes table; /* borrowed; {NULL, 0}: none */
    struct table_field *fields;
    size_t count;
    bool is_sorted;
};

static inline struct header_set header_set_of(struct sl_bytes table)
{
    return (struct header_set){.table = table};
}

SL_MUST_CHECK enum sl_err header_set_sort(struct header_set *h); /* SL_ENOMEM */
void header_set_deinit(struct header_set *h);
/* The first of that name, of a sorted set. */
bool header_set_find(const struct header_set *h, struct sl_bytes name, struct table_value *value);

/* arguments: sorted by header_table_sort; headers: sorted. */
bool header_match(struct sl_bytes arguments, const struct header_set *headers);

/* Writes the table to w with its fields sorted by name, those of one name in their old order.
 * SL_ENOMEM. */
SL_MUST_CHECK enum sl_err header_table_sort(struct sl_bytes table, struct sl_writer *w);

#endif
