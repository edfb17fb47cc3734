#include "core/mail.h"

#include "core/base/assert.h"
#include "core/inspect.h"
#include "core/user.h"

#include <stdlib.h>

static void free_deliveries(struct delivery_mail *mail);
static void free_answer(struct answer *a);

struct answer *answer_new(struct sl_handle to, uint64_t ticket)
{
    struct answer *a = calloc(1, sizeof *a);

    SL_ASSERT(a != NULL);
    a->mail.kind = MAIL_ANSWER;
    a->mail.to = to;
    a->ticket = ticket;
    return a;
}

void mail_free(struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_DELIVERIES: free_deliveries((struct delivery_mail *)mail); return;
    case MAIL_ANSWER: free_answer((struct answer *)mail); return;
    case MAIL_CANCELLED:
    case MAIL_OVERDUE: free(mail); return;
    case MAIL_EVICTION:
        user_unref(((struct eviction *)mail)->user);
        sl_bytes_free(((struct eviction *)mail)->name);
        free(mail);
        return;
    case MAIL_INSPECT: inspect_page_free((struct inspect_page *)mail); return;
    }
}

static void free_deliveries(struct delivery_mail *mail)
{
    for (uint32_t i = 0; i < mail->count; i++)
        message_unref(mail->items[i].msg);
    free(mail);
}

static void free_answer(struct answer *a)
{
    if (a->msg != NULL)
        message_unref(a->msg);
    for (uint32_t i = 0; a->browsed != NULL && i < a->browsed->count; i++)
        message_unref(a->browsed->items[i].msg);
    free(a->browsed);
    free(a->reason);
    free(a->name);
    free(a);
}
