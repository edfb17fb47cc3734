/* The stored parts of a backlog, without a log: answers are made by hand. */
#include "core/backlog_parts.h"

#include "core/base/assert.h"
#include "core/fetch.h"
#include "core/properties.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define STRETCH 10000u
#define RECORD 100u

struct parts {
    uint64_t entries;
    uint64_t chunks;
    uint64_t in_chunks;
    uint64_t spans;
    struct stored_chunk last;
};

static struct live live;

static struct entry make_entry(uint64_t seq)
{
    struct message *msg = message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, 0);
    struct entry entry = entry_of(msg, (sl_seq){seq});

    entry.place.v = seq * RECORD;
    entry.record_len = RECORD;
    entry.copies = 1;
    entry.body_len = 10;
    entry.flags = ENTRY_LOGGED;
    return entry;
}

static void push(struct backlog *b, uint64_t first, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct entry entry = make_entry(first + i);
        live_add(&live, entry.place, RECORD, 1);
        backlog_push(b, &entry);
    }
}

static void end_entry(void *context, struct entry *entry)
{
    (void)context;
    live_sub(&live, entry->place, live_entry_bytes(entry), 1);
    if (entry->msg != NULL)
        message_unref(entry->msg);
}

static void end(struct backlog *b)
{
    backlog_clear(b, end_entry, NULL);
    CU_ASSERT_EQUAL(b->count, 0);
    CU_ASSERT_EQUAL(live.count, 0);
    live_deinit(&live);
    backlog_deinit(b);
}

/* All closed chunks, as if their INDEX lay at far places of the log. */
static void store_all(struct backlog *b, bool is_dropped)
{
    uint64_t place = 1000000;

    while (b->closed_first != NULL) {
        struct chunk *c = b->closed_first;
        backlog_unlist(b, c);
        chunk_store(c, &live, (sl_lsn){place++}, RECORD);
        if (is_dropped)
            chunk_drop(c);
    }
}

static void on_chunk(void *context, const struct stored_chunk *chunk)
{
    struct parts *p = context;
    uint64_t entries = 0;
    uint64_t bytes = 0;

    p->chunks++;
    p->in_chunks += chunk->count - chunk->from;
    p->spans += chunk->spans_count;
    p->last = *chunk;
    for (uint32_t i = 0; i < chunk->spans_count; i++) {
        entries += chunk->spans[i].entries;
        bytes += chunk->spans[i].bytes;
    }
    CU_ASSERT_EQUAL(entries, chunk->count - chunk->from);
    CU_ASSERT_EQUAL(bytes, entries * RECORD);
    CU_ASSERT_EQUAL(chunk->body_bytes, entries * 10);
}

static void on_entry(void *context, const struct entry *entry)
{
    (void)entry;
    ((struct parts *)context)->entries++;
}

static struct parts parts_of(const struct backlog *b)
{
    struct parts p = {0};

    backlog_each_part(b, on_chunk, on_entry, &p);
    return p;
}

/* As the fetching side would, for a chunk that began at that sequence. */
static void answer(struct backlog *b, struct fetch_request *r, uint64_t first, uint32_t count)
{
    r->count = count;
    for (uint32_t i = 0; i < count; i++)
        r->entries[i] = make_entry(first + i);
    CU_ASSERT_TRUE(backlog_take(b, r));
    fetch_request_free(r);
}

static void pop_to(struct backlog *b, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        struct entry entry;
        SL_ASSERT(backlog_peek(b, &entry) == BACKLOG_READY);
        backlog_pop(b, &entry);
        CU_ASSERT_EQUAL(entry.seq.v, seq);
        end_entry(NULL, &entry);
    }
}

static void what_is_stored_is_away_and_counts_on(void)
{
    struct backlog b = {0};
    struct entry next;

    live.stretch_bytes = STRETCH;
    push(&b, 1, 1000);
    store_all(&b, true);
    CU_ASSERT_EQUAL(b.count, 1000);
    CU_ASSERT_EQUAL(backlog_peek(&b, &next), BACKLOG_AWAY);
    CU_ASSERT_EQUAL(next.seq.v, 1);
    CU_ASSERT_EQUAL(next.place.v, 0);
    struct parts p = parts_of(&b);
    CU_ASSERT_EQUAL(p.in_chunks + p.entries, 1000);
    CU_ASSERT_TRUE(p.in_chunks > 800);
    CU_ASSERT_TRUE(p.spans >= 10);
    CU_ASSERT_PTR_NULL(backlog_find(&b, (sl_seq){5}));
    end(&b);
}

