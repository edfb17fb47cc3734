/*
 * policy.h - rules that an operator gives to queues and exchanges by their names: what a policy is,
 * which keys there are, and how they come together with an object's own arguments.
 *
 * Of all policies that fit an object the one of the highest priority is in force, and beside it the
 * operator policy of the highest priority.  A limit that is a number is the least of those that are
 * given; else the operator's policy goes before the policy, and the object's argument before both.
 * What comes of it is a table of arguments, and whoever reads arguments reads that one instead.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_POLICY_H
#define SLUICE_CORE_POLICY_H

#include "core/base/err.h"
#include "core/base/text.h"
#include "core/dedup_rules.h"
#include "core/rules.h"
#include "core/table.h"

#include <stdatomic.h>

enum policy_target { /* bits */
                     POLICY_OF_CLASSIC_QUEUES = 1,
                     POLICY_OF_QUORUM_QUEUES = 2,
                     POLICY_OF_STREAMS = 4, /* of which there are none */
                     POLICY_OF_EXCHANGES = 8,
                     POLICY_OF_QUEUES = 7,
                     POLICY_OF_ALL = 15,
};

struct policy_definition { /* borrows its bytes */
    struct sl_bytes vhost;
    struct sl_bytes name;
    struct sl_bytes pattern; /* a regular expression; the empty one fits every name */
    struct sl_bytes keys;    /* a checked table */
    int32_t priority;
    uint8_t apply_to; /* bits of enum policy_target */
    bool is_operator;
};

/* "all", "queues", "exchanges", ...; false: no such word. */
bool policy_target_parse(struct sl_bytes word, uint8_t *out);
const char *policy_target_name(uint8_t apply_to);

/* SL_EPRECOND, in RabbitMQ's words: a key that there is not, or a value that it cannot have. */
SL_MUST_CHECK enum sl_err policy_check(const struct policy_definition *d, struct text *reason);
/* Names the keys that have no effect here, with commas between. */
void policy_list_ignored(struct sl_bytes keys, struct text *to);

/* What is in force for one object beyond its arguments.  Counted; does not change. */
struct effective {
    _Atomic uint32_t refs;
    struct sl_bytes policy;      /* its name; empty: none */
    struct sl_bytes by_operator; /* the same */
    struct sl_bytes keys;        /* both together: a whole table */
    struct sl_bytes arguments;   /* of the object, with what the policies make of them */
    struct queue_rules rules;    /* what a queue reads in these; both borrow from them */
    struct dedup_rules dedup_rules;
    uint8_t bytes[];
};

/* One reference.  policy and by_operator: one of them may be NULL.  Aborts without memory: our own
 * size. */
struct effective *effective_new(struct sl_bytes arguments, const struct policy_definition *policy,
                                const struct policy_definition *by_operator);
struct effective *effective_ref(struct effective *e); /* NULL is fine, as in the next ones */
void effective_unref(struct effective *e);
bool effective_is_equal(const struct effective *a, const struct effective *b);

#endif
