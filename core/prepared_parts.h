/*
 * prepared_parts.h - what the files of prepared.h share: prepared.c (what is asked of a set),
 * prepared_set.c (what it knows), prepared_outcome.c, prepared_check.c, prepared_kept.c (checkpoints,
 * recovery).
 *
 * Thread: the owning shard.
 */
#ifndef SLUICE_CORE_PREPARED_PARTS_H
#define SLUICE_CORE_PREPARED_PARTS_H

#include "core/consumer.h"
#include "core/prepared.h"
#include "core/prepared_form.h"
#include "core/route.h"

#define PREPARED_ARRIVING UINT64_MAX /* on its way to the queue: no loan yet */
#define PREPARED_QUESTION_MAX 256u
#define CHECK_NONE 0ull
#define CHECK_SENT UINT64_MAX /* it has no place in its queue yet */

struct prepared { /* one message; one block with its texts */
    struct due due;
    uint64_t check_at; /* the next thing that is due for it; an earlier look is in vain */
    uint8_t key[OUTCOME_KEY_BYTES];
    uint8_t seq_key[8];  /* of its entry */
    uint64_t loan;       /* of the set's consumer */
    uint64_t time;       /* when it was prepared, of the order */
    uint64_t timeout_ms; /* to its first check, if it says so */
    bool has_timeout;
    uint64_t last_check; /* its sequence, where checks go; or one of the above */
    uint32_t checks;     /* that were sent */
    bool is_told;        /* that nobody answers */
    bool is_fetching;
    bool is_asking; /* whether the last check is still there */
    struct sl_bytes user;
    struct sl_bytes id;
    struct sl_bytes exchange; /* where it is to go */
    struct sl_bytes routing_key;
    struct sl_bytes check; /* empty: to the default queue */
    uint8_t text[];
};

struct prepared_set {
    struct queue *queue;
    struct consumer *holder; /* of everything that waits; NULL: of nothing */
    struct list of_shard;
    struct hash_map live;   /* of struct prepared, by key */
    struct hash_map by_seq; /* the same, but for those that are on their way */
    struct due_heap dues;
    struct outcomes outcomes;
    struct list parked;                 /* of struct parked_decision */
    struct prepared_question *question; /* that is being gathered; or NULL */
    struct sl_bytes question_check;     /* the destination of its checks; its first message's */
    sl_lsn place;                       /* where the newest decision or message is in the log */
};

struct parked_decision { /* it waits for the message */
    struct list of_set;
    uint8_t key[OUTCOME_KEY_BYTES];
    struct shard_command *command;
};

struct prepared_question { /* about checks that went to the same destination */
    struct queue_ref home;
    struct target_set targets;
    uint32_t at; /* of the targets */
    uint32_t count;
    struct {
        uint64_t seq; /* growing */
        uint64_t loan;
        bool is_there;
    } items[PREPARED_QUESTION_MAX];
};

static inline struct sl_bytes prepared_key_of(const struct prepared *p)
{
    return (struct sl_bytes){p->key, sizeof p->key};
}

/* What a set holds of one message, with its texts copied; it is not in the set yet. */
struct prepared_texts {
    struct sl_bytes user, id, exchange, routing_key, check;
};
struct prepared *prepared_new(const struct prepared_texts *texts);
/* What is known of those that wait cannot be paged out.  So that publishers are not held for it,
 * outcomes among them, it takes a part of the memory only; where there is no more room, no more
 * is prepared. */
bool prepared_has_room(const struct shard *s);
/* It is there, as the entry with that sequence. */
void prepared_enter(struct prepared_set *set, struct prepared *p, sl_seq seq);
/* Ends what the set knows of it; its entry is the caller's. */
void prepared_forget(struct prepared_set *set, struct prepared *p);
/* What holds the entries; made when it is new. */
struct consumer *prepared_holder(struct shard *s, struct prepared_set *set);
/* NULL: it is decided, or on its way. */
struct prepared *prepared_by_seq(const struct prepared_set *set, sl_seq seq);

/* To the first check, and from one to the next. */
static inline uint64_t prepared_timeout(const struct shard *s, const struct prepared *p)
{
    return p->has_timeout ? p->timeout_ms : s->prepared_settings.check_ms;
}
static inline uint64_t prepared_pause(const struct shard *s, const struct prepared *p)
{
    return p->is_told ? s->prepared_settings.check_slow_ms : s->prepared_settings.check_again_ms;
}
/* What is due for it next is due then. */
void prepared_look_at(struct prepared_set *set, struct prepared *p, uint64_t at);

/* Its entry; NULL: it is on its way. */
struct entry *prepared_entry(const struct prepared_set *set, const struct prepared *p);
/* Asks for its message, once. */
void prepared_fetch(struct shard *s, struct prepared_set *set, struct prepared *p);
/* What was written is on its way to the log: for the place that answers wait for. */
void prepared_hand_over(struct shard *s, struct prepared_set *set);
/* Decisions that waited for the message of that key, which the caller keeps, are taken up again, in
 * their order. */
void prepared_resume(struct shard *s, struct prepared_set *set,
                     const uint8_t key[OUTCOME_KEY_BYTES]);

/* Where a message of that route goes now, as a route for onward_publish.  No admission is
 * taken.  SL_ENOENT, SL_EDENIED, SL_ENOMEM as route_resolve. */
SL_MUST_CHECK enum sl_err prepared_route(struct shard *s, struct vhost *v,
                                         const struct message *msg, struct route **out);

/* Asks for a durable queue of that name; nobody waits for the answer. */
void prepared_declare_queue(struct run *run, uint32_t shard, struct vhost *v, struct sl_bytes name);
bool prepared_has_queue(struct shard *s, struct vhost *v, struct sl_bytes name);

/* Decides; SL_EAGAIN: the message has to be fetched first, and is.  Else the reason is told. */
SL_MUST_CHECK enum sl_err prepared_decide(struct shard *s, struct prepared_set *set,
                                          const struct prepared_request *r, struct text *reason);

/* Does what is due for it; it is looked at again in its time. */
void prepared_check_due(struct shard *s, struct prepared_set *set, struct prepared *p);
/* The question that was gathered goes out. */
void prepared_ask(struct shard *s, struct prepared_set *set);

#endif
