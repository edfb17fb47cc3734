#include "core/fetch.h"

#include "core/base/assert.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/properties.h"
#include "core/run.h"
#include "tests/support/file_faulty.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define N 5u

struct desk { /* a log with a few paged messages and their INDEX, and who asks for them */
    struct faulty_disk *disk;
    struct commit_log *log;
    struct log_run run;
    struct fetch *fetch;
    struct mailbox inbox;
    struct entry entries[N];
    sl_lsn index;
    uint32_t index_len;
    uint32_t woken;
};

static void announce(void *context)
{
    (void)context;
}

static void ordered(void *context, struct log_place place)
{
    (void)context, (void)place;
}

static void wake(void *context)
{
    ((struct desk *)context)->woken++;
}

static struct message *make_message(uint64_t number)
{
    struct message *msg =
        message_new(sl_bytes_of("x"), sl_bytes_of("key"), properties_none, sizeof number);

    SL_ASSERT(msg != NULL && message_append(&msg, (struct sl_bytes){(const uint8_t *)&number,
                                                                    sizeof number}) == SL_OK);
    return msg;
}

static sl_lsn append(struct desk *d)
{
    return commit_log_append(d->log, &d->run, 0, 0, ordered, NULL).start;
}

static void write_entries(struct desk *d)
{
    for (uint32_t i = 0; i < N; i++) { /* the last one lies first */
        struct entry *e = &d->entries[N - 1 - i];
        struct message *msg = make_message(N - i);
        *e = (struct entry){.seq = {N - i}, .copies = 1, .body_len = 8};
        journal_paged(&d->run, msg, &e->record_len);
        e->place = append(d);
        message_unref(msg);
    }
    index_write(log_run_add(&d->run, RECORD_INDEX, 0, false, index_bytes(N)), 0, d->entries, N);
    d->index = append(d);
    d->index_len = record_length(index_bytes(N));
    SL_ASSERT(commit_log_flush(d->log) == SL_OK);
}

static void begin(struct desk *d)
{
    struct log_findings findings;
    struct log_visitor visitor = {.context = d};

    *d = (struct desk){.disk = faulty_disk_new()};
    struct log_options options = {
        .files = faulty_disk_ops(d->disk), .segment_bytes = 1024 * 1024, .announce = announce};
    SL_ASSERT(commit_log_open(&options, &visitor, &findings, &d->log) == SL_OK);
    mailbox_init(&d->inbox, NULL, NULL);
    d->fetch = fetch_new(d->log, wake, d);
    SL_ASSERT(d->fetch != NULL);
    write_entries(d);
}

static void end(struct desk *d)
{
    fetch_free(d->fetch);
    log_run_clear(&d->run);
    commit_log_close(d->log);
    mailbox_deinit(&d->inbox);
    faulty_disk_free(d->disk);
    lane_batches_trim();
}

/* Gives the answer, which the caller frees. */
static struct fetch_request *ask(struct desk *d, struct fetch_request *r)
{
    r->answer_to = &d->inbox;
    fetch_post(d->fetch, r);
    CU_ASSERT_TRUE(fetch_run(d->fetch));
    CU_ASSERT_FALSE(fetch_run(d->fetch));
    struct lane_batch *batch = (struct lane_batch *)mailbox_take(&d->inbox).first;
    SL_ASSERT(batch != NULL && batch->count == 1 && batch->items[0].kind == LANE_FETCHED);
    struct fetch_request *answer = batch->items[0].fetched;
    lane_batch_free(batch);
    return answer;
}

static struct fetch_request *request_for(struct desk *d, enum fetch_kind kind)
{
    struct fetch_request *r = fetch_request_new(kind);

    r->place = d->index;
    r->record_len = d->index_len;
    return r;
}

static uint64_t number_of(const struct entry *e)
{
    uint64_t number;

    memcpy(&number, message_body(e->msg).at, sizeof number);
    return number;
}

static void expect_failure(struct desk *d, struct fetch_request *r, sl_lsn at)
{
    r = ask(d, r);
    CU_ASSERT_NOT_EQUAL(r->err, SL_OK);
    CU_ASSERT_EQUAL(r->failed_at.v, at.v);
    fetch_request_free(r);
}

