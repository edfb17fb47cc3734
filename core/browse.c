#include "core/browse.h"

#include "core/aside.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/chunk.h"
#include "core/commands.h"
#include "core/fetch.h"
#include "core/levels.h"

#include <stdlib.h>

#define FAILURES_MAX 100u /* in a row, of what is not there any more: then it is an error */

struct look { /* for one page */
    const struct queue *queue;
    struct browse_page *page;
    struct browse_cursor *at; /* the page's */
    sl_seq until;
    uint64_t now;
    uint64_t bytes;
    struct fetch_request *fetch; /* what is wanted first is on disk; NULL: it is not */
    bool is_full;
};

struct gathering { /* of what is not in the row: those that come first */
    const struct look *look;
    const struct entry *found[SL_CHUNK_ENTRIES_MAX];
    uint32_t count;
};

static void look_at_level(void *context, uint8_t priority, struct backlog *b);
static void look_at_returned(struct look *look, const struct backlog *b);
static void gather_returned(struct gathering *g, const struct backlog *b);
static void gather(void *context, const struct entry *entry);
static void look_at_row(struct look *look, const struct backlog *b);
static void fetch_chunk(struct look *look, const struct chunk *c);
static sl_seq last_of(const struct chunk *c);
static bool add(struct look *look, const struct entry *entry);
static bool add_away(struct look *look, const struct entry *entry);
static bool is_seen(const struct look *look, const struct entry *entry);
static void show(struct look *look, const struct entry *entry);

void browse_take(struct shard *s, struct queue *q, const struct shard_command *c, struct answer *a)
{
    struct browse_page *page = calloc(1, sizeof *page);

    SL_ASSERT(page != NULL);
    page->next = c->browse;
    a->browsed = page;
    if (!c->browse.has_begun) {
        page->next =
            (struct browse_cursor){.has_begun = true, .level = UINT8_MAX, .until = queue_newest(q)};
        shard_answer(s, a);
        return;
    }
    queue_tend(s, q);
    struct look look = {
        .queue = q, .page = page, .at = &page->next, .until = c->browse.until, .now = s->now};
    if (q->gates_count != 0 && q->gates[q->gates_first].seq.v <= look.until.v)
        look.until.v = q->gates[q->gates_first].seq.v - 1; /* those are not in the queue yet */
    queue_each_backlog(q, look_at_level, &look);
    page->is_done = !look.is_full && look.fetch == NULL;
    if (look.fetch == NULL) {
        shard_answer(s, a);
        return;
    }
    SL_ASSERT(s->fetch != NULL);
    look.fetch->answer_to = &s->inbox;
    look.fetch->queue = q->ref.at;
    look.fetch->waiting = &a->mail;
    fetch_post(s->fetch, look.fetch);
}

void browse_fetched(struct shard *s, struct fetch_request *r)
{
    struct answer *a = (struct answer *)r->waiting;
    struct browse_page *page = a->browsed;
    struct look look = {.page = page, .at = &page->next, .until = page->next.until, .now = s->now};

    r->waiting = NULL;
    if (r->err == SL_EAGAIN) {
        a->place = (sl_lsn){r->failed_at.v + 1}; /* asked again once that is durable */
        order_hurry(s->run->order);
    } else if (r->err == SL_OK) {
        page->next.failures = 0;
        for (uint32_t i = 0; i < r->count; i++)
            show(&look, &r->entries[i]);
        if (page->next.seq.v < page->fetched_to.v)
            page->next.seq = page->fetched_to;
    } else if (++page->next.failures > FAILURES_MAX) { /* else it may have left meanwhile */
        sl_error("store.unreadable", "place=%llu", (unsigned long long)r->failed_at.v);
        command_refuse(a, SL_EIO, "a message of the queue cannot be read");
    }
    fetch_request_free(r);
    shard_answer(s, a);
}

static void look_at_level(void *context, uint8_t priority, struct backlog *b)
{
    struct look *look = context;

    look->is_full |= look->fetch != NULL;
    if (look->is_full || priority > look->at->level)
        return;
    if (priority < look->at->level) {
        look->at->level = priority;
        look->at->is_in_row = false;
        look->at->seq = (sl_seq){0};
    }
    if (!look->at->is_in_row)
        look_at_returned(look, b);
    look->is_full |= look->fetch != NULL;
    if (!look->is_full)
        look_at_row(look, b);
}

