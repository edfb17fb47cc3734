/*
 * model.h - what was published, promised and settled, as the clients of a simulation know it.
 *
 * The model is told of everything that clients ask and hear, and nothing of what goes on inside.
 * While the broker runs it objects (sim_fail) to what no client may see:
 *
 *   - a message that was never published, or not to that queue, or refused by it, or with other
 *     bytes;
 *   - one that is settled, or is out with somebody else;
 *   - one that was out before, in this life or an earlier one, and does not say redelivered, or
 *     whose count does not grow with each return;
 *   - first deliveries to one consumer that are not in their publisher's order, within a priority
 *     and a message group;
 *   - one of a message group, or of a queue with a single active consumer, of which something is out
 *     with another consumer;
 *   - a dead letter of a message that is out, or settled, in the queue that it comes from.
 *
 * Queues may have rules (sim_rules): what they make go is not missed, and one that refuses when it is
 * full makes nothing go for that.  One of them, SIM_MORTAL, may
 * have a dead-letter exchange, by which everything that it does not keep comes to SIM_GRAVE, a queue
 * that nothing else comes to: a message is in one of the two, and its copy in the grave is in the
 * model from the start, as one that may come.
 *
 * A message with an id may be published again, and stays the same message of this model: where a queue
 * takes it twice within its window, that is one of the above.
 *
 * What it makes of a restart is in verdict.h.
 */
#ifndef SLUICE_TESTS_SIM_MODEL_H
#define SLUICE_TESTS_SIM_MODEL_H

#include "core/message.h"
#include "tests/sim/dice.h"

#include <stddef.h>

#define SIM_QUEUES 6u
#define SIM_EXCHANGES 6u /* the first SIM_EXCHANGES_OWN are the broker's */
#define SIM_EXCHANGES_OWN 2u
#define SIM_DESTINATIONS (SIM_QUEUES + SIM_EXCHANGES)
#define SIM_KEYS 4u
#define SIM_OPERATED 4u /* policies, and as many users */
#define SIM_SESSIONS_MAX 400u
#define SIM_MORTAL 0u
#define SIM_GRAVE 5u
#define SIM_PRIORITIES 3u
#define SIM_KEYS_OF_ORDER 3u /* message groups, and none */

extern const char *SIM_QUEUE_NAMES[SIM_QUEUES]; /* of this run */
extern const char *const SIM_EXCHANGE_NAMES[SIM_EXCHANGES];
extern const char *const SIM_KEY_NAMES[SIM_KEYS];

enum gone { /* why a copy may be gone: bits */
            GONE_SETTLED = 1,
            GONE_COMMITTED = 2, /* settled in a transaction */
            GONE_PURGED = 4,
            GONE_HANDED_OVER = 8, /* to somebody who does not acknowledge */
            GONE_RULED = 16,      /* by a rule of its queue, or its own expiration */
            GONE_REJECTED = 32,   /* to the grave */
            GONE_BEFORE = 64,     /* by any of these, before it was published again */
};

struct sim_copy {    /* one message in one queue */
    uint64_t number; /* of the durable queue; 0: the queue ends with the process */
    uint8_t queue;
    uint8_t gone;      /* asked for, of enum gone; no answer yet */
    bool is_logged;    /* to survive */
    bool is_dead;      /* not there after a restart, or its queue is not */
    bool is_settled;   /* in this life */
    bool must_be_gone; /* answered */
    bool is_found;     /* while a queue is read */
    bool was_out;
    bool was_out_now;  /* in this life */
    bool is_grave;     /* it comes there when it dies elsewhere */
    bool is_confirmed; /* that it came there */
    uint32_t group;    /* by which it came there; 0: by none */
    uint32_t holder;   /* session that has it; 0: nobody */
    uint32_t consumer; /* of that session; see sim_delivery */
    uint32_t shown;    /* returns that were last seen */
    uint32_t returned; /* times that it came back and was written down */
    uint32_t synced;   /* of these, durable */
};

struct sim_message {
    uint32_t session; /* who published it: the first session of a publisher that came again */
    uint32_t group;   /* 0: in no transaction */
    uint32_t id;      /* the message whose number is its id; 0: it has none */
    uint64_t
        id_from;    /* as whose id this one was last used, by the time of the order: not before, */
    uint64_t id_to; /* and not after */
    uint32_t again; /* when it was published again: the number of the next message */
    uint32_t worker;
    uint32_t life;
    uint32_t len;
    bool is_persistent;
    bool expires; /* of itself */
    uint8_t priority;
    uint8_t key; /* its message group; 0: none */
    uint8_t copies_count;
    struct sim_copy copies[SIM_QUEUES];
};

struct sim_part { /* of a transaction */
    uint32_t group;
    uint32_t message;
    uint8_t queue;
    bool is_settle;
};

