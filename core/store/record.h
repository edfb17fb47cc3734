/*
 * record.h - how one entry of the commit log lies on disk.
 *
 * Recovery only ever reads forward, so before its body a record says where the next one starts
 * and whether this one is whole.  The checksum covers every byte after itself, the length
 * included, and is seeded with the log's start number and the record's own position: a torn
 * write fails it, and so does a good record in the wrong place (a recycled block, a segment
 * copied under another name, another life of the directory).  Behind the first bad record
 * nothing is trusted.
 *
 *   byte 0        4        8                16      18      20      24
 *        +--------+--------+----------------+-------+-------+-------+------------ - -
 *        | crc32c | length | sequence       | kind  | flags | zero  | body
 *        | u32 le | u32 le | u64 le         | u16   | u16   | u32   | length-24 bytes
 *        +--------+--------+----------------+-------+-------+-------+------------ - -
 *                 |<-------------------- covered by crc32c ------------------------ - ->|
 *
 * Invariants
 *   - length counts the header, is a multiple of 8 (the body is padded with zeros inside it;
 *     kinds know their own lengths) and at least 24: next record = this record + length.
 *   - sequences are handed out in the order of the log and may skip: transient messages take
 *     numbers and leave no record.  A record that speaks of an earlier publish may carry that
 *     one's number.
 *   - zero is zero.  A reader that finds otherwise refuses the file, which keeps those bytes
 *     free for a later format.
 *   - a group (RECORD_GROUP) is one record whose body is a row of whole records: it is there
 *     with all of them or not at all.  The records inside carry their own checksums as well, so
 *     that each can be read by its place.
 *
 * Three kinds are the log's own; their bodies are u64 le:
 *   RECORD_BATCH  durable cursor, start number of the log, so that no body that a peer can
 *                 write looks like one, and time of the order, ms since 1970
 *   RECORD_END    base lsn of the next segment
 *   RECORD_GROUP  records
 */
#ifndef SLUICE_CORE_STORE_RECORD_H
#define SLUICE_CORE_STORE_RECORD_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/ids.h"

#include <stddef.h>

enum record_kind { /* values are on disk: only ever added to */
                   RECORD_BATCH =
                       1, /* first in every batch: the durable cursor of its time of writing */
                   RECORD_GROUP = 2, /* records that take effect together */
                   RECORD_END = 3,   /* last in a segment: the log goes on in the next one */
                   RECORD_PAD = 4,   /* last in a batch: zeros up to the next page */
                   RECORD_DECLARE_EXCHANGE = 16,
                   RECORD_DELETE_EXCHANGE = 17,
                   RECORD_DECLARE_QUEUE = 18,
                   RECORD_DELETE_QUEUE = 19,
                   RECORD_BIND = 20,
                   RECORD_UNBIND = 21,
                   RECORD_MESSAGE = 32,  /* one message for any number of queues */
                   RECORD_SETTLED = 33,  /* ranges of one queue that are gone, with the reason */
                   RECORD_RETURNED = 34, /* loans of one queue that came back: counts */
                   RECORD_LENT = 35,     /* a queue's lent-up-to mark */
                   RECORD_INDEX = 36,    /* entries of one queue that are not kept in memory; replay
                                            passes over it, checkpoints name it */
                   RECORD_PAGED = 37,    /* a transient message that was paged out; the same */
                   RECORD_MOVED = 38,    /* a message at a new place, for entries still live */
                   RECORD_DEAD_LETTERED = 39, /* gone from one queue and with others: both ends */
                   RECORD_REJECTED = 40,      /* entries that a consumer refused; its queue's shard
                                                 decides what comes of them */
                   RECORD_PURGED = 41,        /* everything ready of one queue, but what is named */
                   RECORD_DUPLICATES = 48,    /* messages that a queue did not take: their ids were
                                                 there */
                   RECORD_RELEASED = 50,      /* what was held has gone on: both ends */
                   RECORD_OUTCOME = 64,       /* a prepared message was committed or rolled back */
                   RECORD_CHECKED = 65, /* a prepared message was asked for, so many times by now */
                   RECORD_OUTCOMES = 66, /* a block of outcomes; replay passes over it, checkpoints
                                            name it */
                   /* who may do what (core/account_change.h) */
                   RECORD_ACCOUNTS = 80, /* forget all users: what follows is everything */
                   RECORD_VHOST = 81,
                   RECORD_DELETE_VHOST = 82,
                   RECORD_USER = 83,
                   RECORD_DELETE_USER = 84,
                   RECORD_PERMISSION = 85,
                   RECORD_CLEAR_PERMISSION = 86,
                   RECORD_TOPIC_PERMISSION = 87,
                   RECORD_CLEAR_TOPIC_PERMISSION = 88,
                   RECORD_ACCOUNT_LIMIT = 89,
                   RECORD_SET_POLICY = 92, /* core/policy_record.h */
                   RECORD_CLEAR_POLICY = 93,
                   RECORD_AGES = 96, /* in checkpoints only: when sequences were given */
};

