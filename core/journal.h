/*
 * journal.h - what the core writes into the log, and reads back: the bodies of its records.
 *
 * One journal per worker: sessions and the shard of that worker write into it, and it goes into
 * the log with the worker's hand-over.  Bodies are big endian; names are short strings (u8, bytes),
 * tables and bodies of messages long ones (u32, bytes).
 *
 *   DECLARE_EXCHANGE  vhost, name, u8 type, u8 flags (1 auto-delete, 2 internal), arguments
 *   DELETE_EXCHANGE   vhost, name
 *   DECLARE_QUEUE     u64 number, vhost, name, u8 flags (1 auto-delete, 2 cluster queue), u64
 *                    lent-up-to, arguments
 *   DELETE_QUEUE      u64 number
 *   BIND, UNBIND      vhost, source, u8 to exchange, destination, key, arguments
 *   MESSAGE           u32 n, n queue numbers u64, route (exchange, key), u32 length, properties,
 *                     u32 length, body
 *   SETTLED           u64 queue number, list        these entries are gone
 *   RETURNED          u64 queue number, u32 n, list these have come back n times by now
 *   LENT              u64 queue number, u64 lent-up-to
 *   MOVED             as MESSAGE; its sequence is that of the message: for these queues its record
 *                     is this one from now on
 *   PAGED             as MESSAGE, of a transient message; n may be 0
 *   DEAD_LETTERED     u64 queue number, u64 sequence, u8 reason: that entry is gone; then as
 *                     MESSAGE, for the queues that it went to; n may be 0
 *   REJECTED          u64 queue number, list        these were refused; gone or dead-lettered, as a
 *                     later record says, or as the queue's rules say where none does
 *   PURGED            u64 queue number, u64 highest, list that may be empty
 *                     everything up to the highest is gone, but for these
 *   OUTCOME           u64 queue number, u64 sequence, key, u64 time, u8 verdict: that prepared
 *                     message is decided, and its entry gone
 *   CHECKED           u64 queue number, key, u32 checks, u8 told: so many checks were sent for it;
 *                     its sequence is that of the last one
 *   OUTCOMES          u32 n, n outcomes: key, u64 time, u8 verdict
 *
 *   RELEASED          u64 queue number, u64 sequence: that entry of a holding queue is gone; then as
 *                     MESSAGE, for the queues that it went to
 *   DUPLICATES        u64 queue number, list        these did not enter: their ids were there; what
 *                     lies before the last of them and is not named in such a record did
 *
 * A key is OUTCOME_KEY_BYTES.
 *
 *   AGES              u32 n, n times u64 sequence and u64 ms since 1970: ages.h; in checkpoints only
 *
 * Flags of records that hold a message: 1, its headers have deaths that the broker wrote; 2, the
 * broker itself sent it on, so that no queue asks for its id; 4, its exchange asks for its id.
 *
 * A list is u32 n, the first sequence as u64, and n - 1 distances to the next, each above 0, in
 * seven-bit groups, low ones first, the high bit set on all but the last octet of a number.
 *
 * A message record names its queues: replay never routes.  A queue is named by its number, which
 * is never used again.
 *
 * Thread: the worker that owns the journal; the readers are pure.
 */
#ifndef SLUICE_CORE_JOURNAL_H
#define SLUICE_CORE_JOURNAL_H

#include "core/exchange.h"
#include "core/message.h"
#include "core/outcomes.h"
#include "core/route.h"
#include "core/store/log_run.h"

#define JOURNAL_LIST_BYTES 1024u
#define JOURNAL_HAS_DEATHS 1u /* flags of a record with a message */
#define JOURNAL_IS_MOVED 2u
#define JOURNAL_BY_EXCHANGE 4u

struct journal_list { /* a list being gathered: same queue, growing sequences */
    enum record_kind kind;
    uint64_t queue_number; /* 0: nothing is being gathered */
    uint32_t returns;      /* of all of them */
    uint64_t last;
    uint64_t first;
    uint32_t count;
    uint32_t len;
    uint8_t distances[JOURNAL_LIST_BYTES];
};

struct journal {
    struct log_run run;
    struct journal_list list;
    bool is_off; /* nothing is kept: tests of the broker in memory */
};

struct journal_source { /* of a dead-lettered message */
    uint64_t queue_number;
    sl_seq seq;
    uint8_t reason; /* of enum discard_reason */
};

/* What every record that holds the message says of it. */
static inline uint16_t journal_flags(const struct message *msg)
{
    return (uint16_t)((msg->has_deaths ? JOURNAL_HAS_DEATHS : 0) |
                      (msg->is_moved ? JOURNAL_IS_MOVED : 0) |
                      (msg->by_exchange ? JOURNAL_BY_EXCHANGE : 0));
}

