/*
 * run.h - the commands that one worker gathers for shards before it hands them over.
 *
 * "Per turn, not per message": a publish only writes 24 bytes per target into the lane of the
 * target's shard; the whole run goes through the order once.
 *
 * Thread: the owning worker.
 */
#ifndef SLUICE_CORE_RUN_H
#define SLUICE_CORE_RUN_H

#include "core/base/ids.h"
#include "core/base/limits.h"
#include "core/base/mailbox.h"
#include "core/base/slot_table.h"
#include "core/journal.h"
#include "core/message.h"
#include "core/order.h"

enum lane_kind {
    LANE_ENQUEUE,         /* at: queue; msg: one reference; sequence: base + offset */
    LANE_ENQUEUE_GROUPED, /* the same; not to be lent before the batch's end is durable */
    LANE_ENQUEUE_ASKED,   /* the same as the first, with inquiry, which has the message, for msg */
    LANE_REFUSED,         /* at: a queue that was full; inquiry, as above */
    LANE_CONSUME,         /* at: consumer; loans [first, first + offset) are settled, and so on */
    LANE_RETURN,
    LANE_REJECT,
    LANE_COMMAND,    /* command: owned by the item */
    LANE_INSPECT,    /* page: owned by the item */
    LANE_FETCHED,    /* fetched: owned by the item */
    LANE_SNAPSHOT,   /* snapshot: a part is to be given for the checkpoint at the batch's end */
    LANE_EVACUATE,   /* evacuation: survivors in a stretch of the log are to be moved */
    LANE_VHOST_GONE, /* vhost: its queues are to be removed */
    LANE_RULES,      /* rules: a reference; other rules are in force for queues */
    LANE_CHECKED, /* at: queue; first_loan: of a prepared message, whose check has that sequence */
    LANE_HOLD,    /* at: a holding queue, which is new: delayed.h */
    LANE_ABANDON, /* at: a holding queue whose exchange is gone */
    LANE_TASK,    /* task: of administration, its owner's; see desk.h */
    LANE_FORGET,  /* at: queue; first_loan: the sequence whose id goes, see dedup.h */
    LANE_FORGET_ALL, /* at: queue; purge: owned by the item; whose ids go with a purge */
};

struct shard_command;
struct inquiry;
struct inspect_page;
struct fetch_request;
struct snapshot;
struct evacuation;
struct desk_task;
struct vhost;
struct rules_turn;
struct dedup_purge;

/* In kind, beside LANE_ENQUEUE and LANE_ENQUEUE_GROUPED: a place was taken for it. */
#define LANE_ADMITTED 0x100u

struct lane_item {
    struct slot_ref at;
    uint32_t kind;
    uint32_t offset; /* in the run, or the number of loans */
    union {
        struct message *msg;
        struct inquiry *inquiry;
        uint64_t first_loan;
        struct shard_command *command;
        struct inspect_page *page;
        struct fetch_request *fetched;
        struct snapshot *snapshot;
        struct evacuation *evacuation;
        struct desk_task *task;
        struct vhost *vhost;
        struct rules_turn *rules;
        struct dedup_purge *purge;
    };
};
_Static_assert(sizeof(struct lane_item) == 24, "twelve KiB a batch");

struct lane_batch {
    struct mail_node node;
    uint64_t base; /* sequence of offset 0; both set by order_hand_over */
    sl_lsn start;  /* of the run's first record in the log; a message lies at start + log_at */
    sl_lsn end;    /* of the hand-over in the log */
    uint64_t time; /* of the order, in ms since 1970: never goes back, also over restarts */
    uint32_t count;
    struct lane_item items[SL_LANE_ITEMS];
};

struct lane {
    struct mailbox *to; /* the shard's inbox */
    struct lane_batch *first;
    struct lane_batch *last;
};

struct run {
    struct order *order;
    uint32_t self; /* this worker; needs no waking */
    uint32_t lanes_count;
    struct lane *lanes;
    uint32_t sequences; /* handed out in this run */
    uint32_t items;
    uint32_t group; /* open groups: the run must not be cut */
    struct journal journal;
    struct log_run at_once; /* for order_append; empty but during one */
    sl_lsn end;             /* of the last hand-over */
};

/* The journal is off where the order has no log. */
void run_init(struct run *r, struct order *order, uint32_t self, struct mailbox **inboxes,
              uint32_t n);
void run_deinit(struct run *r); /* the run must be empty */

/* Lends the next item of that shard's lane, to be filled. */
struct lane_item *run_add(struct run *r, uint32_t shard);

/* Reserves the next sequence and returns its offset in this run. */
static inline uint32_t run_sequence(struct run *r)
{
    return r->sequences++;
}

/* The message goes to every queue of the route, which are not none, as the one with that sequence.
 * Takes the reference; nobody else knows the message yet. */
void run_publish(struct run *r, uint32_t offset, const struct route *route, struct message *msg);

/* The same outside of groups, and the inquiry is for each of the queues, as is a reference that its
 * message has. */
void run_publish_asking(struct run *r, uint32_t offset, const struct route *route,
                        struct inquiry *inquiry);

/* Outside of groups: those queues, which are full, are asked; for each the inquiry's message has a
 * reference. */
void run_ask_full(struct run *r, const struct queue_ref *queues, uint32_t n,
                  struct inquiry *inquiry);

/* Between begin and end nothing is handed over: what is added takes effect together, and its
 * records are one group in the log. */
void run_group_begin(struct run *r);
void run_group_end(struct run *r);

static inline bool run_is_empty(const struct run *r)
{
    return r->items == 0 && r->journal.run.records == 0 && r->journal.list.queue_number == 0;
}

static inline bool run_is_long(const struct run *r)
{
    return (r->items >= SL_RUN_ITEMS_MAX || r->journal.run.bytes >= SL_RUN_BYTES_MAX) &&
           r->group == 0;
}

/* Everything gathered goes out.  Nothing to do when nothing was added. */
void run_hand_over(struct run *r);

struct lane_batch *lane_batch_new(void); /* aborts without memory: our own size */
void lane_batch_free(struct lane_batch *batch);
/* Releases the batches that the calling thread keeps for its next ones. */
void lane_batches_trim(void);

#endif