static void popping_what_is_also_stored_moves_only_the_beginning(void)
{
    struct backlog b = {0};

    live.stretch_bytes = STRETCH;
    push(&b, 1, 4 + 16 + 64 + 168 + 10);
    store_all(&b, false);
    pop_to(&b, 1, 4 + 16 + 64 + 100);
    struct parts p = parts_of(&b);
    CU_ASSERT_EQUAL(p.chunks, 1);
    CU_ASSERT_EQUAL(p.last.from, 100);
    CU_ASSERT_EQUAL(p.last.count, 168);
    CU_ASSERT_EQUAL(p.last.first.v, 4 + 16 + 64 + 101);
    CU_ASSERT_EQUAL(p.entries, 10);
    chunk_drop(b.head);
    CU_ASSERT_EQUAL(parts_of(&b).in_chunks, 68);
    end(&b);
}

static void a_chunk_comes_back_from_where_it_was_left(void)
{
    struct backlog b = {0};

    live.stretch_bytes = STRETCH;
    push(&b, 1, 84 + 168 + 10);
    store_all(&b, false);
    pop_to(&b, 1, 84 + 100);
    chunk_drop(b.head);
    struct fetch_request *r = backlog_ask(&b, 1, 42);
    CU_ASSERT_EQUAL(r->kind, FETCH_CHUNK);
    CU_ASSERT_EQUAL(r->from, 100);
    CU_ASSERT_PTR_NULL(backlog_ask(&b, 1, 43)); /* once is enough */
    answer(&b, r, 84 + 101, 68);
    CU_ASSERT_EQUAL(parts_of(&b).last.from, 100);
    pop_to(&b, 84 + 101, 84 + 120);
    CU_ASSERT_EQUAL(parts_of(&b).last.from, 120);
    pop_to(&b, 84 + 121, 84 + 168 + 10);
    end(&b);
}

static void the_chunks_behind_the_head_are_asked_for_too_and_may_come_first(void)
{
    struct backlog b = {0};

    live.stretch_bytes = STRETCH;
    push(&b, 1, 30);
    store_all(&b, true); /* 4 and 16; ten more are in memory */
    struct fetch_request *head = backlog_ask(&b, 3, 1);
    struct fetch_request *behind = backlog_ask(&b, 3, 2);
    CU_ASSERT_PTR_NULL(backlog_ask(&b, 3, 3));
    answer(&b, behind, 5, 16);
    struct entry next;
    CU_ASSERT_EQUAL(backlog_peek(&b, &next), BACKLOG_AWAY);
    answer(&b, head, 1, 4);
    CU_ASSERT_PTR_EQUAL(b.closed_first, b.head);
    CU_ASSERT_EQUAL(b.closed_count, 2);
    pop_to(&b, 1, 30);
    end(&b);
}

