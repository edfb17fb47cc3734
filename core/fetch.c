#include "core/fetch.h"

#include "core/base/assert.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/mail.h"
#include "core/memory.h"
#include "core/run.h"

#include <stdlib.h>

/* Served together: many queues that were filled side by side want what lies side by side. */
#define SERVED_MAX 1024u
#define STEPS_MAX (128u * 1024)
#define STEP_BYTES_MAX (32u * 1024 * 1024) /* records, but for a request that wants more alone */

struct read_step { /* of one record; they are taken in the order of places */
    sl_lsn place;
    uint32_t served;
    uint32_t at; /* of its entries */
};

struct served {
    struct fetch_request *request; /* NULL: it is answered */
    uint32_t steps;                /* that are left */
};

struct fetch {
    struct log_reader *reader;
    struct mailbox waiting;
    void (*wake)(void *context);
    void *wake_context;
    struct mail_chain todo; /* taken out of waiting */
    uint32_t served_count;
    uint32_t steps_count;
    struct served served[SERVED_MAX];
    struct read_step steps[STEPS_MAX];
};

static void on_mail(void *fetch);
static void take_requests(struct fetch *f);
static void read_indexes(struct fetch *f);
static enum sl_err read_index(struct fetch *f, struct fetch_request *r);
static uint32_t plan_messages(struct fetch *f, uint32_t from);
static void read_messages(struct fetch *f);
static uint32_t same_record(const struct fetch *f, uint32_t first);
static void read_for_all(struct fetch *f, uint32_t first, uint32_t end);
static enum sl_err read_message(struct fetch *f, const struct entry *entry, struct message **out);
static struct entry *entry_at(const struct fetch *f, const struct read_step *step);
static void add_step(struct fetch *f, sl_lsn place, uint32_t served, uint32_t at);
static void sort_steps(struct fetch *f);
static void fail(struct fetch_request *r, enum sl_err err, sl_lsn at);
static void drop(struct mail_node *node);
static int by_place(const void *a, const void *b);
static void answer(struct served *served);

struct fetch *fetch_new(struct commit_log *log, void (*wake)(void *context), void *wake_context)
{
    struct fetch *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->reader = log_reader_new(log);
    if (f->reader == NULL) {
        free(f);
        return NULL;
    }
    f->wake = wake;
    f->wake_context = wake_context;
    mailbox_init(&f->waiting, on_mail, f);
    return f;
}

void fetch_free(struct fetch *f)
{
    drop(f->todo.first);
    drop(mailbox_take(&f->waiting).first);
    mailbox_deinit(&f->waiting);
    log_reader_free(f->reader);
    free(f);
}

struct fetch_request *fetch_request_new(enum fetch_kind kind)
{
    struct fetch_request *r = calloc(1, sizeof *r);

    SL_ASSERT(r != NULL);
    r->kind = kind;
    return r;
}

void fetch_request_free(struct fetch_request *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->entries[i].msg != NULL)
            message_unref(r->entries[i].msg);
    if (r->waiting != NULL)
        mail_free(r->waiting);
    free(r);
}

void fetch_post(struct fetch *f, struct fetch_request *r)
{
    r->node.next = NULL;
    if (mailbox_post(&f->waiting, (struct mail_chain){&r->node, &r->node}))
        mailbox_wake(&f->waiting);
}

bool fetch_run(struct fetch *f)
{
    take_requests(f);
    if (f->served_count == 0)
        return false;
    read_indexes(f);
    for (uint32_t at = 0; at < f->served_count;) {
        at = plan_messages(f, at);
        read_messages(f);
    }
    return true;
}

static void on_mail(void *fetch)
{
    struct fetch *f = fetch;

    if (f->wake != NULL)
        f->wake(f->wake_context);
}

static void take_requests(struct fetch *f)
{
    mail_chain_join(&f->todo, mailbox_take(&f->waiting));
    for (f->served_count = 0; f->todo.first != NULL && f->served_count < SERVED_MAX;) {
        struct fetch_request *r = (struct fetch_request *)f->todo.first;
        f->todo.first = r->node.next;
        r->err = SL_OK;
        f->served[f->served_count++] = (struct served){.request = r};
    }
}

static void read_indexes(struct fetch *f)
{
    f->steps_count = 0;
    for (uint32_t i = 0; i < f->served_count; i++)
        if (f->served[i].request->kind != FETCH_ENTRIES)
            add_step(f, f->served[i].request->place, i, 0);
    sort_steps(f);
    for (uint32_t i = 0; i < f->steps_count; i++) {
        struct served *served = &f->served[f->steps[i].served];
        struct fetch_request *r = served->request;
        enum sl_err err = read_index(f, r);
        if (err != SL_OK)
            fail(r, err, r->place);
        if (err != SL_OK || r->kind == FETCH_INDEX)
            answer(served);
    }
}

static enum sl_err read_index(struct fetch *f, struct fetch_request *r)
{
    struct record record;
    uint64_t number;

