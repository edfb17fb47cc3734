#include "core/inquiry.h"

#include "core/admission.h"
#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/mail.h"
#include "core/shard.h"

#include <stdlib.h>
#include <string.h>

static void answer(struct shard *s, struct inquiry *i);
static char *refusal_of(const struct admission *full);
static void inquiry_free(struct inquiry *i);

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

void inquiry_add_full(struct inquiry *i, struct admission *full)
{
    i->full = admission_ref(full);
}

void inquiry_decide(struct shard *s, struct inquiry *i, enum inquiry_verdict verdict)
{
    if (verdict == INQUIRY_TAKEN)
        atomic_fetch_add_explicit(&i->taken, 1, memory_order_relaxed);
    if (verdict == INQUIRY_DUPLICATE)
        atomic_fetch_add_explicit(&i->duplicates, 1, memory_order_relaxed);
    if (verdict == INQUIRY_REFUSED)
        atomic_store_explicit(&i->is_refused, true, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&i->left, 1, memory_order_acq_rel) != 1)
        return;
    if (i->ticket != 0)
        answer(s, i);
    inquiry_free(i);
}

void inquiry_drop(struct inquiry *i)
{
    if (atomic_fetch_sub_explicit(&i->left, 1, memory_order_acq_rel) == 1)
        inquiry_free(i);
}

static void answer(struct shard *s, struct inquiry *i)
{
    struct answer *a = answer_new(i->to, i->ticket);

    a->is_refused = i->is_refused;
    if (a->is_refused)
        a->reason = refusal_of(i->full);
    else
        a->messages = i->duplicates != 0 && i->taken == 0;
    shard_answer(s, a);
}

static char *refusal_of(const struct admission *full)
{
    char room[2 * SL_NAME_BYTES_MAX];
    struct text text = text_on(room, sizeof room);

    text_add(&text, "queue '");
    text_add_bytes(&text, full->queue);
    text_add(&text, "' is full");
    char *reason = strdup(room);
    SL_ASSERT(reason != NULL);
    return reason;
}

static void inquiry_free(struct inquiry *i)
{
    admission_unref(i->full);
    free(i);
}