static void look_at_returned(struct look *look, const struct backlog *b)
{
    struct gathering g = {.look = look};

    gather_returned(&g, b);
    for (uint32_t i = 0; i < g.count; i++)
        if (!add(look, g.found[i]))
            return;
    if (g.count == SL_CHUNK_ENTRIES_MAX) {
        look->is_full = true;
    } else if (look->fetch == NULL) {
        look->at->is_in_row = true;
        look->at->seq = (sl_seq){0};
    }
}

/* Behind the cursor, in their order; and what stands aside for its group. */
static void gather_returned(struct gathering *g, const struct backlog *b)
{
    for (uint32_t i = 0; b->front != NULL && i < b->front->to; i++)
        if (i >= b->front->from)
            gather(g, &b->front->entries[i]);
    for (size_t i = 0; i < b->returned_count; i++)
        gather(g, &b->returned[i]);
    aside_each_ready(g->look->queue, gather, g);
}

static void gather(void *context, const struct entry *entry)
{
    struct gathering *g = context;

    if (!is_seen(g->look, entry) || entry->priority != g->look->at->level)
        return;
    if (g->count == SL_CHUNK_ENTRIES_MAX) {
        if (entry->seq.v > g->found[g->count - 1]->seq.v)
            return;
        g->count--;
    }
    uint32_t at = g->count++;
    for (; at > 0 && g->found[at - 1]->seq.v > entry->seq.v; at--)
        g->found[at] = g->found[at - 1];
    g->found[at] = entry;
}

static void look_at_row(struct look *look, const struct backlog *b)
{
    for (const struct chunk *c = b->head; c != NULL; c = c->next) {
        if (last_of(c).v <= look->at->seq.v)
            continue;
        if (c->entries == NULL) {
            fetch_chunk(look, c);
            return;
        }
        for (uint32_t i = c->from; i < c->to; i++)
            if (is_seen(look, &c->entries[i]) && !add(look, &c->entries[i]))
                return;
    }
}

static void fetch_chunk(struct look *look, const struct chunk *c)
{
    const struct stored_chunk *told = &c->index->told;

    if (told->first.v > look->until.v)
        return;
    look->is_full = true;
    if (look->page->count != 0 || look->fetch != NULL)
        return; /* it is for the next page */
    look->fetch = fetch_request_new(FETCH_CHUNK);
    look->fetch->place = told->place;
    look->fetch->record_len = told->record_len;
    look->fetch->from = told->from;
    look->page->fetched_to = told->last;
}

static sl_seq last_of(const struct chunk *c)
{
    if (c->entries == NULL)
        return c->index->told.last;
    return c->to == c->from ? (sl_seq){0} : c->entries[c->to - 1].seq;
}

/* False: the page ends before it. */
static bool add(struct look *look, const struct entry *entry)
{
    if (entry->msg == NULL)
        return add_away(look, entry);
    if (look->fetch != NULL || look->page->count == SL_CHUNK_ENTRIES_MAX ||
        look->bytes >= BROWSE_PAGE_BYTES) {
        look->is_full = true;
        return false;
    }
    show(look, entry);
    return true;
}

static bool add_away(struct look *look, const struct entry *entry)
{
    if (look->page->count != 0 || look->bytes >= BROWSE_PAGE_BYTES ||
        (look->fetch != NULL && look->fetch->count == SL_CHUNK_ENTRIES_MAX)) {
        look->is_full = true;
        return false;
    }
    if (look->fetch == NULL)
        look->fetch = fetch_request_new(FETCH_ENTRIES);
    look->fetch->entries[look->fetch->count++] = *entry;
    look->page->fetched_to = entry->seq;
    look->bytes += entry->body_len;
    return true;
}

static bool is_seen(const struct look *look, const struct entry *entry)
{
    return entry->seq.v > look->at->seq.v && entry->seq.v <= look->until.v &&
           (entry->deadline == 0 || entry->deadline > look->now) &&
           (entry->msg != NULL || entry->place.v != 0);
}

static void show(struct look *look, const struct entry *entry)
{
    if (!is_seen(look, entry))
        return;
    look->page->items[look->page->count++] =
        (struct browsed){message_ref(entry->msg), entry->returns, entry_is_redelivered(entry)};
    look->at->seq = entry->seq;
    look->bytes += entry->body_len;
}