    SL_TRY(log_reader_read(f->reader, r->place, r->record_len, &record));
    if (record.kind != RECORD_INDEX)
        return SL_ECORRUPT;
    enum sl_err err = index_read(record.body, &number, r->entries, SL_CHUNK_ENTRIES_MAX, &r->count);
    if (err != SL_OK || r->from >= r->count) {
        r->count = 0;
        return SL_ECORRUPT;
    }
    if (r->from > 0) {
        r->count -= r->from;
        memmove(r->entries, r->entries + r->from, r->count * sizeof r->entries[0]);
    }
    return SL_OK;
}

/* Returns the first request that must wait for the next round of reading. */
static uint32_t plan_messages(struct fetch *f, uint32_t from)
{
    uint64_t bytes = 0;
    uint32_t i = from;

    f->steps_count = 0;
    for (; i < f->served_count; i++) {
        struct fetch_request *r = f->served[i].request;
        if (r == NULL)
            continue;
        if (f->steps_count + r->count > STEPS_MAX || bytes > STEP_BYTES_MAX)
            break;
        for (uint32_t at = 0; at < r->count; at++) {
            if (r->entries[at].msg != NULL)
                continue;
            add_step(f, r->entries[at].place, i, at);
            bytes += r->entries[at].record_len;
            f->served[i].steps++;
        }
        if (f->served[i].steps == 0)
            answer(&f->served[i]);
    }
    sort_steps(f);
    return i;
}

static void read_messages(struct fetch *f)
{
    uint32_t end;

    for (uint32_t first = 0; first < f->steps_count; first = end) {
        end = same_record(f, first);
        read_for_all(f, first, end);
        for (uint32_t i = first; i < end; i++) {
            struct served *served = &f->served[f->steps[i].served];
            if (--served->steps == 0)
                answer(served);
        }
    }
}

/* One past the last step that wants the record that the first one wants. */
static uint32_t same_record(const struct fetch *f, uint32_t first)
{
    const struct read_step *steps = f->steps;
    uint32_t length = entry_at(f, &steps[first])->record_len;
    uint32_t end = first + 1;

    while (end < f->steps_count && steps[end].place.v == steps[first].place.v &&
           entry_at(f, &steps[end])->record_len == length)
        end++;
    return end;
}

/* Those whose request has failed before need no message. */
static void read_for_all(struct fetch *f, uint32_t first, uint32_t end)
{
    struct message *msg = NULL;

    for (uint32_t i = first; i < end; i++) {
        struct fetch_request *r = f->served[f->steps[i].served].request;
        struct entry *entry = entry_at(f, &f->steps[i]);
        if (r->err != SL_OK)
            continue;
        enum sl_err err = msg == NULL ? read_message(f, entry, &msg) : SL_OK;
        if (err == SL_OK)
            entry->msg = message_ref(msg);
        else
            fail(r, err, entry->place);
    }
    if (msg != NULL)
        message_unref(msg);
}

/* What it is in the log besides a message is nothing to whom it is fetched for. */
static enum sl_err read_message(struct fetch *f, const struct entry *entry, struct message **out)
{
    struct record record;
    struct journal_entry e;

    SL_TRY(log_reader_read(f->reader, entry->place, entry->record_len, &record));
    if (record.kind != RECORD_MESSAGE && record.kind != RECORD_PAGED &&
        record.kind != RECORD_MOVED && record.kind != RECORD_DEAD_LETTERED &&
        record.kind != RECORD_RELEASED)
        return SL_ECORRUPT;
    SL_TRY(journal_read(&record, &e));
    SL_TRY(journal_read_message(&record, &e, out));
    (*out)->record_len = entry->record_len;
    (*out)->copies = entry->copies;
    return SL_OK;
}

static struct entry *entry_at(const struct fetch *f, const struct read_step *step)
{
    return &f->served[step->served].request->entries[step->at];
}

static void add_step(struct fetch *f, sl_lsn place, uint32_t served, uint32_t at)
{
    f->steps[f->steps_count++] = (struct read_step){place, served, at};
}

static void sort_steps(struct fetch *f)
{
    if (f->steps_count > 1)
        qsort(f->steps, f->steps_count, sizeof f->steps[0], by_place);
}

static int by_place(const void *a, const void *b)
{
    const struct read_step *left = a;
    const struct read_step *right = b;

    return left->place.v < right->place.v ? -1 : left->place.v > right->place.v;
}

/* What has failed first is told. */
static void fail(struct fetch_request *r, enum sl_err err, sl_lsn at)
{
    r->err = err;
    r->failed_at = at;
}

static void answer(struct served *served)
{
    struct lane_batch *batch = lane_batch_new();
    struct fetch_request *r = served->request;
    struct mailbox *to = r->answer_to;

    served->request = NULL;
    memory_settle();
    batch->count = 1;
    batch->items[0] = (struct lane_item){.kind = LANE_FETCHED, .fetched = r};
    if (mailbox_post(to, (struct mail_chain){&batch->node, &batch->node}))
        mailbox_wake(to);
}

static void drop(struct mail_node *node)
{
    while (node != NULL) {
        struct fetch_request *r = (struct fetch_request *)node;
        node = node->next;
        fetch_request_free(r);
    }
}
