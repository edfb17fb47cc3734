#include "core/settlement.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/broker.h"

#include <stdlib.h>

#define ROOM_FIRST 16u

struct span { /* loans [first, end) of the table */
    size_t first;
    size_t end;
};

struct range { /* loans of one consumer that are settled alike, one after the other */
    struct consumer_ref consumer;
    uint64_t first;
    uint32_t count;
};

static enum sl_err span_of(const struct settlement *s, sl_tag tag, bool multiple,
                           struct span *span);
static size_t after_marked(const struct settlement *s);
static struct span marked_span(const struct settlement *s);
static bool is_free(const struct loan *loan);
static void mark_at(struct settlement *s, size_t i, enum settle_verdict verdict);
static size_t index_of(const struct settlement *s, uint64_t tag);
static void make_room(struct settlement *s);
static void settle_at(struct settlement *s, struct client *c, size_t i, enum settle_verdict verdict,
                      struct range *range);
static void range_flush(struct range *range, struct client *c, enum settle_verdict verdict);
static void drop_settled_front(struct settlement *s);

void settlement_init(struct settlement *s)
{
    *s = (struct settlement){.next_tag = 1};
}

void settlement_deinit(struct settlement *s)
{
    free(s->loans);
    *s = (struct settlement){.next_tag = s->next_tag};
}

sl_tag settlement_add(struct settlement *s, struct subscription *subscription, uint64_t loan,
                      sl_seq seq)
{
    uint64_t tag = s->next_tag++;

    if (s->end == s->room)
        make_room(s);
    s->loans[s->end++] = (struct loan){tag, subscription, loan, 0, seq};
    s->open++;
    subscription->open++;
    return (sl_tag){tag};
}

enum sl_err settlement_settle(struct settlement *s, struct client *c, sl_tag tag, bool multiple,
                              enum settle_verdict verdict)
{
    struct range range = {.count = 0};
    struct span span;
    bool any = tag.v == 0;

    SL_TRY(span_of(s, tag, multiple, &span));
    for (size_t i = span.first; i < span.end; i++)
        if (is_free(&s->loans[i])) {
            settle_at(s, c, i, verdict, &range);
            any = true;
        }
    range_flush(&range, c, verdict);
    drop_settled_front(s);
    return any ? SL_OK : SL_ENOENT;
}

enum sl_err settlement_mark(struct settlement *s, sl_tag tag, bool multiple,
                            enum settle_verdict verdict)
{
    struct span span;
    bool any = tag.v == 0;

    SL_TRY(span_of(s, tag, multiple, &span));
    for (size_t i = span.first; i < span.end; i++)
        if (is_free(&s->loans[i])) {
            mark_at(s, i, verdict);
            any = true;
        }
    if (multiple && span.first < span.end)
        s->marked_through = s->loans[span.end - 1].tag;
    return any ? SL_OK : SL_ENOENT;
}

/* The marks that a verdict has in a row are settled as one range. */
void settlement_settle_marked(struct settlement *s, struct client *c)
{
    struct span span = marked_span(s);
    enum settle_verdict verdict = SETTLE_CONSUMED;
    struct range range = {.count = 0};

    for (size_t i = span.first; i < span.end; i++) {
        const struct loan *loan = &s->loans[i];
        if (loan->subscription == NULL || loan->mark == 0)
            continue;
        if (loan->mark - 1u != verdict) {
            range_flush(&range, c, verdict);
            verdict = (enum settle_verdict)(loan->mark - 1u);
        }
        settle_at(s, c, i, verdict, &range);
    }
    range_flush(&range, c, verdict);
    drop_settled_front(s);
    s->marked_low = s->marked_through = 0;
}

void settlement_unmark(struct settlement *s)
{
    struct span span = marked_span(s);

    for (size_t i = span.first; i < span.end; i++)
        s->loans[i].mark = 0;
    s->marked_low = s->marked_through = 0;
}

enum sl_err settlement_settle_of(struct settlement *s, struct client *c,
                                 struct subscription *subscription, sl_tag tag,
                                 enum settle_verdict verdict)
{
    struct range range = {.count = 0};

    if (settlement_find(s, tag) != subscription)
        return SL_ENOENT;
    size_t last = index_of(s, tag.v);
    for (size_t i = s->first; i <= last; i++)
        if (s->loans[i].subscription == subscription)
            settle_at(s, c, i, verdict, &range);
    range_flush(&range, c, verdict);
    drop_settled_front(s);
    return SL_OK;
}

struct subscription *settlement_find(const struct settlement *s, sl_tag tag)
{
    size_t i = index_of(s, tag.v);

    return i < s->end && s->loans[i].tag == tag.v ? s->loans[i].subscription : NULL;
}

void settlement_return_all(struct settlement *s, struct client *c)
{
    settlement_unmark(s);
    enum sl_err err = settlement_settle(s, c, (sl_tag){0}, true, SETTLE_RETURNED);
    SL_ASSERT(err == SL_OK);
}

void settlement_forget(struct settlement *s, const struct subscription *subscription)
{
    for (size_t i = s->first; i < s->end; i++) {
        if (s->loans[i].subscription != subscription)
            continue;
        s->loans[i].subscription->open--;
        s->loans[i].subscription = NULL;
        s->open--;
    }
    drop_settled_front(s);
}