struct sim_note { /* a return that was written down: when will it be durable? */
    uint32_t message;
    uint8_t queue;
    uint32_t returned;
    uint32_t worker; /* whose hand-over brings it into the log */
    uint64_t place;  /* 0: not handed over yet */
};

struct sim_prepared {
    uint32_t message;
    bool is_prepared;     /* for certain, */
    bool is_safe;         /* and after a restart, too */
    bool is_asked[2];     /* to be rolled back, committed; it may be, or be so after a restart */
    bool is_decided;      /* likewise, */
    bool is_decided_safe; /* and that */
    uint8_t verdict;      /* an index of is_asked */
    uint64_t asked_at;    /* for the first outcome, or before; 0: it was not */
    bool is_found;        /* while a queue is read */
};

struct sim_delayed {
    uint32_t message;
    uint32_t group;    /* 0: in no transaction */
    uint64_t number;   /* of the queue in which it waits */
    uint64_t due;      /* it comes not before that, by the time of the order; */
    uint64_t due_kept; /* after a start, which knows when its batch of records began */
    bool is_confirmed; /* or was there at a start */
    bool may_go;       /* with its exchange, or unrouted */
    bool has_come;
    bool is_dead;              /* it was not there at a start */
    bool is_waiting, is_found; /* while queues are read */
};

enum certainty { UNKNOWN, PRESENT, ABSENT };

struct sim_name { /* does it exist? */
    enum certainty state;
    bool may_hide;        /* a durable one of that name, whose end nobody heard of, may come back */
    enum certainty prior; /* what it is when nothing is pending any more */
    uint32_t pending;     /* questions without an answer, all of one kind */
    int kind;             /* of the questions */
};

struct sim_rules { /* the same for all of a run; 0: none */
    uint32_t ttl_ms;
    uint32_t max_length;
    bool refuses; /* what is above max_length, rather than dropping the oldest */
    uint32_t delivery_limit;
    uint32_t max_priority;
    uint32_t retry_ms;
    bool is_mortal;
    bool is_single;     /* active consumer */
    uint32_t window_ms; /* for which it remembers ids; 0: it does not */
    bool until_settled; /* it remembers the id of what it has */
};

struct sim_queue {
    struct sim_rules rules;
    struct sim_name name;
    uint64_t number;                               /* as of the answer */
    bool is_durable, is_auto_delete, is_exclusive; /* as asked for last */
    bool was_consumed;                             /* an auto-delete one may be gone at any time */
    bool was_deleted;                              /* in this life, perhaps */
    bool was_ever_read;                            /* anything of it may have been out */
    bool is_lossy;                                 /* somebody takes without acknowledging */
    uint32_t purging;
    uint32_t purge_lost_in; /* the last life in which one was asked for by who left; 0: none */
    uint32_t binding;       /* binds and unbinds without an answer */
};

struct sim_exchange {
    struct sim_name name;
    uint8_t type;
    bool is_durable, is_auto_delete;
    bool was_bound;
    uint32_t binding;
};

struct sim_binding {
    struct sim_name name;
    uint64_t number; /* of the destination queue, as of the answer */
};

struct sim_totals {
    uint64_t lives, crashes, kills, stops, refused_starts, torn;
    uint64_t published, refused, confirmed, delivered, settled, groups, recovered, answers;
    uint64_t checkpoints, released, moved, fetches;
    uint64_t decided; /* prepared messages */
    uint64_t again;   /* copies that were lost, and published again */
    uint64_t delayed; /* messages that came when they were due */
};

struct model {
    uint64_t seed;
    uint64_t step;
    uint32_t life;
    uint32_t sessions; /* numbers handed out */
    uint32_t groups;
    struct sim_message *messages; /* by number; 0 is none */
    uint32_t messages_count, messages_room;
    struct sim_part *parts; /* of this life's transactions */
    uint32_t parts_count, parts_room;
    struct sim_note *notes;
    uint32_t notes_count, notes_room;
    struct sim_prepared *prepared;
    uint32_t prepared_count, prepared_room;
    struct sim_delayed *delayed;
    uint32_t delayed_count, delayed_room;
    uint32_t later_deletions; /* how often that was asked */
    bool is_later_bound;      /* what is due will come */
    struct sim_name operated[SIM_OPERATED];
    bool has_paid; /* the queue of what is committed was declared */
    struct sim_queue queues[SIM_QUEUES];
    struct sim_exchange exchanges[SIM_EXCHANGES];
    struct sim_binding bindings[SIM_EXCHANGES][SIM_DESTINATIONS][SIM_KEYS];
    struct sim_totals *totals;
    bool is_ruled; /* messages have priorities and expirations, and queues rules */
    bool has_clusters;
    bool has_ids; /* there are publishers that publish again what was not confirmed */
    bool is_told; /* print every step */
};

