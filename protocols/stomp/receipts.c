#include "protocols/stomp/receipts.h"

#include "core/base/limits.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"

#define WHO 1u /* a STOMP session publishes as one */
#define ENTRY_BYTES 20u
/* in the place of a ticket */
#define VERDICT_NONE 0u
#define VERDICT_DUPLICATE 1u
#define VERDICT_REFUSED 2u /* nothing is owed any more */

static void add(struct stomp_session *s, uint64_t tag, uint64_t verdict, struct sl_bytes id);
static void decide(struct stomp_session *s, uint8_t *entry, const struct answer *a);
static void say_what_is_due(struct stomp_session *s);
static bool next_owed(struct stomp_receipts *r, struct sl_bytes *id, uint64_t *verdict);
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
        add(s, s->receipts.next_tag++, VERDICT_NONE, id);
}

void stomp_receipts_owe_next(struct stomp_session *s, struct sl_bytes id)
{
    if (id.at == NULL)
        return;
    if (stomp_receipts_are_empty(&s->receipts))
        stomp_say_receipt(s, id, false);
    else
        add(s, s->receipts.next_tag - 1, VERDICT_NONE, id);
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
    s->receipts.confirmed = upto.v;
    say_what_is_due(s);
}

uint64_t stomp_receipts_verdict_ticket(struct stomp_session *s)
{
    return STOMP_VERDICT_TICKET | ++s->receipts.verdicts;
}

void stomp_receipts_owe_verdict(struct stomp_session *s, struct sl_bytes id, uint64_t ticket)
{
    add(s, s->receipts.next_tag++, ticket, id);
}

/* Verdicts mostly come in the order of their questions. */
void stomp_receipts_on_verdict(struct stomp_session *s, const struct answer *a)
{
    struct stomp_receipts *r = &s->receipts;
    size_t at = r->decided > r->first ? r->decided : r->first;
    bool are_decided = true;

    while (at < r->owed.len) {
        uint8_t *entry = r->owed.at + at;
        uint64_t verdict = sl_load_u64(entry + 8);
        if (verdict == a->ticket)
            decide(s, entry, a);
        else if ((verdict & STOMP_VERDICT_TICKET) != 0)
            are_decided = false;
        at += ENTRY_BYTES + sl_load_u32(entry + 16);
        if (are_decided)
            r->decided = at;
        if (verdict == a->ticket)
            break;
    }
    say_what_is_due(s);
}

static void decide(struct stomp_session *s, uint8_t *entry, const struct answer *a)
{
    const struct sl_bytes id = {entry + ENTRY_BYTES, sl_load_u32(entry + 16)};

    if (a->is_refused)
        stomp_refuse(s, id, "Message refused", a->reason);
    sl_store_u64(entry + 8, a->is_refused      ? VERDICT_REFUSED
                            : a->messages != 0 ? VERDICT_DUPLICATE
                                               : VERDICT_NONE);
}

static void say_what_is_due(struct stomp_session *s)
{
    struct sl_bytes id;
    uint64_t verdict;

    while (next_owed(&s->receipts, &id, &verdict))
        if (verdict != VERDICT_REFUSED)
            stomp_say_receipt(s, id, verdict == VERDICT_DUPLICATE);
    tidy(&s->receipts);
}

static void add(struct stomp_session *s, uint64_t tag, uint64_t verdict, struct sl_bytes id)
{
    uint8_t *at = sl_buffer_reserve(&s->receipts.owed, ENTRY_BYTES + id.len);

    if (at == NULL) { /* no memory: rather no connection than a receipt that never comes */
        session_abort(&s->base);
        return;
    }
    sl_store_u64(at, tag);
    sl_store_u64(at + 8, verdict);
    sl_store_u32(at + 16, (uint32_t)id.len);
    if (id.len != 0)
        memcpy(at + ENTRY_BYTES, id.at, id.len);
    sl_buffer_grow(&s->receipts.owed, ENTRY_BYTES + id.len);
}

static bool next_owed(struct stomp_receipts *r, struct sl_bytes *id, uint64_t *verdict)
{
    struct sl_reader reader = sl_reader_of(sl_bytes_skip(sl_buffer_bytes(&r->owed), r->first));

    if (sl_reader_left(&reader) == 0 || sl_read_u64(&reader) > r->confirmed)
        return false;
    *verdict = sl_read_u64(&reader);
    if ((*verdict & STOMP_VERDICT_TICKET) != 0)
        return false;
    *id = sl_read_long_string(&reader);
    r->first += ENTRY_BYTES + id->len;
    return true;
}

static void tidy(struct stomp_receipts *r)
{
    if (r->first == r->owed.len) {
        sl_buffer_clear(&r->owed);
        r->first = r->decided = 0;
        if (r->owed.room > STOMP_RECEIPTS_BYTES_KEPT)
            sl_buffer_deinit(&r->owed);
    } else if (r->first > r->owed.len / 2) {
        sl_buffer_consume(&r->owed, r->first);
        r->decided = r->decided > r->first ? r->decided - r->first : 0;
        r->first = 0;
    }
}
