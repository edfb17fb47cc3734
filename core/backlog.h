/*
 * backlog.h - what a queue holds and nobody has: entries in sequence order.
 *
 * New entries come in sequence order and stand in a row of chunks (chunk.h), of which those that
 * were stored are in the log and not in memory.  Returned entries stand in a heap by sequence, so
 * that each is back in its own place whatever the order of returns; those of the heap whose
 * messages are being fetched wait in front, in order.  Next is the least of the three.
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_BACKLOG_H
#define SLUICE_CORE_BACKLOG_H

#include "core/base/ids.h"
#include "core/message.h"

enum entry_flag {
    ENTRY_LOGGED = 1,     /* what becomes of it is logged */
    ENTRY_WAS_LENT = 2,   /* it may have been out before a crash: redelivered, though not counted */
    ENTRY_TO_DISCARD = 4, /* only its message is waited for; why: discard_reason_of */
};

struct entry {           /* one message in one queue; ring and heap keep it more narrowly */
    struct message *msg; /* one reference; NULL: paged out, its record is to be fetched */
    sl_seq seq;
    sl_lsn place;      /* of its record in the log; 0: it has none */
    uint64_t deadline; /* it expires then, in ms of the order's time; 0: never */
    uint32_t record_len;
    uint32_t body_len;
    uint32_t returns; /* how often it was out before */
    uint16_t copies;  /* queues that share the record */
    uint8_t priority; /* as the queue counts it */
    uint8_t flags;    /* of enum entry_flag */
};
_Static_assert(sizeof(struct entry) == 48, "known when it is kept a million times");

/* Gives the entry of a message that has just come to a queue. */
static inline struct entry entry_of(struct message *msg, sl_seq seq)
{
    return (struct entry){.msg = msg,
                          .seq = seq,
                          .record_len = msg->record_len,
                          .body_len = msg->body_len,
                          .copies = msg->copies};
}

/* It was out before, in this life or perhaps in one before. */
static inline bool entry_is_redelivered(const struct entry *entry)
{
    return entry->returns > 0 || (entry->flags & ENTRY_WAS_LENT) != 0;
}

enum backlog_head { BACKLOG_EMPTY, BACKLOG_READY, BACKLOG_AWAY };

struct chunk;
struct fetch_request;
struct live;

struct backlog { /* zeroed is empty */
    struct chunk *head;
    struct chunk *tail;
    struct chunk *closed_first; /* those that are in memory, oldest first */
    struct chunk *closed_last;
    struct chunk *front; /* of the returned: those that were asked for; or NULL */
    struct entry *returned;
    size_t returned_count;
    size_t returned_room;
    size_t returned_resident; /* of the heap, how many have their message */
    uint64_t count;           /* all parts */
    sl_seq last;              /* pushed */
    uint32_t closed_count;
    uint32_t asked_ahead; /* what is being fetched is among so many chunks from the head on */
    bool has_order;       /* the heap: it also grows from place to place */
    bool is_turned;       /* another chunk has become the head: the ones behind it may be wanted */
};

void backlog_deinit(struct backlog *b); /* must be empty */
/* Releases what the calling thread keeps for its next chunks. */
void backlogs_trim(void);

/* Takes the reference.  The sequence is above all pushed before. */
void backlog_push(struct backlog *b, const struct entry *entry);
/* Takes the reference in entry, which came from backlog_pop. */
void backlog_return(struct backlog *b, const struct entry *entry);
/* Tells the entry that is next.  AWAY: it is paged out; with place 0 only sequence and deadline
 * are told, else all but the message. */
enum backlog_head backlog_peek(const struct backlog *b, struct entry *out);
/* Takes it, after READY, or after AWAY with a place: who needs no message. */
void backlog_pop(struct backlog *b, struct entry *out);
void backlog_end_head(struct backlog *b); /* nothing is left in the head; see chunk.h */
/* Empties it.  Calls back for every entry in memory, with its reference; what is only stored ends
 * in live without being read. */
