/*
 * fetch.h - messages that were paged out come back: what shards ask for, and who reads it.
 *
 * A shard posts a request and goes on; whoever calls fetch_run reads records by their place,
 * makes messages of them and posts the request back to the shard's inbox (LANE_FETCHED).  The
 * fetching side decides nothing: whether anyone still wants the answer is the shard's to know.
 *
 * Thread: fetch_post any; fetch_run one at a time (the fetch thread; tests call it by hand).
 */
#ifndef SLUICE_CORE_FETCH_H
#define SLUICE_CORE_FETCH_H

#include "core/backlog.h"
#include "core/base/limits.h"
#include "core/base/mailbox.h"
#include "core/base/slot_table.h"
#include "core/store/log_read.h"

enum fetch_kind {
    FETCH_CHUNK,   /* the INDEX record at place, and the messages of its entries from `from` on */
    FETCH_INDEX,   /* the INDEX record alone */
    FETCH_ENTRIES, /* the messages of the given entries */
};

struct fetch_request {
    struct mail_node node;
    enum fetch_kind kind;
    struct mailbox *answer_to; /* the shard's inbox */
    struct slot_ref queue;     /* in that shard; what it was asked for */
    uint64_t cookie;           /* the asker's */
    struct mail *waiting;      /* an answer that waits for it, owned: browse.h; or NULL */
    uint64_t bytes;            /* of memory that the answer takes, about; the asker's */
    sl_lsn place;              /* of the INDEX record */
    uint32_t record_len;
    uint32_t from;
    /* out; SL_OK: every entry below has its message (not FETCH_INDEX); SL_EAGAIN: not durable yet */
    enum sl_err err;
    sl_lsn failed_at; /* out, when err is not SL_OK */
    uint32_t count;   /* in for FETCH_ENTRIES, out else */
    struct entry entries[SL_CHUNK_ENTRIES_MAX];
};

struct fetch;

/* Borrows the log.  wake: a request was posted and none was waiting; any thread.  NULL: no memory. */
struct fetch *fetch_new(struct commit_log *log, void (*wake)(void *context), void *wake_context);
void fetch_free(struct fetch *f); /* drops what is waiting */

/* Gives a request with everything zero; aborts without memory: our own size. */
struct fetch_request *fetch_request_new(enum fetch_kind kind);
void fetch_request_free(struct fetch_request *r); /* with the messages that it still holds */

void fetch_post(struct fetch *f, struct fetch_request *r);
/* Serves of what is waiting as much as it takes at once, in the order of places, and answers each
 * when it is complete; false: nothing was. */
bool fetch_run(struct fetch *f);

#endif
