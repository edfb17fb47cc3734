#include "core/backlog.h"

#include "core/fetch.h"
#include "core/properties.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static struct message *make_message(void)
{
    return message_new(sl_bytes_of(""), sl_bytes_of("q"), properties_none, 0);
}

static void push(struct backlog *b, uint64_t seq)
{
    struct entry entry = entry_of(make_message(), (sl_seq){seq});

    backlog_push(b, &entry);
}

static struct entry pop(struct backlog *b)
{
    struct entry entry;

    backlog_pop(b, &entry);
    return entry;
}

static void drain(struct backlog *b)
{
    while (!backlog_is_empty(b))
        message_unref(pop(b).msg);
}

static void entries_come_out_in_the_order_they_went_in_over_many_chunks(void)
{
    struct backlog b = {0};

    for (uint64_t i = 1; i <= 2000; i++)
        push(&b, i);
    for (uint64_t i = 1; i <= 2000; i++) {
        struct entry e = pop(&b);
        CU_ASSERT_EQUAL(e.seq.v, i);
        CU_ASSERT_EQUAL(e.returns, 0);
        message_unref(e.msg);
    }
    CU_ASSERT_TRUE(backlog_is_empty(&b));
    backlog_deinit(&b);
}

static void returned_entries_go_out_first_and_in_their_own_order(void)
{
    struct backlog b = {0};
    struct entry out[6];

    for (uint64_t i = 1; i <= 8; i++)
        push(&b, i);
    for (int i = 0; i < 6; i++)
        out[i] = pop(&b);
    static const int RETURN_ORDER[] = {3, 0, 5, 1, 4, 2};
    for (int i = 0; i < 6; i++) {
        out[RETURN_ORDER[i]].returns++;
        backlog_return(&b, &out[RETURN_ORDER[i]]);
    }
    CU_ASSERT_EQUAL(b.count, 8);
    for (uint64_t i = 1; i <= 8; i++) {
        struct entry e = pop(&b);
        CU_ASSERT_EQUAL(e.seq.v, i);
        CU_ASSERT_EQUAL(e.returns, i <= 6 ? 1 : 0);
        message_unref(e.msg);
    }
    backlog_deinit(&b);
}

static void an_entry_returned_while_others_wait_does_not_lose_its_turn(void)
{
    struct backlog b = {0};

    push(&b, 1);
    push(&b, 2);
    struct entry first = pop(&b);
    push(&b, 3);
    backlog_return(&b, &first);

    struct entry again = pop(&b);
    CU_ASSERT_EQUAL(again.seq.v, 1);
    message_unref(again.msg);
    drain(&b);
    backlog_deinit(&b);
}

static void pushing_and_popping_by_turns_keeps_order_for_long(void)
{
    struct backlog b = {0};
    uint64_t in = 0;
    uint64_t expected = 0;

    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < 7; i++)
            push(&b, ++in);
        for (int i = 0; i < (round % 9); i++) {
            if (backlog_is_empty(&b))
                break;
            struct entry e = pop(&b);
            CU_ASSERT_EQUAL(e.seq.v, ++expected);
            message_unref(e.msg);
        }
    }
    drain(&b);
    backlog_deinit(&b);
}

static void many_returned_are_found_as_quickly_as_few(void)
{
    struct backlog b = {0};
    struct entry entry = {.place = {1}};
    uint64_t n = 400000;

    for (uint64_t i = n; i >= 1; i--) {
        entry.seq.v = 2 * i;
        backlog_return(&b, &entry);
    }
    for (uint64_t i = n; i >= 1; i--) {
        const struct entry *found = backlog_find(&b, (sl_seq){2 * i});
        CU_ASSERT_TRUE_FATAL(found != NULL && found->seq.v == 2 * i);
        CU_ASSERT_TRUE_FATAL(backlog_find(&b, (sl_seq){2 * i + 1}) == NULL);
    }
    entry.seq.v = 3;
    backlog_return(&b, &entry);
    CU_ASSERT_EQUAL(pop(&b).seq.v, 2);
    CU_ASSERT_EQUAL(pop(&b).seq.v, 3);
    CU_ASSERT_PTR_NULL(backlog_find(&b, (sl_seq){3}));
    for (uint64_t i = 2; i <= n; i++)
        CU_ASSERT_TRUE_FATAL(pop(&b).seq.v == 2 * i);
    backlog_deinit(&b);
}

/* Of a life before, what was returned may stand behind what was not. */
static void what_is_next_is_asked_for_before_what_was_returned(void)
{
    struct backlog b = {0};
    struct entry entry = {.seq = {5}, .place = {500}, .record_len = 96};

    backlog_return(&b, &entry);
    struct fetch_request *r = backlog_ask(&b, 1, 1);
    CU_ASSERT_EQUAL(r->entries[0].seq.v, 5);
    r->err = SL_EIO;
    CU_ASSERT_TRUE(backlog_take(&b, r));
    fetch_request_free(r);
    entry.seq.v = 1;
    backlog_push(&b, &entry);
    r = backlog_ask(&b, 1, 2);
    CU_ASSERT_EQUAL(r->entries[0].seq.v, 1);
    fetch_request_free(r);
    CU_ASSERT_EQUAL(pop(&b).seq.v, 1);
    CU_ASSERT_EQUAL(pop(&b).seq.v, 5);
    backlog_deinit(&b);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(entries_come_out_in_the_order_they_went_in_over_many_chunks),
        UNIT(returned_entries_go_out_first_and_in_their_own_order),
        UNIT(an_entry_returned_while_others_wait_does_not_lose_its_turn),
        UNIT(many_returned_are_found_as_quickly_as_few),
        UNIT(what_is_next_is_asked_for_before_what_was_returned),
        UNIT(pushing_and_popping_by_turns_keeps_order_for_long),
        CU_TEST_INFO_NULL,
    };
    atexit(backlogs_trim);
    return unit_run("core/backlog", tests);
}
