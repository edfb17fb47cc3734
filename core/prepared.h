/*
 * prepared.h - messages that wait for the outcome of a business step (SEMANTICS 8).
 *
 * Each virtual host has one queue that nobody sees.  What was prepared in it is lent to a consumer
 * of the shard's own, so that it is durable, paged out, moved, and in checkpoints, as loans are;
 * and a set says of each whose it is, when a check is due, and how it was decided.
 *
 *   session     broker_prepared_step --command--> the shard of that queue
 *   the shard   a new id     its message goes to the queue, and is lent when it comes there
 *               a commit     one group: the message for its targets, and the outcome
 *               a rollback   the outcome
 *               no outcome   after a while: one group: a check for its queue, and its count
 *
 * Records: OUTCOME and CHECKED (journal.h) say the same however often they are read.
 *
 * Thread: the shard that owns the queue, but for broker_prepared_step (broker.h).
 */
#ifndef SLUICE_CORE_PREPARED_H
#define SLUICE_CORE_PREPARED_H

#include "core/backlog.h"
#include "core/base/buffer.h"
#include "core/base/text.h"
#include "core/outcomes.h"

struct client;
struct fetch_request;
struct inspect_page;
struct journal_entry;
struct lane_item;
struct log_reader;
struct prepared_set;
struct queue;
struct shard;
struct shard_command;

enum prepared_step { PREPARED_PREPARE, PREPARED_DECIDE };

struct prepared_request { /* of a command; one block with its texts */
    enum prepared_step step;
    struct message *msg; /* to be prepared, as it will wait; one reference */
    enum verdict verdict;
    bool is_confirmed; /* when it is durable: its answer need not wait for that */
    bool has_timeout;
    uint64_t timeout_ms;
    struct sl_bytes user;
    struct sl_bytes id;
    struct sl_bytes check;
    uint8_t text[];
};

struct prepared_question;
void prepared_question_free(struct prepared_question *question);
void prepared_request_free(struct prepared_request *r);

struct prepared_settings {   /* of all virtual hosts; 0: as limits.h has it */
    uint64_t check_ms;       /* to the first check, where a message does not say */
    uint64_t check_again_ms; /* from one to the next */
    uint32_t checks_max;     /* unanswered ones until it is told to be expired */
    uint64_t check_slow_ms;  /* from then on */
};

void prepared_configure(struct shard *s, const struct prepared_settings *settings);

struct prepared_set *prepared_set_new(struct queue *q);
void prepared_set_free(struct shard *s, struct prepared_set *set);

/* COMMAND_PREPARED. */
void prepared_execute(struct shard *s, const struct shard_command *command);
/* COMMAND_QUESTION: are checks still where they went? */
void prepared_question_execute(struct shard *s, const struct shard_command *command);
/* A message has come to the queue; time: of the order.  Takes the entry's reference. */
void prepared_arrive(struct shard *s, struct queue *q, const struct entry *entry, uint64_t time);
/* What was asked for is there, or cannot be had now; takes the request. */
void prepared_fetched(struct shard *s, struct queue *q, struct fetch_request *r);
/* Where the last check of a message stands in its queue; of LANE_CHECKED. */
void prepared_checked(struct shard *s, const struct lane_item *item, sl_seq seq);

/* Checks that are due; true: there is more to do at once. */
bool prepared_run(struct shard *s);
uint64_t prepared_next_due(const struct shard *s);

/* An administrator's question: INSPECT_PREPARED. */
void prepared_list(struct shard *s, struct inspect_page *page);

/* ---- what is kept ---- */

/* Parts of a checkpoint, behind the entries of their queue: see snapshot.h. */
void prepared_tell(struct shard *s, struct queue *q, struct sl_buffer *body, uint32_t *parts);
SL_MUST_CHECK enum sl_err prepared_read_part(struct queue *q, uint8_t kind, struct sl_reader *r,
                                             struct log_reader *reader);
/* Blocks of outcomes in that stretch of the log are written anew; returns how many that were. */
uint32_t prepared_evacuate(struct shard *s, sl_lsn from, sl_lsn to);

/* Replay: a message for the queue; an outcome, true where it ends something; a check. */
SL_MUST_CHECK enum sl_err prepared_replay_message(struct queue *q, sl_seq seq,
                                                  const struct journal_entry *e, uint64_t time);
void prepared_replay_outcome(struct queue *q, const struct journal_entry *e);
void prepared_replay_check(struct queue *q, const struct journal_entry *e, sl_seq seq);
/* Its end: the entry of one that still waits; false: nothing is known of it. */
bool prepared_restore(struct shard *s, struct queue *q, const struct entry *entry);
/* The last was restored. */
void prepared_restored(struct shard *s, struct queue *q);

#endif
