#include "protocols/stomp/browser.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "protocols/stomp/encode.h"
#include "protocols/stomp/reply.h"
#include "protocols/stomp/session.h"
#include "protocols/stomp/subscription.h"

#include <stdlib.h>

struct stomp_browser {
    struct list of_session;
    struct stomp_subscription *subscription;
    struct browse_cursor at;
    uint64_t ticket; /* of the page that is under way; 0: none */
    bool is_done;
};

static void ask(struct stomp_session *s, struct stomp_browser *b);
static struct stomp_browser *find(struct stomp_session *s, uint64_t ticket);
static void say_page(struct stomp_session *s, struct stomp_browser *b,
                     const struct browse_page *page);

void stomp_browser_begin(struct stomp_session *s, struct stomp_subscription *sub,
                         const struct answer *a)
{
    struct stomp_browser *b = calloc(1, sizeof *b);

    SL_ASSERT(b != NULL);
    b->subscription = sub;
    b->at = a->browsed->next;
    sub->browser = b;
    list_push(&s->browsers, &b->of_session);
    s->browsers_count++;
    ask(s, b);
}

void stomp_browser_on_answer(struct stomp_session *s, const struct answer *a)
{
    struct stomp_browser *b = find(s, a->ticket);

    if (b == NULL || s->phase == STOMP_LEAVING)
        return;
    b->ticket = 0;
    if (a->err != SL_OK) {
        b->is_done = true;
        stomp_say_cancelled(s, b->subscription->id, b->subscription->destination);
        return;
    }
    b->at = a->browsed->next;
    b->is_done = a->browsed->is_done;
    say_page(s, b, a->browsed);
    ask(s, b);
}

void stomp_browser_on_written(struct stomp_session *s)
{
    for (struct list *at = s->browsers.next; at != &s->browsers; at = at->next)
        ask(s, LIST_OF(at, struct stomp_browser, of_session));
}

void stomp_browser_end(struct stomp_session *s, struct stomp_subscription *sub)
{
    if (sub->browser == NULL)
        return;
    s->browsers_count--;
    list_remove(&sub->browser->of_session);
    free(sub->browser);
    sub->browser = NULL;
}

/* For its next page, unless it has one on its way or the peer has enough to read. */
static void ask(struct stomp_session *s, struct stomp_browser *b)
{
    if (b->ticket != 0 || b->is_done || s->base.is_ending || s->phase == STOMP_LEAVING ||
        outbox_bytes(&s->base.out) > SL_OUT_BYTES_LOW)
        return;
    b->ticket = ++s->next_ticket | STOMP_BROWSER_TICKET;
    broker_browse(&s->base.client, b->ticket, b->subscription->queue, &b->at);
}

/* NULL: it was ended meanwhile. */
static struct stomp_browser *find(struct stomp_session *s, uint64_t ticket)
{
    for (struct list *at = s->browsers.next; at != &s->browsers; at = at->next) {
        struct stomp_browser *b = LIST_OF(at, struct stomp_browser, of_session);
        if (b->ticket == ticket)
            return b;
    }
    return NULL;
}

static void say_page(struct stomp_session *s, struct stomp_browser *b,
                     const struct browse_page *page)
{
    for (uint32_t i = 0; i < page->count; i++)
        if (!stomp_say_browsed(s, b->subscription, &page->items[i]))
            return;
    if (page->is_done)
        stomp_say_browser_end(s, b->subscription->id, b->subscription->destination);
    session_touch(&s->base);
}
