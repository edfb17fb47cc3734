#include "core/fetch.h"

#include "core/base/assert.h"
#include "core/index.h"
#include "core/journal.h"
#include "core/memory.h"
#include "core/run.h"

#include <stdlib.h>

struct fetch {
    struct log_reader *reader;
    struct mailbox waiting;
    void (*wake)(void *context);
    void *wake_context;
};

struct read_step { /* in the order of places, so that neighbours come from one window */
    sl_lsn place;
    uint32_t at;
};

static void on_mail(void *fetch);
static void serve(struct fetch *f, struct fetch_request *r);
static enum sl_err read_index(struct fetch *f, struct fetch_request *r);
static enum sl_err read_messages(struct fetch *f, struct fetch_request *r);
static enum sl_err read_message(struct fetch *f, struct entry *entry);
static int by_place(const void *a, const void *b);
static void answer(struct fetch_request *r);

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
    struct mail_node *node = mailbox_take(&f->waiting).first;

    while (node != NULL) {
        struct fetch_request *r = (struct fetch_request *)node;
        node = node->next;
        fetch_request_free(r);
    }
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
    struct mail_node *node = mailbox_take(&f->waiting).first;
    bool has_moved = node != NULL;

    while (node != NULL) {
        struct fetch_request *r = (struct fetch_request *)node;
        node = node->next;
        serve(f, r);
        memory_settle();
        answer(r);
    }
    return has_moved;
}

static void on_mail(void *fetch)
{
    struct fetch *f = fetch;

    if (f->wake != NULL)
        f->wake(f->wake_context);
}

static void serve(struct fetch *f, struct fetch_request *r)
{
    r->err = SL_OK;
    if (r->kind != FETCH_ENTRIES)
        r->err = read_index(f, r);
    if (r->err == SL_OK && r->kind != FETCH_INDEX)
        r->err = read_messages(f, r);
}

static enum sl_err read_index(struct fetch *f, struct fetch_request *r)
{
    struct record record;
    uint64_t number;

    r->failed_at = r->place;
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

static enum sl_err read_messages(struct fetch *f, struct fetch_request *r)
{
    struct read_step steps[SL_CHUNK_ENTRIES_MAX];

    for (uint32_t i = 0; i < r->count; i++)
        steps[i] = (struct read_step){r->entries[i].place, i};
    qsort(steps, r->count, sizeof steps[0], by_place);
    for (uint32_t i = 0; i < r->count; i++) {
        struct entry *entry = &r->entries[steps[i].at];
        r->failed_at = entry->place;
        if (entry->msg == NULL)
            SL_TRY(read_message(f, entry));
    }
    return SL_OK;
}

/* What it is in the log besides a message is nothing to whom it is fetched for. */
static enum sl_err read_message(struct fetch *f, struct entry *entry)
{
    struct record record;
    struct journal_entry e;
    struct message *msg;

    SL_TRY(log_reader_read(f->reader, entry->place, entry->record_len, &record));
    if (record.kind != RECORD_MESSAGE && record.kind != RECORD_PAGED &&
        record.kind != RECORD_MOVED && record.kind != RECORD_DEAD_LETTERED)
        return SL_ECORRUPT;
    SL_TRY(journal_read(&record, &e));
    SL_TRY(journal_read_message(&record, &e, &msg));
    msg->is_logged = record.kind != RECORD_PAGED;
    msg->record_len = entry->record_len;
    msg->copies = entry->copies;
    entry->msg = msg;
    return SL_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct read_step *left = a;
    const struct read_step *right = b;

    return left->place.v < right->place.v ? -1 : left->place.v > right->place.v;
}

static void answer(struct fetch_request *r)
{
    struct lane_batch *batch = lane_batch_new();
    struct mailbox *to = r->answer_to;

    batch->count = 1;
    batch->items[0] = (struct lane_item){.kind = LANE_FETCHED, .fetched = r};
    if (mailbox_post(to, (struct mail_chain){&batch->node, &batch->node}))
        mailbox_wake(to);
}
