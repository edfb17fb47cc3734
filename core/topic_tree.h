/*
 * topic_tree.h - patterns of words, kept as a trie, and the search for those that a key matches.
 *
 * Words are separated by dots and may be empty; a key of no bytes has no words.  In a pattern
 * "*" stands for one word and "#" for any number of them.  A node is a prefix of patterns; the
 * entries of a pattern hang on its last node.
 *
 * A match walks the key once and keeps the set of nodes that are possible so far, each node
 * once per word.  So no pattern, however many "#" it has, costs more than nodes times words,
 * and nothing is allocated or recursed into.
 *
 * Thread: the owner's.  A zeroed struct is an empty tree.
 */
#ifndef SLUICE_CORE_TOPIC_TREE_H
#define SLUICE_CORE_TOPIC_TREE_H

#include "core/base/bytes.h"
#include "core/base/list.h"

struct topic_node;

struct topic_tree {
    struct topic_node *root; /* NULL: no patterns */
    uint64_t step;           /* stamps the nodes of one set */
};

/* Lends the list of entries of that pattern, made if it is not there; NULL: no memory, and the
 * tree is as it was.  The caller adds to the list or calls topic_tree_prune. */
struct list *topic_tree_entries(struct topic_tree *t, struct sl_bytes pattern);

/* Releases what the pattern alone needed, when it has no entries left. */
void topic_tree_prune(struct topic_tree *t, struct sl_bytes pattern);

/* Releases all nodes; the entries are their owner's. */
void topic_tree_clear(struct topic_tree *t);

/* Calls found once for every pattern that has entries and matches. */
void topic_tree_match(struct topic_tree *t, struct sl_bytes key,
                      void (*found)(void *context, struct list *entries), void *context);

#endif
