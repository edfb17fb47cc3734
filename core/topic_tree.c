#include "core/topic_tree.h"

#include "core/base/hash_map.h"

#include <stdlib.h>

struct topic_node {
    struct topic_node *parent; /* NULL: the root */
    struct hash_map words;     /* children by literal word */
    struct topic_node *star;   /* child "*" */
    struct topic_node *hash;   /* child "#" */
    struct list entries;
    uint64_t step;              /* the last set that this node was in */
    struct topic_node *next[2]; /* in that set, and in the one before */
    struct sl_bytes word;       /* behind this struct */
};

struct node_set { /* what is possible after some words of the key */
    struct topic_node *first;
    uint64_t step;
};

static void push(struct topic_node **first, struct topic_node *node);
static bool next_word(struct sl_bytes *rest, bool *is_more, struct sl_bytes *word);
static struct topic_node *node_new(struct topic_node *parent, struct sl_bytes word);
static struct topic_node *child(const struct topic_node *node, struct sl_bytes word);
static struct topic_node *child_make(struct topic_node *node, struct sl_bytes word);
static struct topic_node *last_node(const struct topic_tree *t, struct sl_bytes pattern);
static void prune_upwards(struct topic_tree *t, struct topic_node *node);
static bool is_needed(const struct topic_node *node);
static void detach(struct topic_tree *t, struct topic_node *node);
static void set_add(struct node_set *set, struct topic_node *node);
static struct node_set set_after(struct topic_tree *t, struct node_set set, struct sl_bytes word);
static bool is_hash(const struct topic_node *node);

struct list *topic_tree_entries(struct topic_tree *t, struct sl_bytes pattern)
{
    bool is_more = pattern.len != 0;
    struct sl_bytes word;

    if (t->root == NULL)
        t->root = node_new(NULL, (struct sl_bytes){NULL, 0});

    struct topic_node *node = t->root;
    while (node != NULL && next_word(&pattern, &is_more, &word)) {
        struct topic_node *below = child_make(node, word);
        if (below == NULL)
            prune_upwards(t, node);
        node = below;
    }
    return node == NULL ? NULL : &node->entries;
}

void topic_tree_prune(struct topic_tree *t, struct sl_bytes pattern)
{
    struct topic_node *node = last_node(t, pattern);

    if (node != NULL)
        prune_upwards(t, node);
}

/* The links of the match serve as the stack of nodes that are yet to go. */
void topic_tree_clear(struct topic_tree *t)
{
    struct topic_node *first = t->root;

    if (first != NULL)
        first->next[0] = NULL;
    t->root = NULL;
    while (first != NULL) {
        struct topic_node *node = first;
        struct topic_node *below;
        size_t cursor = 0;

        first = node->next[0];
        push(&first, node->star);
        push(&first, node->hash);
        while ((below = hash_map_next(&node->words, &cursor)) != NULL)
            push(&first, below);
        hash_map_deinit(&node->words);
        free(node);
    }
}

void topic_tree_match(struct topic_tree *t, struct sl_bytes key,
                      void (*found)(void *context, struct list *entries), void *context)
{
    bool is_more = key.len != 0;
    struct sl_bytes word;

    if (t->root == NULL)
        return;

    struct node_set set = {NULL, ++t->step};
    set_add(&set, t->root);
    while (set.first != NULL && next_word(&key, &is_more, &word))
        set = set_after(t, set, word);
    for (struct topic_node *node = set.first; node != NULL; node = node->next[set.step & 1])
        if (!list_is_empty(&node->entries))
            found(context, &node->entries);
}

static void push(struct topic_node **first, struct topic_node *node)
{
    if (node == NULL)
        return;
    node->next[0] = *first;
    *first = node;
}

/* Takes the next word off rest.  A dot has a word on either side, if only an empty one, so
 * what is left may be no bytes and still one word: is_more says. */
static bool next_word(struct sl_bytes *rest, bool *is_more, struct sl_bytes *word)
{
    if (!*is_more)
        return false;

    const uint8_t *dot = rest->len == 0 ? NULL : memchr(rest->at, '.', rest->len);
    size_t len = dot == NULL ? rest->len : (size_t)(dot - rest->at);
    *word = (struct sl_bytes){rest->at, len};
    *is_more = dot != NULL;
    *rest = sl_bytes_skip(*rest, len + 1);
    return true;
}

static struct topic_node *node_new(struct topic_node *parent, struct sl_bytes word)
{
    struct topic_node *node = malloc(sizeof *node + word.len);

    if (node == NULL)
        return NULL;
    *node = (struct topic_node){.parent = parent, .word = {(uint8_t *)(node + 1), word.len}};
    if (word.len != 0)
        memcpy(node + 1, word.at, word.len);
    list_init(&node->entries);
    return node;
}

static struct topic_node *child(const struct topic_node *node, struct sl_bytes word)
{
    if (sl_bytes_are(word, "*"))
        return node->star;
    if (sl_bytes_are(word, "#"))
        return node->hash;
    return hash_map_get(&node->words, word);
}

static struct topic_node *child_make(struct topic_node *node, struct sl_bytes word)
{
    struct topic_node *below = child(node, word);

    if (below != NULL)
        return below;
    below = node_new(node, word);
    if (below == NULL)
        return NULL;
    if (sl_bytes_are(word, "*"))
        node->star = below;
    else if (sl_bytes_are(word, "#"))
        node->hash = below;
    else if (hash_map_put(&node->words, below->word, below) != SL_OK) {
        free(below);
        return NULL;
    }
    return below;
}

static struct topic_node *last_node(const struct topic_tree *t, struct sl_bytes pattern)
{
    bool is_more = pattern.len != 0;
    struct topic_node *node = t->root;
    struct sl_bytes word;

    while (node != NULL && next_word(&pattern, &is_more, &word))
        node = child(node, word);
    return node;
}

static void prune_upwards(struct topic_tree *t, struct topic_node *node)
{
    while (node != NULL && !is_needed(node)) {
        struct topic_node *parent = node->parent;
        detach(t, node);
        node = parent;
    }
}

static bool is_needed(const struct topic_node *node)
{
    return !list_is_empty(&node->entries) || node->words.count != 0 || node->star != NULL ||
           node->hash != NULL;
}

/* Releases a node that has no children. */
static void detach(struct topic_tree *t, struct topic_node *node)
{
    struct topic_node *parent = node->parent;

    if (parent == NULL)
        t->root = NULL;
    else if (parent->star == node)
        parent->star = NULL;
    else if (parent->hash == node)
        parent->hash = NULL;
    else
        hash_map_remove(&parent->words, node->word);
    hash_map_deinit(&node->words);
    free(node);
}

/* Adds the node, and behind it what "#" makes possible without any word. */
static void set_add(struct node_set *set, struct topic_node *node)
{
    while (node != NULL && node->step != set->step) {
        node->step = set->step;
        node->next[set->step & 1] = set->first;
        set->first = node;
        node = node->hash;
    }
}

static struct node_set set_after(struct topic_tree *t, struct node_set set, struct sl_bytes word)
{
    struct node_set after = {NULL, ++t->step};

    for (struct topic_node *node = set.first; node != NULL; node = node->next[set.step & 1]) {
        struct topic_node *literal = hash_map_get(&node->words, word);
        if (literal != NULL)
            set_add(&after, literal);
        if (node->star != NULL)
            set_add(&after, node->star);
        if (is_hash(node))
            set_add(&after, node);
    }
    return after;
}

static bool is_hash(const struct topic_node *node)
{
    return node->parent != NULL && node->parent->hash == node;
}
