/*
 * refusal.h - the words in which the topology says no.
 *
 * They are RabbitMQ's, because people and client libraries search for them; what stands before
 * them ("NOT_FOUND - ") is the front end's.  Each function adds the words and returns the error
 * that goes with them.
 */
#ifndef SLUICE_CORE_REFUSAL_H
#define SLUICE_CORE_REFUSAL_H

#include "core/base/text.h"
#include "core/table.h"

struct resource {     /* what it is about; borrowed */
    const char *kind; /* "queue", "exchange" */
    struct sl_bytes name;
    struct sl_bytes vhost;
};

/* queue 'q' in vhost '/' */
void resource_describe(struct resource r, struct text *to);

SL_MUST_CHECK enum sl_err refusal_missing(struct resource r, struct text *reason);
SL_MUST_CHECK enum sl_err refusal_locked(struct resource r, struct text *reason);
SL_MUST_CHECK enum sl_err refusal_in_use(struct resource r, struct text *reason);
SL_MUST_CHECK enum sl_err refusal_reserved_name(struct resource r, struct text *reason);
SL_MUST_CHECK enum sl_err refusal_no_vhost(struct sl_bytes vhost, struct text *reason);
SL_MUST_CHECK enum sl_err refusal_default_exchange(struct text *reason);

/* received and current as plain words, without quotes. */
SL_MUST_CHECK enum sl_err refusal_inequivalent(struct resource r, const char *argument,
                                               const char *received, const char *current,
                                               struct text *reason);
/* The same for values of a table; NULL: absent. */
SL_MUST_CHECK enum sl_err refusal_inequivalent_value(struct resource r, const char *argument,
                                                     const struct table_value *received,
                                                     const struct table_value *current,
                                                     struct text *reason);
#endif
