/*
 * query.h - what a request asks for: its path as decoded segments, and its parameters.
 *
 * Thread: the owner's.
 */
#ifndef SLUICE_GATEWAY_ADMIN_QUERY_H
#define SLUICE_GATEWAY_ADMIN_QUERY_H

#include "core/base/bytes.h"
#include "core/base/err.h"

#define QUERY_SEGMENTS_MAX 12u
#define QUERY_PARAMETERS_MAX 32u

struct query_parameter {
    struct sl_bytes name;
    struct sl_bytes value;
};

struct query {
    uint8_t *text;                                /* owned; everything below points into it */
    struct sl_bytes segments[QUERY_SEGMENTS_MAX]; /* a slash at the end makes none */
    size_t segments_count;
    struct query_parameter parameters[QUERY_PARAMETERS_MAX];
    size_t parameters_count;
};

/* SL_ESYNTAX: not a path, or a bad percent sign.  SL_ETOOBIG: too many segments or parameters.
 * SL_ENOMEM.  Needs query_deinit only when SL_OK. */
SL_MUST_CHECK enum sl_err query_parse(struct query *q, struct sl_bytes target);
void query_deinit(struct query *q);

/* The first of that name; {NULL, 0} when there is none.  A value may be empty. */
struct sl_bytes query_value(const struct query *q, const char *name);
bool query_is_true(const struct query *q, const char *name);
/* A missing one leaves *out.  SL_ESYNTAX: not a number in decimal. */
SL_MUST_CHECK enum sl_err query_number(const struct query *q, const char *name, uint64_t *out);

#endif
