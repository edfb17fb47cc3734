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

struct recovered_queue { /* by number, while the log is read */
    uint8_t key[8];
    struct queue *queue;
    uint32_t shard;
    uint64_t mark;
    struct survivors survivors;
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

struct recovered_queue *recovered_queue_find(const struct recovery *r, uint64_t number);

/* Carries out a record about what is in queues.  SL_ECORRUPT, SL_ENOMEM, SL_EIO. */
SL_MUST_CHECK enum sl_err recovery_replay_entries(struct recovery *r, const struct record *record,
                                                  struct journal_entry *e, sl_lsn place);

#endif
