/*
 * api.h - one question to a running gateway: HTTP over its unix socket, JSON back.
 */
#ifndef SLUICE_GATEWAY_CTL_API_H
#define SLUICE_GATEWAY_CTL_API_H

#include "core/base/text.h"

#include <jansson.h>

/* GET of that path.  *out is a new reference.  SL_ENOENT: no gateway answers there.  SL_EDENIED:
 * it does not answer us.  SL_EIO, SL_EPROTO: it broke off, or made no sense.  SL_EPRECOND: it
 * said no.  All with why. */
SL_MUST_CHECK enum sl_err api_get(const char *socket_path, const char *path, json_t **out,
                                  struct text *why);
/* The same with any method.  body: NULL is none.  *out is NULL where nothing was answered. */
SL_MUST_CHECK enum sl_err api_call(const char *socket_path, const char *method, const char *path,
                                   const json_t *body, json_t **out, struct text *why);

/* POST without a body to that path, with the same errors. */
SL_MUST_CHECK enum sl_err api_post(const char *socket_path, const char *path, struct text *why);
/* Adds a segment of a path, percent-encoded. */
void api_add_segment(struct text *path, const char *segment);

#endif
