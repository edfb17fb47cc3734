/*
 * columns.h - picking parts of an object by name: "name", "queue_totals.messages".
 */
#ifndef SLUICE_GATEWAY_ADMIN_COLUMNS_H
#define SLUICE_GATEWAY_ADMIN_COLUMNS_H

#include "core/base/bytes.h"

#include <jansson.h>

/* What stands under the name with dots; borrowed, NULL when there is nothing. */
json_t *columns_find(json_t *object, struct sl_bytes path);

/* A new object with the columns named in a list with commas; NULL without memory. */
json_t *columns_cut(json_t *object, struct sl_bytes list);

/* Orders values of any kind: nothing, booleans, numbers, texts, the rest. */
int columns_compare(const json_t *a, const json_t *b);

#endif
