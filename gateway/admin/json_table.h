/*
 * json_table.h - JSON as the core's tables: arguments of definitions that come as JSON.
 *
 * Numbers become 64-bit integers or doubles, as RabbitMQ makes them of JSON; texts, truth values,
 * null, arrays and objects become what they are in a table.
 *
 * Thread: pure.
 */
#ifndef SLUICE_GATEWAY_ADMIN_JSON_TABLE_H
#define SLUICE_GATEWAY_ADMIN_JSON_TABLE_H

#include "core/base/buffer.h"

#include <jansson.h>

#define JSON_TABLE_BYTES_MAX (64u * 1024)

/* Appends a whole table, which passes table_check.  NULL and null are an empty one.  SL_ESYNTAX:
 * not an object, a name that is too long, or too deep; SL_ETOOBIG; SL_ENOMEM. */
SL_MUST_CHECK enum sl_err json_to_table(const json_t *object, struct sl_buffer *to);

#endif
