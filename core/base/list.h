/*
 * list.h - intrusive doubly linked list; the node lives inside what is listed.
 *
 * A list is a node whose neighbours are itself.  A node that is on no list points to itself,
 * so list_remove may be called on it again.
 */
#ifndef SLUICE_CORE_BASE_LIST_H
#define SLUICE_CORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_OF(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* Appends node, which is on no list, to the end of l. */
static inline void list_push(struct list *l, struct list *node)
{
    node->prev = l->prev;
    node->next = l;
    l->prev->next = node;
    l->prev = node;
}

static inline void list_push_front(struct list *l, struct list *node)
{
    list_push(l->next, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Takes the first node off; NULL when there is none. */
static inline struct list *list_pop(struct list *l)
{
    struct list *node = l->next;
    if (node == l)
        return NULL;
    list_remove(node);
    return node;
}

#endif
