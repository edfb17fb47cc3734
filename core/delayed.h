/*
 * delayed.h - what waits for its time, published to an exchange of type x-delayed-message.
 *
 * Each such exchange has a holding queue that no name finds; so has the default exchange, for what
 * is published to any other and scheduled (schedule.h).  What is to wait is routed there, so
 * that it is durable, paged out, moved and in checkpoints as all that waits in queues; when its
 * time has come it goes on as if it were published now to an exchange of the delayed type.  One
 * record says both: gone from the holding queue, and where it is now.
 *
 * Its levels are stretches of time, as the slots of four wheels: what is due in the same slot of
 * 1 s, of 65 s, of 70 minutes or of 75 hours stands in one level, in the order of arrival, and so
 * can be paged out.  The cursor is the start of the newest slot that was opened.  What is due in
 * a slot of a wider wheel goes to narrower ones when the cursor comes there, without its message;
 * what is due within two seconds is fetched, and waits in memory (aside.h) by its time.
 *
 *   level of an entry   the widest wheel by which its slot is not that of the cursor
 *   near                due in the slot of the cursor, or before
 *
 * docs/decisions/0015 says why.
 *
 * Thread: the owning shard, but for delayed_announce and delayed_sweep.
 */
#ifndef SLUICE_CORE_DELAYED_H
#define SLUICE_CORE_DELAYED_H

#include "core/backlog.h"
#include "core/base/buffer.h"
#include "core/store/log_run.h"

struct journal_entry;
struct lane_item;
struct order;
struct queue;
struct shard;
struct topology;
struct topology_queue;
struct run;

#define DELAYED_AHEAD_MS 2048u /* before it is due a message is fetched */

struct delayed;

struct delayed *delayed_new(void);
void delayed_free(struct delayed *d);

/* ---- exchanges come and go; under the topology lock ---- */

/* Appends the records, and with them the queue's shard learns of it: whatever is routed to it comes
 * behind.  The caller wakes that shard, where must_wake says so.  Returns where the records end. */
sl_lsn delayed_announce(struct run *run, struct topology_queue *q, struct log_run *records,
                        bool *must_wake);
/* The item of that (LANE_HOLD). */
void delayed_enter(struct shard *s, const struct lane_item *item, sl_lsn place);
/* Shards learn which holding queues have lost their exchange (LANE_ABANDON), in this run. */
void delayed_sweep(struct run *run, struct topology *t);

/* ---- entries ---- */

/* A message has come; time: of the order.  Takes the entry's reference.  gate: it must not go on
 * before that is durable; 0: it may. */
void delayed_arrive(struct shard *s, struct queue *q, struct entry *entry, uint64_t time,
                    sl_lsn gate);
/* What is due goes on, what will be is made ready, the rest leaves memory.  True: there is more to
 * do at once.  The queue may be gone afterwards. */
bool delayed_tend(struct shard *s, struct queue *q);

/* ---- checkpoints and recovery ---- */

/* A part of a checkpoint, behind the entries of the queue: see snapshot.h. */
void delayed_tell(const struct queue *q, struct sl_buffer *body, uint32_t *parts);
SL_MUST_CHECK enum sl_err delayed_read_part(struct queue *q, struct sl_reader *r);
/* Replay: when a message is due that came at that time, and its level; in entry. */
void delayed_replay(struct queue *q, const struct journal_entry *e, uint64_t time,
                    struct entry *entry);
/* Its end: a survivor, in growing sequences for each level.  Takes the reference. */
void delayed_restore(struct shard *s, struct queue *q, struct entry *entry);
void delayed_restore_chunk(struct shard *s, struct queue *q, uint8_t level,
                           const struct stored_chunk *chunk);
void delayed_restored(struct shard *s, struct queue *q);

#endif