static void what_is_not_there_is_an_error_and_nothing_else(void)
{
    struct desk d;
    begin(&d);

    struct fetch_request *r = request_for(&d, FETCH_CHUNK);
    r->record_len -= 8;
    expect_failure(&d, r, d.index);
    r = request_for(&d, FETCH_CHUNK);
    r->from = N;
    expect_failure(&d, r, d.index);
    r = request_for(&d, FETCH_CHUNK);
    r->place.v += 8;
    expect_failure(&d, r, r->place);
    r = request_for(&d, FETCH_INDEX); /* a whole record, but of another kind */
    r->place = d.entries[0].place;
    r->record_len = d.entries[0].record_len;
    expect_failure(&d, r, r->place);
    r = fetch_request_new(FETCH_ENTRIES);
    r->count = 2;
    r->entries[0] = d.entries[0];
    r->entries[1] = d.entries[1];
    r->entries[1].place = d.index;
    r->entries[1].record_len = d.index_len;
    expect_failure(&d, r, d.index);
    end(&d);
}

static void a_failing_disk_is_told_and_asked_again_it_answers(void)
{
    struct desk d;
    begin(&d);

    faulty_disk_fail_always(d.disk, FAULTY_READ, SL_EIO);
    struct fetch_request *r = ask(&d, request_for(&d, FETCH_CHUNK));
    CU_ASSERT_EQUAL(r->err, SL_EIO);
    fetch_request_free(r);
    faulty_disk_fail_always(d.disk, FAULTY_READ, SL_OK);
    r = ask(&d, request_for(&d, FETCH_CHUNK));
    CU_ASSERT_EQUAL(r->err, SL_OK);
    fetch_request_free(r);
    end(&d);
}

static void a_chunk_comes_from_where_it_is_wanted_in_its_own_order(void)
{
    struct desk d;
    begin(&d);

    struct fetch_request *r = request_for(&d, FETCH_CHUNK);
    r->from = 2;
    r = ask(&d, r);
    CU_ASSERT_EQUAL(r->err, SL_OK);
    CU_ASSERT_EQUAL(r->count, N - 2);
    for (uint32_t i = 0; i < r->count; i++) {
        CU_ASSERT_EQUAL(r->entries[i].seq.v, i + 3);
        CU_ASSERT_EQUAL(number_of(&r->entries[i]), i + 3);
        CU_ASSERT_FALSE(r->entries[i].msg->is_logged);
        CU_ASSERT_EQUAL(message_key(r->entries[i].msg).len, 3);
    }
    fetch_request_free(r);
    end(&d);
}

static void an_index_alone_comes_without_messages(void)
{
    struct desk d;
    begin(&d);

    struct fetch_request *r = ask(&d, request_for(&d, FETCH_INDEX));
    CU_ASSERT_EQUAL(r->err, SL_OK);
    CU_ASSERT_EQUAL(r->count, N);
    for (uint32_t i = 0; i < r->count; i++)
        CU_ASSERT_PTR_NULL(r->entries[i].msg);
    fetch_request_free(r);
    end(&d);
}

#define CROWD 40u
#define EACH 50u

/* Queues that were filled in turns; each asks for all that it has. */
static void post_crowd(struct desk *d)
{
    struct fetch_request *crowd[CROWD];

    for (uint32_t q = 0; q < CROWD; q++) {
        crowd[q] = fetch_request_new(FETCH_CHUNK);
        crowd[q]->cookie = q;
        crowd[q]->answer_to = &d->inbox;
        crowd[q]->count = EACH;
    }
    for (uint32_t i = 0; i < EACH; i++)
        for (uint32_t q = 0; q < CROWD; q++) {
            struct entry *e = &crowd[q]->entries[i];
            struct message *msg = make_message(q * EACH + i);
            *e = (struct entry){.seq = {i + 1}, .copies = 1, .body_len = 8};
            journal_paged(&d->run, msg, &e->record_len);
            e->place = append(d);
            message_unref(msg);
        }
    crowd[7]->entries[3].record_len += 8; /* it names what is not there */
    for (uint32_t q = 0; q < CROWD; q++) {
        index_write(log_run_add(&d->run, RECORD_INDEX, 0, false, index_bytes(EACH)), 0,
                    crowd[q]->entries, EACH);
        crowd[q]->place = append(d);
        crowd[q]->record_len = record_length(index_bytes(EACH));
        crowd[q]->count = 0;
        memset(crowd[q]->entries, 0, sizeof crowd[q]->entries);
        fetch_post(d->fetch, crowd[q]);
    }
    SL_ASSERT(commit_log_flush(d->log) == SL_OK);
}

