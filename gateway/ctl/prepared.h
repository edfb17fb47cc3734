/*
 * prepared.h - sluicectl commit, sluicectl rollback: an administrator decides.
 */
#ifndef SLUICE_GATEWAY_CTL_PREPARED_H
#define SLUICE_GATEWAY_CTL_PREPARED_H

#include "core/base/text.h"

struct prepared_decision {
    const char *socket;
    const char *outcome; /* "commit" or "rollback" */
    const char *id;
    const char *vhost;
    const char *user; /* NULL: whoever has prepared a message of that id, if it is one alone */
};

/* SL_ENOENT: no such message waits; SL_EPRECOND: several do, or the gateway said no; others as
 * api.h.  All with why. */
SL_MUST_CHECK enum sl_err prepared_decide(const struct prepared_decision *d, struct text *why);

#endif