struct record_header {
    uint32_t crc32c;
    uint32_t length;
    uint64_t sequence;
    uint16_t kind;
    uint16_t flags;
    uint32_t zero;
};
_Static_assert(sizeof(struct record_header) == 24, "see the drawing");
_Static_assert(offsetof(struct record_header, sequence) == 8, "see the drawing");
_Static_assert(offsetof(struct record_header, kind) == 16, "see the drawing");

#define RECORD_HEADER_BYTES 24u
#define RECORD_BYTES_MAX (1u << 30)
#define RECORD_BATCH_BYTES 48u
#define RECORD_END_BYTES 32u

/* The padded length of a record with n bytes of body. */
static inline uint32_t record_length(size_t n)
{
    return (uint32_t)((RECORD_HEADER_BYTES + n + 7) & ~(size_t)7);
}

/* The checksum of the record that starts at `at` and lies at that position of the log. */
uint32_t record_checksum(const uint8_t *at, uint32_t length, uint64_t start_number, sl_lsn place);
/* The same in parts: the seed first, then crc32c over all that is behind the checksum. */
uint32_t record_checksum_seed(uint64_t start_number, sl_lsn place);

/* Writes header, body, padding and checksum at `at`, where record_length(body.len) bytes are. */
void record_write(uint8_t *at, enum record_kind kind, uint64_t sequence, struct sl_bytes body,
                  uint64_t start_number, sl_lsn place);
struct record_batch { /* what a batch says, but for the start number */
    sl_lsn durable;
    uint64_t time;
};
void record_write_batch(uint8_t at[RECORD_BATCH_BYTES], uint64_t sequence,
                        struct record_batch batch, uint64_t start_number, sl_lsn place);
void record_write_end(uint8_t at[RECORD_END_BYTES], uint64_t sequence, uint64_t next_base,
                      uint64_t start_number, sl_lsn place);

struct record { /* borrowed from what it was read from */
    uint16_t kind;
    uint16_t flags;
    sl_seq sequence;
    struct sl_bytes body; /* with its padding */
};

/* Reads the record at the front of in, which lies at place.
 *   SL_OK        *record and *length are set.
 *   SL_EAGAIN    in ends inside it (as far as its length can be believed).
 *   SL_ECORRUPT  no whole record lies there.
 *   SL_ENOTIMPL  a whole record of a later format lies there: zero is not zero. */
SL_MUST_CHECK enum sl_err record_decode(struct sl_bytes in, uint64_t start_number, sl_lsn place,
                                        struct record *record, uint32_t *length);

/* The bodies of the log's own kinds; false: too short, or a batch of another log. */
bool record_read_batch(const struct record *record, uint64_t start_number,
                       struct record_batch *batch);
bool record_read_end(const struct record *record, uint64_t *next_base);

/* The records inside a group's body, one after the other; false at the end or at nonsense,
 * which leaves something in rest. */
bool record_next_in_group(struct sl_bytes *rest, struct record *record);

#endif