/* The message, at that offset of the worker's run, for the durable queues of the route. */
void journal_message(struct journal *j, uint32_t offset, const struct route *route,
                     struct message *msg);
/* Gathered until something else is: see journal_flush; a message that may have an id lies behind
 * what was gathered before it. */
void journal_settled(struct journal *j, uint64_t queue_number, sl_seq seq);
/* returns: how often it has come back by now. */
void journal_returned(struct journal *j, uint64_t queue_number, sl_seq seq, uint32_t returns);
void journal_rejected(struct journal *j, uint64_t queue_number, sl_seq seq);
void journal_duplicate(struct journal *j, uint64_t queue_number, sl_seq seq);
/* The message at that offset for the durable queues of the route, of which there may be none; and
 * it is not where it was any more. */
void journal_dead_lettered(struct journal *j, uint32_t offset, const struct route *route,
                           struct message *msg, const struct journal_source *source);
/* The same of one whose time has come; some queue of the route is durable. */
void journal_released(struct journal *j, uint32_t offset, const struct route *route,
                      struct message *msg, uint64_t queue_number, sl_seq seq);
/* A copy of the message with that sequence, for those durable queues. */
void journal_moved(struct log_run *r, sl_seq seq, const uint64_t *numbers, uint32_t n,
                   const struct message *msg);

/* A message that no record holds yet; returns its offset in the run, which the caller appends at
 * once. */
uint64_t journal_paged(struct log_run *r, struct message *msg, uint32_t *record_len);
/* stay: growing. */
void journal_purged(struct journal *j, uint64_t queue_number, sl_seq highest, const sl_seq *stay,
                    uint32_t n);

/* The entry with that sequence, of a prepared message; number 0: it was not logged. */
void journal_outcome(struct journal *j, uint64_t queue_number, sl_seq seq,
                     const struct outcome *outcome);
/* offset: of the last check. */
void journal_checked(struct journal *j, uint32_t offset, uint64_t queue_number,
                     const uint8_t key[OUTCOME_KEY_BYTES], uint32_t checks, bool is_told);
/* A full block; appended at once. */
void journal_outcomes(struct log_run *r, const struct outcome_block *block);

/* Definitions and marks go into a run of their own: they are appended at once (order_append),
 * definitions under the topology lock. */
void journal_declare_exchange(struct log_run *r, const struct exchange *e);
void journal_delete_exchange(struct log_run *r, const struct exchange *e);
void journal_declare_queue(struct log_run *r, const struct topology_queue *q, uint64_t mark);
void journal_delete_queue(struct log_run *r, uint64_t number);
void journal_lent(struct log_run *r, uint64_t queue_number, uint64_t mark);
void journal_binding(struct log_run *r, enum record_kind kind, const struct vhost *v,
                     const struct binding_request *request);

/* What is gathered becomes a record; before the run goes out, and before a group begins or ends. */
void journal_flush(struct journal *j);

/* ---- reading; SL_ECORRUPT when the body is not of the form ---- */

struct journal_entry { /* borrowed from the record */
    uint64_t number;
    uint64_t mark;
    struct sl_bytes vhost;
    struct exchange_declaration exchange; /* name, flags, arguments */
    struct queue_declaration queue;
    struct binding_request binding;
    uint64_t source;         /* DEAD_LETTERED, RELEASED: sequence in the queue `number` */
    uint64_t highest;        /* PURGED */
    uint32_t returns;        /* RETURNED */
    uint8_t reason;          /* DEAD_LETTERED */
    struct outcome outcome;  /* OUTCOME; of CHECKED the key */
    bool is_told;            /* CHECKED; returns are the checks */
    bool has_deaths;         /* of a message */
    bool is_moved;           /* the same */
    bool by_exchange;        /* the same */
    struct sl_bytes numbers; /* of a message's queues, u64 each */
    struct sl_bytes route;
    struct sl_bytes properties;
    struct sl_bytes body;
    struct sl_reader list; /* journal_next reads it */
    uint32_t list_count;
    uint64_t list_first;
    uint64_t list_at;
};

SL_MUST_CHECK enum sl_err journal_read(const struct record *record, struct journal_entry *entry);
/* The next sequence of an entry with a list; false: no more, or nonsense. */
bool journal_next(struct journal_entry *entry, uint64_t *seq);
/* Makes the message of an entry that has one, as it was.  record: the one that was read. */
SL_MUST_CHECK enum sl_err journal_read_message(const struct record *record,
                                               const struct journal_entry *entry,
                                               struct message **out);

#endif
