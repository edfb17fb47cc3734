#include "core/inquiry.h"

#include "core/base/assert.h"
#include "core/mail.h"
#include "core/shard.h"

#include <stdlib.h>

struct inquiry *inquiry_new(struct message *msg, uint32_t queues, struct sl_handle to,
                            uint64_t ticket)
{
    struct inquiry *i = calloc(1, sizeof *i);

    SL_ASSERT(i != NULL && queues > 0);
    atomic_init(&i->left, queues);
    i->msg = msg;
    i->to = to;
    i->ticket = ticket;
    return i;
}

void inquiry_decide(struct shard *s, struct inquiry *i, enum inquiry_verdict verdict)
{
    if (verdict == INQUIRY_TAKEN)
        atomic_fetch_add_explicit(&i->taken, 1, memory_order_relaxed);
    if (verdict == INQUIRY_DUPLICATE)
        atomic_fetch_add_explicit(&i->duplicates, 1, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&i->left, 1, memory_order_acq_rel) != 1)
        return;
    struct answer *a = answer_new(i->to, i->ticket);
    a->messages = i->duplicates != 0 && i->taken == 0;
    shard_answer(s, a);
    free(i);
}

void inquiry_drop(struct inquiry *i)
{
    if (atomic_fetch_sub_explicit(&i->left, 1, memory_order_acq_rel) == 1)
        free(i);
}