static void what_many_want_side_by_side_is_read_once_and_one_error_is_its_own(void)
{
    struct desk d;
    begin(&d);
    post_crowd(&d);

    uint64_t reads = faulty_disk_calls(d.disk, FAULTY_READ);
    CU_ASSERT_TRUE(fetch_run(d.fetch));
    CU_ASSERT_TRUE(faulty_disk_calls(d.disk, FAULTY_READ) - reads < 24);
    struct mail_node *node = mailbox_take(&d.inbox).first;
    uint32_t answers = 0;
    while (node != NULL) {
        struct lane_batch *batch = (struct lane_batch *)node;
        struct fetch_request *r = batch->items[0].fetched;
        node = node->next;
        CU_ASSERT_EQUAL(r->err, r->cookie == 7 ? SL_ECORRUPT : SL_OK);
        for (uint32_t i = 0; r->err == SL_OK && i < EACH; i++)
            CU_ASSERT_EQUAL(number_of(&r->entries[i]), r->cookie * EACH + i);
        answers++;
        fetch_request_free(r);
        lane_batch_free(batch);
    }
    CU_ASSERT_EQUAL(answers, CROWD);
    CU_ASSERT_FALSE(fetch_run(d.fetch));
    end(&d);
}

static void a_record_that_several_want_is_one_message(void)
{
    struct desk d;
    begin(&d);

    struct fetch_request *r = fetch_request_new(FETCH_ENTRIES);
    r->count = 3;
    for (uint32_t i = 0; i < 3; i++)
        r->entries[i] = d.entries[i == 2];
    r = ask(&d, r);
    CU_ASSERT_EQUAL(r->err, SL_OK);
    CU_ASSERT_PTR_EQUAL(r->entries[0].msg, r->entries[1].msg);
    CU_ASSERT_PTR_NOT_EQUAL(r->entries[0].msg, r->entries[2].msg);
    CU_ASSERT_EQUAL(number_of(&r->entries[1]), d.entries[0].seq.v);
    fetch_request_free(r);
    end(&d);
}

static void what_is_not_durable_yet_is_told_as_such_and_comes_later(void)
{
    struct desk d;
    begin(&d);

    struct message *msg = make_message(99);
    struct fetch_request *r = fetch_request_new(FETCH_ENTRIES);
    journal_paged(&d.run, msg, &r->entries[0].record_len);
    r->entries[0].place = append(&d);
    message_unref(msg);
    r->count = 1;
    r = ask(&d, r);
    CU_ASSERT_EQUAL(r->err, SL_EAGAIN);
    SL_ASSERT(commit_log_flush(d.log) == SL_OK);
    r = ask(&d, r);
    CU_ASSERT_EQUAL(r->err, SL_OK);
    CU_ASSERT_EQUAL(number_of(&r->entries[0]), 99);
    fetch_request_free(r);
    end(&d);
}

static void who_serves_is_woken_once_and_what_is_left_is_dropped(void)
{
    struct desk d;
    begin(&d);

    for (int i = 0; i < 3; i++) {
        struct fetch_request *r = request_for(&d, FETCH_CHUNK);
        r->answer_to = &d.inbox;
        fetch_post(d.fetch, r);
    }
    CU_ASSERT_EQUAL(d.woken, 1);
    end(&d);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(what_is_not_there_is_an_error_and_nothing_else),
        UNIT(a_failing_disk_is_told_and_asked_again_it_answers),
        UNIT(a_chunk_comes_from_where_it_is_wanted_in_its_own_order),
        UNIT(an_index_alone_comes_without_messages),
        UNIT(what_many_want_side_by_side_is_read_once_and_one_error_is_its_own),
        UNIT(a_record_that_several_want_is_one_message),
        UNIT(what_is_not_durable_yet_is_told_as_such_and_comes_later),
        UNIT(who_serves_is_woken_once_and_what_is_left_is_dropped),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/fetch", tests);
}