static void a_failed_answer_leaves_all_as_it_is_and_may_be_asked_for_again(void)
{
    struct backlog b = {0};

    live.stretch_bytes = STRETCH;
    push(&b, 1, 30);
    store_all(&b, true);
    struct fetch_request *r = backlog_ask(&b, 1, 1);
    r->err = SL_EIO;
    CU_ASSERT_TRUE(backlog_take(&b, r));
    fetch_request_free(r);
    CU_ASSERT_EQUAL(b.count, 30);
    r = backlog_ask(&b, 1, 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    answer(&b, r, 1, 4);
    pop_to(&b, 1, 4);
    end(&b);
}

static void an_answer_after_a_purge_or_for_a_chunk_that_was_opened_is_not_taken(void)
{
    struct backlog b = {0};
    struct entry entries[4];
    struct stored_chunk wanted;
    uint32_t from;

    live.stretch_bytes = STRETCH;
    push(&b, 1, 30);
    store_all(&b, true);
    struct fetch_request *r = backlog_ask(&b, 1, 1);
    CU_ASSERT_TRUE(backlog_wants_open(&b, (sl_lsn){0}, (sl_lsn){RECORD * 2}, &wanted));
    for (uint32_t i = 0; i < 4; i++) {
        entries[i] = make_entry(i + 1);
        message_unref(entries[i].msg);
        entries[i].msg = NULL;
    }
    CU_ASSERT_FALSE(backlog_open(&b, (sl_lsn){5}, entries, 4, &from));
    CU_ASSERT_TRUE(backlog_open(&b, wanted.place, entries, 4, &from));
    CU_ASSERT_FALSE(backlog_take(&b, r));
    struct entry next;
    CU_ASSERT_EQUAL(backlog_peek(&b, &next), BACKLOG_AWAY);
    CU_ASSERT_EQUAL(next.place.v, RECORD); /* told now: it may be popped unread */
    CU_ASSERT_FALSE(backlog_wants_open(&b, (sl_lsn){0}, (sl_lsn){RECORD * 2}, &wanted));
    fetch_request_free(r);
    r = backlog_ask(&b, 1, 2);
    CU_ASSERT_EQUAL(r->kind, FETCH_ENTRIES);
    CU_ASSERT_EQUAL(r->count, 4);
    backlog_clear(&b, end_entry, NULL);
    CU_ASSERT_FALSE(backlog_take(&b, r));
    fetch_request_free(r);
    end(&b);
}

static void messages_are_given_to_those_that_are_still_there(void)
{
    struct backlog b = {0};
    struct entry entry;

    live.stretch_bytes = STRETCH;
    for (uint64_t i = 1; i <= 4; i++) {
        entry = make_entry(i);
        live_add(&live, entry.place, RECORD, 1);
        message_unref(entry.msg);
        entry.msg = NULL;
        backlog_push(&b, &entry);
    }
    struct fetch_request *r = backlog_ask(&b, 1, 1);
    CU_ASSERT_EQUAL(r->kind, FETCH_ENTRIES);
    backlog_pop(&b, &entry); /* discarded unread */
    end_entry(NULL, &entry);
    for (uint32_t i = 0; i < r->count; i++)
        r->entries[i] = make_entry(i + 1);
    CU_ASSERT_TRUE(backlog_take(&b, r));
    fetch_request_free(r);
    pop_to(&b, 2, 4);
    end(&b);
}

static void returned_entries_without_message_are_asked_for_in_their_order(void)
{
    struct backlog b = {0};
    struct entry out[400];

    live.stretch_bytes = STRETCH;
    push(&b, 1, 401);
    for (uint32_t i = 0; i < 400; i++)
        backlog_pop(&b, &out[i]);
    for (uint32_t i = 400; i-- > 1;) {
        message_unref(out[i].msg);
        out[i].msg = NULL;
        backlog_return(&b, &out[i]);
    }
    struct fetch_request *r = backlog_ask(&b, 1, 7);
    CU_ASSERT_EQUAL(r->kind, FETCH_ENTRIES);
    CU_ASSERT_EQUAL(r->count, SL_CHUNK_ENTRIES_MAX);
    CU_ASSERT_EQUAL(r->entries[0].seq.v, 2);
    backlog_return(&b, &out[0]); /* before all of them, and here */
    CU_ASSERT_EQUAL(parts_of(&b).entries, 401);
    pop_to(&b, 1, 1);
    answer(&b, r, 2, SL_CHUNK_ENTRIES_MAX);
    pop_to(&b, 2, SL_CHUNK_ENTRIES_MAX + 1);
    struct entry next;
    CU_ASSERT_EQUAL(backlog_peek(&b, &next), BACKLOG_AWAY);
    CU_ASSERT_EQUAL(next.seq.v, SL_CHUNK_ENTRIES_MAX + 2);
    end(&b);
}

static void what_came_back_without_message_is_asked_for_before_what_stands_in_front(void)
{
    struct backlog b = {0};
    struct entry out[3];
    struct entry next;

    live.stretch_bytes = STRETCH;
    push(&b, 1, 4);
    for (uint32_t i = 0; i < 3; i++) {
        backlog_pop(&b, &out[i]);
        message_unref(out[i].msg);
        out[i].msg = NULL;
    }
    backlog_return(&b, &out[1]);
    backlog_return(&b, &out[2]);
    struct fetch_request *r = backlog_ask(&b, 1, 7);
    CU_ASSERT_EQUAL(r->count, 2);
    backlog_return(&b, &out[0]);
    CU_ASSERT_EQUAL(backlog_peek(&b, &next), BACKLOG_AWAY);
    struct fetch_request *all = backlog_ask(&b, 1, 8);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    CU_ASSERT_EQUAL(all->count, 3);
    CU_ASSERT_EQUAL(all->entries[0].seq.v, 1);
    CU_ASSERT_FALSE(backlog_take(&b, r));
    fetch_request_free(r);
    answer(&b, all, 1, 3);
    pop_to(&b, 1, 3);
    end(&b);
}

static void an_entry_that_moved_makes_its_chunk_be_stored_anew(void)
{
    struct backlog b = {0};

    live.stretch_bytes = STRETCH;
    push(&b, 1, 30);
    store_all(&b, false);
    CU_ASSERT_FALSE(backlog_moved(&b, (sl_seq){31}, (sl_lsn){1}, 1, 1));
    live_sub(&live, (sl_lsn){3 * RECORD}, RECORD, 1);
    live_add(&live, (sl_lsn){777777}, RECORD, 1);
    CU_ASSERT_TRUE(backlog_moved(&b, (sl_seq){3}, (sl_lsn){777777}, RECORD, 1));
    CU_ASSERT_EQUAL(parts_of(&b).chunks, 1);
    CU_ASSERT_PTR_EQUAL(b.closed_first, b.head);
    backlog_forget_indexes(&b, (sl_lsn){0}, (sl_lsn){UINT64_MAX});
    CU_ASSERT_EQUAL(parts_of(&b).chunks, 0);
    CU_ASSERT_EQUAL(b.closed_count, 2);
    pop_to(&b, 1, 30);
    end(&b);
}

static void what_recovery_pushes_stored_is_live_until_it_is_gone(void)
{
    struct backlog b = {0};
    struct stored_span spans[] = {{.stretch = 0, .bytes = 2 * RECORD, .entries = 2}};
    struct stored_chunk chunk = {.place = {500000},
                                 .record_len = RECORD,
                                 .count = 5,
                                 .from = 3,
                                 .first = {4},
                                 .last = {5},
                                 .spans_count = 1,
                                 .spans = spans};

    live.stretch_bytes = STRETCH;
    backlog_push_stored(&b, &live, &chunk);
    push(&b, 6, 3);
    CU_ASSERT_EQUAL(b.count, 5);
    CU_ASSERT_EQUAL(live_at(&live, 0)->entries, 5);
    CU_ASSERT_EQUAL(live_at(&live, 50)->entries, 1);
    struct fetch_request *r = backlog_ask(&b, 1, 1);
    CU_ASSERT_EQUAL(r->from, 3);
    answer(&b, r, 4, 2);
    pop_to(&b, 4, 8);
    end(&b);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_stored_is_away_and_counts_on),
        UNIT(popping_what_is_also_stored_moves_only_the_beginning),
        UNIT(a_chunk_comes_back_from_where_it_was_left),
        UNIT(the_chunks_behind_the_head_are_asked_for_too_and_may_come_first),
        UNIT(a_failed_answer_leaves_all_as_it_is_and_may_be_asked_for_again),
        UNIT(an_answer_after_a_purge_or_for_a_chunk_that_was_opened_is_not_taken),
        UNIT(messages_are_given_to_those_that_are_still_there),
        UNIT(returned_entries_without_message_are_asked_for_in_their_order),
        UNIT(what_came_back_without_message_is_asked_for_before_what_stands_in_front),
        UNIT(an_entry_that_moved_makes_its_chunk_be_stored_anew),
        UNIT(what_recovery_pushes_stored_is_live_until_it_is_gone),
        CU_TEST_INFO_NULL,
    };
    atexit(backlogs_trim);
    return unit_run("core/chunk", tests);
}