/* What a peer means by tag and multiple; some of it may be settled or marked. */
static enum sl_err span_of(const struct settlement *s, sl_tag tag, bool multiple, struct span *span)
{
    *span = (struct span){after_marked(s), s->end};
    if (multiple && tag.v == 0)
        return SL_OK;
    size_t last = index_of(s, tag.v);
    if (tag.v >= s->next_tag || last == s->end || (!multiple && s->loans[last].tag != tag.v))
        return SL_ENOENT;
    *span = (struct span){multiple ? span->first : last, last + 1};
    return SL_OK;
}

/* Marked loans stay in the table: whoever means "all up to" must not walk over them each time. */
static size_t after_marked(const struct settlement *s)
{
    if (s->marked_through == 0)
        return s->first;
    size_t last = index_of(s, s->marked_through);
    return last == s->end ? s->first : last + 1;
}

static struct span marked_span(const struct settlement *s)
{
    if (s->marked_low == 0)
        return (struct span){0, 0};
    size_t first = index_of(s, s->marked_low);
    size_t last = index_of(s, s->marked_high);
    if (last == s->end)
        return (struct span){0, 0}; /* all forgotten */
    return (struct span){first == s->end ? s->first : first, last + 1};
}

static bool is_free(const struct loan *loan)
{
    return loan->subscription != NULL && loan->mark == 0;
}

static void mark_at(struct settlement *s, size_t i, enum settle_verdict verdict)
{
    struct loan *loan = &s->loans[i];

    loan->mark = verdict + 1u;
    if (s->marked_low == 0)
        s->marked_low = s->marked_high = loan->tag;
    else if (loan->tag < s->marked_low)
        s->marked_low = loan->tag;
    else if (loan->tag > s->marked_high)
        s->marked_high = loan->tag;
}

/* The last entry whose tag is not above this one; end when there is none.  Tags grow by one
 * unless entries were squeezed out or skipped, so the distance from the first is a bound. */
static size_t index_of(const struct settlement *s, uint64_t tag)
{
    if (s->first == s->end || tag < s->loans[s->first].tag)
        return s->end;

    size_t low = s->first;
    size_t high = s->end - 1;
    uint64_t distance = tag - s->loans[low].tag;
    if (distance < high - low)
        high = low + (size_t)distance;
    if (s->loans[high].tag <= tag)
        return high;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->loans[middle].tag <= tag)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Squeezes settled entries out; grows only when more than half are open, so that either way
 * the work is paid for by the entries added since. */
static void make_room(struct settlement *s)
{
    if (s->open > s->room / 2 || s->room == 0) {
        size_t room = s->room == 0 ? ROOM_FIRST : s->room * 2;
        struct loan *loans = realloc(s->loans, room * sizeof *loans);
        SL_ASSERT(loans != NULL); /* bounded by prefetch */
        s->loans = loans;
        s->room = room;
    }
    size_t to = 0;
    for (size_t i = s->first; i < s->end; i++)
        if (s->loans[i].subscription != NULL)
            s->loans[to++] = s->loans[i];
    s->first = 0;
    s->end = to;
}

static void settle_at(struct settlement *s, struct client *c, size_t i, enum settle_verdict verdict,
                      struct range *range)
{
    struct loan *loan = &s->loans[i];
    struct subscription *sub = loan->subscription;
    struct consumer_ref consumer = sub->consumer;
    bool follows = range->count != 0 && range->count < SL_RANGE_LOANS_MAX &&
                   consumer.shard == range->consumer.shard &&
                   consumer.at.slot == range->consumer.at.slot &&
                   consumer.at.generation == range->consumer.at.generation &&
                   loan->loan == range->first + range->count;

    if (!follows) {
        range_flush(range, c, verdict);
        *range = (struct range){consumer, loan->loan, 0};
    }
    range->count++;
    if (loan->seq.v != 0 && verdict != SETTLE_RETURNED) {
        if (verdict == SETTLE_REJECTED) /* its queue decides what comes of it */
            journal_rejected(&c->worker->run.journal, sub->queue_number, loan->seq);
        else
            journal_settled(&c->worker->run.journal, sub->queue_number, loan->seq);
        c->is_logged = true;
    }
    loan->subscription = NULL;
    s->open--;
    if (--sub->open == 0 && sub->is_getter)
        subscription_free(sub);
}

static void range_flush(struct range *range, struct client *c, enum settle_verdict verdict)
{
    static const enum lane_kind KINDS[] = {
        [SETTLE_CONSUMED] = LANE_CONSUME,
        [SETTLE_RETURNED] = LANE_RETURN,
        [SETTLE_REJECTED] = LANE_REJECT,
    };

    if (range->count == 0)
        return;
    struct lane_item *item = run_add(&c->worker->run, range->consumer.shard);
    item->at = range->consumer.at;
    item->kind = KINDS[verdict];
    item->offset = range->count;
    item->first_loan = range->first;
    counter_add(&c->worker->counters.settled, range->count);
    range->count = 0;
}

static void drop_settled_front(struct settlement *s)
{
    while (s->first < s->end && s->loans[s->first].subscription == NULL)
        s->first++;
    if (s->first == s->end)
        s->first = s->end = 0;
}
