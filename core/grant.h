/*
 * grant.h - what one user may do in one virtual host.
 *
 * Three patterns for names of queues and exchanges, and for topic exchanges that are named in it
 * two more for routing keys.  A grant never changes: a change makes another one, and sessions
 * take it when accounts.h says that something has changed.
 *
 * Thread: any; counted.
 */
#ifndef SLUICE_CORE_GRANT_H
#define SLUICE_CORE_GRANT_H

#include "core/name_pattern.h"

#include <stdatomic.h>

enum permission { PERMISSION_CONFIGURE, PERMISSION_WRITE, PERMISSION_READ, PERMISSIONS };

struct topic_grant {
    struct sl_bytes exchange;           /* owned, as these; CONFIGURE is empty */
    struct sl_bytes texts[PERMISSIONS]; /* with variables as they were written */
    struct name_pattern patterns[PERMISSIONS];
    struct topic_grant *next;
};

struct grant {
    _Atomic uint32_t refs;
    bool has_permission; /* else there are topics only, and the virtual host is closed */
    struct sl_bytes user;
    struct sl_bytes vhost;
    struct sl_bytes texts[PERMISSIONS];
    struct name_pattern patterns[PERMISSIONS];
    struct topic_grant *topics;
};

/* One reference.  Nothing is allowed in it. */
struct grant *grant_new(struct sl_bytes user, struct sl_bytes vhost);
/* A copy of the grant but for its permission; or but for its topics of that exchange, and then, where
 * there are texts, with these instead.  texts NULL: it is taken away.  SL_ESYNTAX with why. */
SL_MUST_CHECK enum sl_err grant_with_permission(const struct grant *g, const struct sl_bytes *texts,
                                                struct grant **out, struct text *why);
SL_MUST_CHECK enum sl_err grant_with_topic(const struct grant *g, struct sl_bytes exchange,
                                           const struct sl_bytes *texts, struct grant **out,
                                           struct text *why);
struct grant *grant_ref(struct grant *g);
void grant_unref(struct grant *g); /* NULL is none */

/* The topics of that exchange; NULL: none are said, and every key is allowed. */
const struct topic_grant *grant_topic(const struct grant *g, struct sl_bytes exchange);

#endif
