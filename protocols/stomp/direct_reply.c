#include "protocols/stomp/direct_reply.h"

#include "core/base/assert.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#include <stdlib.h>

bool stomp_direct_reply_check(struct stomp_session *s, const struct stomp_frame *f)
{
    struct sl_bytes ack = stomp_value(&f->headers, "ack");

    if (sl_bytes_are(ack, "client") || sl_bytes_are(ack, "client-individual"))
        stomp_fail_with(s, f->receipt, SL_EPRECOND, "reply consumer cannot acknowledge");
    else if (s->direct_reply != NULL)
        stomp_fail_with(s, f->receipt, SL_EPRECOND, "reply consumer already set");
    else
        return true;
    return false;
}

struct subscription *stomp_direct_reply_consume(struct stomp_session *s, uint64_t ticket,
                                                struct stomp_subscription *sub)
{
    SL_ASSERT(s->direct_reply == NULL);
    s->direct_reply = calloc(1, sizeof *s->direct_reply);
    SL_ASSERT(s->direct_reply != NULL);
    s->direct_reply->subscription = sub;
    return broker_subscribe_replies(&s->base.client, ticket, sub, s->direct_reply->address);
}

void stomp_direct_reply_end(struct stomp_session *s, const struct stomp_subscription *sub)
{
    if (s->direct_reply != NULL && s->direct_reply->subscription == sub)
        stomp_direct_reply_free(s);
}

void stomp_direct_reply_free(struct stomp_session *s)
{
    free(s->direct_reply);
    s->direct_reply = NULL;
}

bool stomp_direct_reply_address(struct stomp_session *s, const struct stomp_frame *f,
                                struct sl_bytes *address)
{
    if (s->direct_reply == NULL) {
        stomp_fail_with(s, f->receipt, SL_EPRECOND, "fast reply consumer does not exist");
        return false;
    }
    *address = sl_bytes_of(s->direct_reply->address);
    return true;
}