/* A promise is broken: prints the seed, the step and the words, and ends the program. */
_Noreturn void sim_fail(const struct model *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For --tell: what happens, a line each. */
void sim_tell(const struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *sim_grow(void *array, uint32_t count, uint32_t *room, size_t size);

void model_init(struct model *m, uint64_t seed, struct sim_totals *totals);
void model_deinit(struct model *m);

uint32_t model_queue_of(struct sl_bytes name); /* which of SIM_QUEUE_NAMES that is */
/* Some are cluster queues from now on; each has a binding of its own. */
void model_make_clusters(struct model *m);
struct sim_own { /* binding */
    uint32_t exchange;
    uint32_t key;
    const char *spelling; /* of the queue's name, another one */
};
const struct sim_own *model_own(const struct model *m, uint32_t queue); /* NULL: an ordinary one */
struct sim_message *model_message(struct model *m, uint32_t number);
struct sim_copy *model_copy(struct model *m, uint32_t number, uint32_t queue); /* NULL: none */

/* Gives the number of a new message of len bytes; copies are added by model_add_copy. */
uint32_t model_publish(struct model *m, uint32_t session, uint32_t worker, uint32_t group,
                       bool is_persistent, uint32_t len);
/* It has a priority, a message group, and may expire. */
void model_describe(struct model *m, uint32_t message, uint8_t priority, uint8_t key, bool expires);
static inline bool model_has_grave(const struct model *m)
{
    return m->queues[SIM_MORTAL].rules.is_mortal;
}
/* Of a copy in one of the two, the one in the other; NULL: it has none. */
struct sim_copy *model_other_end(struct model *m, uint32_t message, const struct sim_copy *c);
/* GONE_RULED, or 0: rules may take it from there at any time; where that is to the grave it is not
 * gone. */
uint8_t model_ruled(const struct model *m, uint32_t message, uint32_t queue);
/* Where a publisher's newest stands among first deliveries: by session, and as the queue counts
 * priorities. */
uint32_t model_row(const struct model *m, uint32_t message, uint32_t queue);
#define SIM_ROWS (SIM_SESSIONS_MAX * SIM_PRIORITIES)
#define SIM_DELIVERY_ROWS (SIM_ROWS * SIM_KEYS_OF_ORDER) /* by key, too */
void model_add_copy(struct model *m, uint32_t message, uint32_t queue, uint64_t number);
/* It was published again, with its id, and comes to a queue in which it was; what became of the first
 * time, if it came there then, is known to the window of that queue. */
void model_come_again(struct model *m, uint32_t message, struct sim_copy *c);
/* What the publisher heard of it holds for all its copies. */
void model_confirm(struct model *m, uint32_t message);
/* The queue is full and refused it: its copy, added before, must never come. */
void model_refuse_copy(struct model *m, uint32_t message, uint32_t queue);
/* The bytes of a message, at least eight; and back: 0 when they are no message's. */
void model_write_body(uint32_t message, uint8_t *at, uint32_t len);
uint32_t model_read_body(const struct model *m, struct sl_bytes body);

#define SIM_GETTER UINT32_MAX

struct sim_delivery {
    uint32_t session;
    uint32_t queue;
    uint64_t number; /* of the queue, 0: not durable */
    uint32_t worker; /* that the queue lives on */
    uint32_t returns;
    bool is_redelivered;
    bool is_no_ack;
    uint32_t consumer; /* of the session, or SIM_GETTER */
    uint32_t *newest;  /* first deliveries to this consumer, by publisher; NULL: not looked at */
};

/* Gives the message's number. */
uint32_t model_deliver(struct model *m, const struct sim_delivery *d, struct sl_bytes body);
void model_settle(struct model *m, uint32_t message, uint32_t queue, uint32_t group,
                  bool is_rejected);
void model_return(struct model *m, uint32_t message, uint32_t queue);
/* Everything in the queue, and what comes while it lasts, may be gone for that reason. */
void model_doubt(struct model *m, uint32_t queue, enum gone why);

/* That worker handed over, and its records end there; all before durable is durable. */
void model_hand_over(struct model *m, uint32_t worker, uint64_t place);
void model_sync(struct model *m, uint64_t durable);

/* It is declared: what it is now says whether it may hide another. */
void name_declare(struct sim_name *n, bool was_durable);
/* A question was asked; may one of that kind be asked now? */
bool name_may_ask(const struct sim_name *n, int kind);
void name_ask(struct sim_name *n, int kind);
void name_answer(struct sim_name *n, bool is_done, enum certainty outcome);
void name_lose(struct sim_name *n); /* nobody is there to hear the answer */

#endif
