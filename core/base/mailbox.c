#include "core/base/mailbox.h"

#include "core/base/assert.h"

#include <stddef.h>

void mailbox_init(struct mailbox *box, void (*wake)(void *reader), void *reader)
{
    *box = (struct mailbox){.wake = wake, .reader = reader};
    SL_ASSERT(pthread_mutex_init(&box->lock, NULL) == 0);
}

void mailbox_deinit(struct mailbox *box)
{
    SL_ASSERT(box->chain.first == NULL);
    pthread_mutex_destroy(&box->lock);
}

bool mailbox_post(struct mailbox *box, struct mail_chain chain)
{
    if (chain.first == NULL)
        return false;
    pthread_mutex_lock(&box->lock);
    bool was_empty = box->chain.first == NULL;
    if (was_empty)
        box->chain = chain;
    else {
        box->chain.last->next = chain.first;
        box->chain.last = chain.last;
    }
    atomic_store_explicit(&box->is_full, true, memory_order_release);
    pthread_mutex_unlock(&box->lock);
    return was_empty;
}

void mailbox_wake(struct mailbox *box)
{
    if (box->wake != NULL)
        box->wake(box->reader);
}

struct mail_chain mailbox_take(struct mailbox *box)
{
    struct mail_chain chain = {NULL, NULL};

    if (!mailbox_has_mail(box))
        return chain;
    pthread_mutex_lock(&box->lock);
    chain = box->chain;
    box->chain = (struct mail_chain){NULL, NULL};
    atomic_store_explicit(&box->is_full, false, memory_order_relaxed);
    pthread_mutex_unlock(&box->lock);
    return chain;
}
