/*
 * exchange.h - the kinds of exchange and how each finds its destinations.
 *
 * A binding is (source, destination, key, arguments).  All bindings of a source are kept in a
 * map by that identity, so binding again and unbinding cost the same with one or with a hundred
 * thousand; beside it each kind keeps the form it matches with: direct a map by key, fanout a
 * list, topic a word trie (topic_tree.h), the others a list: headers (header_match.h),
 * x-consistent-hash (hash_choice.h), x-random, x-recent-history (history.h).
 *
 * Thread: any, under topology_lock.
 */
#ifndef SLUICE_CORE_EXCHANGE_H
#define SLUICE_CORE_EXCHANGE_H

#include "core/header_match.h"
#include "core/topology.h"

struct binding { /* one block with its identity behind it */
    struct exchange *source;
    struct exchange *to_exchange; /* one of these two */
    struct topology_queue *to_queue;
    struct sl_bytes key;       /* in the identity */
    struct sl_bytes arguments; /* in the identity; a whole table, sorted by name */
    struct sl_bytes identity;  /* key of the source's map */
    struct list of_destination;
    struct list of_match; /* in the direct key's or trie node's list, or in the one of all */
    uint64_t spot;        /* of a hash: hash_choice.h */
    double weight;
};

SL_MUST_CHECK enum sl_err exchange_type_parse(struct sl_bytes name, enum exchange_type *type);
const char *exchange_type_name(enum exchange_type type); /* NULL: there is none of that number */

/* What an exchange of that type with those checked arguments finds its destinations as. */
enum exchange_type exchange_matching(enum exchange_type type, struct sl_bytes arguments);
/* One that delays has to say what it does afterwards.  SL_EPRECOND. */
SL_MUST_CHECK enum sl_err exchange_check_delayed(enum exchange_type type, struct sl_bytes arguments,
                                                 struct text *reason);

struct bindings *bindings_new(enum exchange_type type); /* NULL: no memory */
/* What the exchange's arguments say about how bindings are found, which last as long.  SL_EPRECOND. */
SL_MUST_CHECK enum sl_err bindings_obey(struct bindings *b, struct sl_bytes arguments,
                                        struct text *reason);
/* May there be a binding with this key and these arguments?  SL_EPRECOND. */
SL_MUST_CHECK enum sl_err bindings_check_new(const struct bindings *b, struct sl_bytes key,
                                             struct sl_bytes arguments, struct text *reason);
void bindings_free(struct bindings *b);  /* must be empty */
void bindings_clear(struct bindings *b); /* frees every binding */
size_t bindings_count(const struct bindings *b);

/* *out is NULL when there is none.  arguments: a whole table, or {NULL, 0}; the order of its
 * fields is no matter.  SL_ENOMEM: nobody knows. */
SL_MUST_CHECK enum sl_err bindings_find(struct bindings *b, struct exchange *to_exchange,
                                        struct topology_queue *to_queue, struct sl_bytes key,
                                        struct sl_bytes arguments, struct binding **out);
/* Of one that passed bindings_check_new.  Idempotent.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err bindings_add(struct exchange *source, struct exchange *to_exchange,
                                       struct topology_queue *to_queue, struct sl_bytes key,
                                       struct sl_bytes arguments);
void bindings_remove(struct binding *b);                                 /* frees it */
struct binding *bindings_next(const struct bindings *b, size_t *cursor); /* see hash_map_next */

struct matched { /* what bindings are matched with */
    struct sl_bytes key;
    struct sl_bytes properties; /* flat; or {NULL, 0} */
    struct header_set *headers; /* of these properties */
};

/* Calls found once per matching binding (a destination may come more than once).  SL_ENOMEM:
 * the headers could not be sorted, and nothing was called. */
SL_MUST_CHECK enum sl_err bindings_match(struct bindings *b, const struct matched *matched,
                                         void (*found)(void *context, struct binding *binding),
                                         void *context);
/* Does what matches depend on the key alone?  Is each key matched for itself? */
bool bindings_go_by_key(const struct bindings *b);
bool bindings_match_each_key(const struct bindings *b);
bool bindings_read_keys(const struct bindings *b); /* do the bindings' keys mean anything? */
/* What came before; borrowed.  NULL: nobody keeps it. */
struct history *bindings_history(const struct bindings *b);
void bindings_check(struct bindings *b); /* asserts the invariants; tests */

#endif
