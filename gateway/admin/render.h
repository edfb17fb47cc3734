/*
 * render.h - the core's values as JSON.
 *
 * Names are bytes to the broker and text to JSON: what is not well-formed UTF-8 is shown with
 * question marks.
 */
#ifndef SLUICE_GATEWAY_ADMIN_RENDER_H
#define SLUICE_GATEWAY_ADMIN_RENDER_H

#include "core/base/buffer.h"

#include <jansson.h>

/* All give a new reference, or NULL without memory, which jansson's setters pass over. */
json_t *json_of_bytes(struct sl_bytes bytes);
/* A checked table, or {NULL, 0}: as an object; tables and arrays in it too. */
json_t *json_of_table(struct sl_bytes table);

static inline json_t *json_of_number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

/* Takes value.  The name is a literal of ours. */
static inline void json_put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new_nocheck(object, name, value);
}

/* Appends the value's text.  SL_ETOOBIG, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err json_write(struct sl_buffer *to, const json_t *value);

#endif
