/*
 * recovery_parts.h - what the files of recovery.h share: recovery.c (the visitor, definitions),
 * recovery_entries.c (what queues hold), recovery_end.c (into the backlogs).
 */
#ifndef SLUICE_CORE_RECOVERY_PARTS_H
#define SLUICE_CORE_RECOVERY_PARTS_H

#include "core/journal.h"
#include "core/queue.h"
#include "core/recovery.h"
#include "core/survivors.h"

struct loose_id { /* of a checkpoint, where ids leave in any order */
    uint64_t source;
    struct remembered_id id;
};

struct recovered_queue { /* by number, while the log is read */
    uint8_t key[8];
    struct queue *queue;
    uint32_t shard;
    uint64_t mark;
    struct survivors survivors;
    sl_seq *doubtful; /* they seem to be duplicates, and no record says so yet; growing */
    uint32_t doubtful_count, doubtful_room;
    struct loose_id *loose;
    sl_seq *gone; /* and which of them have left */
    uint32_t loose_count, loose_room, gone_count, gone_room;
    uint64_t first_file; /* that such ids were in */
};

struct refused { /* what comes of it is decided when records can be written again */
    struct recovered_queue *queue;
    enum discard_reason reason;
    struct entry entry;
};

struct recovery {
    struct topology *topology;
    struct shard **shards;
    struct hash_map queues; /* of struct recovered_queue */
    struct log_reader *reader;
    struct recovered_queue *at; /* of the checkpoint: what its parts belong to */
    uint64_t stretch_bytes;     /* of the checkpoint's spans */
    uint64_t time;              /* of the order, where the reading is */
    uint64_t resident_bytes;    /* while less is in use, messages stay in memory */
    uint64_t messages;
    struct refused *refused;
    size_t refused_count, refused_room;
    uint64_t log_end; /* what lies behind it is nonsense */
    enum sl_err err;  /* of the end */
};

/* ---- recovery_dedup.c ---- */

/* What ids are hashed with. */
void recovery_use_secret(struct recovery *r, struct log_reader *reader);
/* Of a checkpoint: what queues remembered. */
SL_MUST_CHECK enum sl_err recovery_read_ids(struct recovery *r, struct sl_bytes section);
/* A message that was published to that queue: its id is looked for and remembered. */
void recovery_ask_id(struct recovery *r, struct recovered_queue *q, uint8_t marks,
                     const struct record *record, const struct journal_entry *e);
/* An entry has left the queue. */
void recovery_forget_id(struct recovery *r, struct recovered_queue *q, sl_seq seq);
/* Everything up to the highest has left it but what the entry lists. */
void recovery_forget_ids(struct recovery *r, struct recovered_queue *q, struct journal_entry e);
/* A record says which messages did not enter; those before that were doubtful did. */
SL_MUST_CHECK enum sl_err recovery_obey_verdicts(struct recovery *r, struct journal_entry *e);
/* Behind the last record: what is doubtful did not enter. */
SL_MUST_CHECK enum sl_err recovery_decide_doubtful(struct recovered_queue *q,
                                                   struct log_reader *reader);
/* And that is said in the log from now on. */
void recovery_log_doubtful(struct recovery *r, struct recovered_queue *q);

struct recovered_queue *recovered_queue_find(const struct recovery *r, uint64_t number);

/* Carries out a record about what is in queues.  SL_ECORRUPT, SL_ENOMEM, SL_EIO. */
SL_MUST_CHECK enum sl_err recovery_replay_entries(struct recovery *r, const struct record *record,
                                                  struct journal_entry *e, sl_lsn place);

#endif
