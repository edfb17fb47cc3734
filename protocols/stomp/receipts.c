#include "protocols/stomp/receipts.h"

#include "core/base/limits.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#define WHO 1u /* a STOMP session publishes as one */
#define ENTRY_BYTES 12u

static void add(struct stomp_session *s, uint64_t tag, struct sl_bytes id);
static bool next_owed(struct stomp_receipts *r, uint64_t upto, struct sl_bytes *id);
static void tidy(struct stomp_receipts *r);

void stomp_receipts_init(struct stomp_receipts *r)
{
    *r = (struct stomp_receipts){.next_tag = 1};
    sl_buffer_init(&r->owed, 4 * STOMP_RECEIPTS_BYTES_HIGH);
}

void stomp_receipts_deinit(struct stomp_receipts *r)
{
    sl_buffer_deinit(&r->owed);
}

void stomp_receipts_owe(struct stomp_session *s, struct sl_bytes id)
{
    if (id.at != NULL)
        add(s, s->receipts.next_tag++, id);
}

void stomp_receipts_owe_next(struct stomp_session *s, struct sl_bytes id)
{
    if (id.at == NULL)
        return;
    if (stomp_receipts_are_empty(&s->receipts))
        stomp_say_receipt(s, id);
    else
        add(s, s->receipts.next_tag - 1, id);
}

void stomp_receipts_ask(struct stomp_session *s)
{
    struct stomp_receipts *r = &s->receipts;

    if (r->asked + 1 == r->next_tag)
        return;
    r->asked = r->next_tag - 1;
    broker_confirm(&s->base.client, WHO, (sl_tag){r->asked});
}

void stomp_receipts_on_confirmed(struct stomp_session *s, sl_tag upto)
{
    struct sl_bytes id;

    while (next_owed(&s->receipts, upto.v, &id))
        stomp_say_receipt(s, id);
    tidy(&s->receipts);
}

static void add(struct stomp_session *s, uint64_t tag, struct sl_bytes id)
{
    uint8_t *at = sl_buffer_reserve(&s->receipts.owed, ENTRY_BYTES + id.len);

    if (at == NULL) { /* no memory: rather no connection than a receipt that never comes */
        session_abort(&s->base);
        return;
    }
    sl_store_u64(at, tag);
    sl_store_u32(at + 8, (uint32_t)id.len);
    if (id.len != 0)
        memcpy(at + ENTRY_BYTES, id.at, id.len);
    sl_buffer_grow(&s->receipts.owed, ENTRY_BYTES + id.len);
}

static bool next_owed(struct stomp_receipts *r, uint64_t upto, struct sl_bytes *id)
{
    struct sl_reader reader = sl_reader_of(sl_bytes_skip(sl_buffer_bytes(&r->owed), r->first));

    if (sl_reader_left(&reader) == 0 || sl_read_u64(&reader) > upto)
        return false;
    *id = sl_read_long_string(&reader);
    r->first += ENTRY_BYTES + id->len;
    return true;
}

static void tidy(struct stomp_receipts *r)
{
    if (r->first == r->owed.len) {
        sl_buffer_clear(&r->owed);
        r->first = 0;
        if (r->owed.room > STOMP_RECEIPTS_BYTES_KEPT)
            sl_buffer_deinit(&r->owed);
    } else if (r->first > r->owed.len / 2) {
        sl_buffer_consume(&r->owed, r->first);
        r->first = 0;
    }
}
