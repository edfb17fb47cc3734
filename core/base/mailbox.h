/*
 * mailbox.h - many writers, one reader; the reader is woken when the box was empty.
 *
 * What is posted arrives in the order posted by each writer.  The lock is a leaf: nothing else
 * is taken while it is held.  Waking is the writer's second step (mailbox_wake), so that a
 * writer who posts under another lock can wake after letting go of it.
 */
#ifndef SLUICE_CORE_BASE_MAILBOX_H
#define SLUICE_CORE_BASE_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct mail_node {
    struct mail_node *next;
};

struct mail_chain { /* nodes gathered by one thread, first in front */
    struct mail_node *first;
    struct mail_node *last;
};

static inline void mail_chain_add(struct mail_chain *chain, struct mail_node *node)
{
    node->next = 0;
    if (chain->first == 0)
        chain->first = node;
    else
        chain->last->next = node;
    chain->last = node;
}

/* Appends the nodes of more, which is given up. */
static inline void mail_chain_join(struct mail_chain *chain, struct mail_chain more)
{
    if (more.first == 0)
        return;
    if (chain->first == 0)
        chain->first = more.first;
    else
        chain->last->next = more.first;
    chain->last = more.last;
}

struct mailbox {
    pthread_mutex_t lock;
    struct mail_chain chain;
    atomic_bool is_full;        /* a hint that may be read without the lock */
    void (*wake)(void *reader); /* any thread; NULL: nobody sleeps here */
    void *reader;
};

void mailbox_init(struct mailbox *box, void (*wake)(void *reader), void *reader);
void mailbox_deinit(struct mailbox *box); /* the box must be empty */

/* Any thread.  Takes the nodes of chain; true when the box was empty, so someone must wake
 * the reader. */
bool mailbox_post(struct mailbox *box, struct mail_chain chain);
void mailbox_wake(struct mailbox *box);

/* Reader.  Takes all that is there; a chain whose first is NULL when there is nothing. */
struct mail_chain mailbox_take(struct mailbox *box);

static inline bool mailbox_has_mail(struct mailbox *box)
{
    return atomic_load_explicit(&box->is_full, memory_order_acquire);
}

#endif