void backlog_clear(struct backlog *b, void (*on_entry)(void *context, struct entry *entry),
                   void *context);

/* ---- paging (paging.h, recall.h) ---- */

/* Fills in what is to be fetched next, and what memory it will take, so that the head, and at most ahead chunks in all from it
 * on, have their messages; cookie marks what waits for the answer.  NULL: nothing is to be asked. */
struct fetch_request *backlog_ask(struct backlog *b, uint32_t ahead, uint64_t cookie);
/* The same of the first chunks that are stored only, their entries without messages. */
struct fetch_request *backlog_ask_entries(struct backlog *b, uint32_t ahead, uint64_t cookie);
/* Is something at its head being fetched? */
bool backlog_is_asked(const struct backlog *b);
/* Takes the entries and messages of a good answer, or notes that it failed; false: nobody here
 * waits for it any more. */
bool backlog_take(struct backlog *b, struct fetch_request *r);
/* The chunk leaves the closed ones in memory: it is going to be dropped. */
void backlog_unlist(struct backlog *b, struct chunk *c);

/* ---- for checkpoints, recovery and moving (snapshot.h, recovery.h, evacuation.h) ---- */

struct stored_chunk { /* entries that are in an INDEX record and not in memory */
    sl_lsn place;     /* of that record */
    uint32_t record_len;
    uint32_t count;     /* entries in the record */
    uint32_t from;      /* the first that is still in the queue; all behind it are */
    uint32_t transient; /* of those still in it, how many are not logged */
    sl_seq first;       /* of those still in it */
    sl_seq last;
    uint64_t deadline;   /* of the first; 0: never */
    uint64_t body_bytes; /* of those still in it */
    sl_lsn lowest;       /* places of their records */
    sl_lsn highest;
    uint32_t spans_count; /* what is live of them, by stretch of the log */
    const struct stored_span *spans;
};

struct stored_span {
    uint64_t stretch; /* its number: live.h */
    uint64_t bytes;
    uint32_t entries;
    uint32_t transient;
};

/* Calls back for every part, in no order: chunks that are stored, single entries that are not
 * (also those of the returned).  A chunk that is in memory and also stored is told as stored. */
void backlog_each_part(const struct backlog *b,
                       void (*on_chunk)(void *context, const struct stored_chunk *chunk),
                       void (*on_entry)(void *context, const struct entry *entry), void *context);

/* In recovery, in growing sequences with backlog_push of entries without message between: takes
 * over a stored chunk (spans are copied).  Its INDEX record and the spans are live from here on. */
void backlog_push_stored(struct backlog *b, struct live *live, const struct stored_chunk *chunk);

/* Finds a chunk that is stored only whose INDEX or entries lie in [from, to) of the log; its spans
 * are the backlog's. */
bool backlog_wants_open(const struct backlog *b, sl_lsn from, sl_lsn to, struct stored_chunk *out);
/* The entries of that INDEX record, all of them: the chunk is in memory, and not stored any more;
 * it holds those from *from on.  False: there is no such chunk, or it came back meanwhile. */
bool backlog_open(struct backlog *b, sl_lsn place, const struct entry *entries, uint32_t count,
                  uint32_t *from);
/* A ready entry in memory has its record elsewhere now; its chunk is not stored any more.  False:
 * it is not here.  Live is the caller's. */
bool backlog_moved(struct backlog *b, sl_seq seq, sl_lsn place, uint32_t record_len,
                   uint16_t copies);
/* INDEX records in [from, to) of chunks that are in memory are given up. */
void backlog_forget_indexes(struct backlog *b, sl_lsn from, sl_lsn to);

/* The entry with that sequence, where it is in memory and ready; NULL: not here.  Until the next
 * change of the backlog. */
struct entry *backlog_find(struct backlog *b, sl_seq seq);

/* Is it ready here?  Where a chunk is stored only, true when it may be. */
bool backlog_may_hold(struct backlog *b, sl_seq seq);

static inline bool backlog_is_empty(const struct backlog *b)
{
    return b->count == 0;
}

#endif
