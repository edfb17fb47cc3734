/*
 * policies.h - all policies of all virtual hosts, and which of them is in force for what.
 *
 * Thread: any, under the topology lock.
 */
#ifndef SLUICE_CORE_POLICIES_H
#define SLUICE_CORE_POLICIES_H

#include "core/policy.h"

struct policy {
    struct policy_definition is; /* owned with it */
};

struct policies { /* zeroed is empty */
    struct policy **at;
    size_t count, room;
    /* What policies_apply gave last for an object without arguments, and which policies made that:
     * most objects share it. */
    struct effective *last;
    const struct policy *last_policy, *last_operator;
};

void policies_deinit(struct policies *p);

/* Takes the place of the one with that name.  SL_ESYNTAX: the pattern cannot be read. */
SL_MUST_CHECK enum sl_err policies_set(struct policies *p, const struct policy_definition *d,
                                       struct text *reason);
/* False: there is none. */
bool policies_clear(struct policies *p, struct sl_bytes vhost, bool is_operator,
                    struct sl_bytes name);
/* With its virtual host. */
void policies_forget_vhost(struct policies *p, struct sl_bytes vhost);
const struct policy *policies_find(const struct policies *p, struct sl_bytes vhost,
                                   bool is_operator, struct sl_bytes name);

/* Gives a reference to what is in force for an object of that kind; NULL: no policy fits. */
struct effective *policies_apply(struct policies *p, struct sl_bytes vhost, struct sl_bytes name,
                                 enum policy_target kind, struct sl_bytes arguments);

#endif
