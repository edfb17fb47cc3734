/*
 * actor.h - one session of a simulation: what it does at random, and what it hears.
 *
 * Everything that it asks goes through broker.h as a front end would ask it, and is told to the
 * model; so is everything that it hears.
 */
#ifndef SLUICE_TESTS_SIM_ACTOR_H
#define SLUICE_TESTS_SIM_ACTOR_H

#include "tests/sim/model.h"
#include "tests/sim/world.h"

struct sending {       /* where a message goes */
    uint32_t exchange; /* SIM_EXCHANGES: the default one, and key is a queue */
    uint32_t key;
    uint32_t message; /* 0: to be made */
};

struct publisher {        /* gives its messages ids, and comes again when its session is gone */
    uint32_t name;        /* its first session */
    uint32_t player;      /* session that it has; 0: none */
    struct sending *open; /* not confirmed, in their order */
    uint32_t open_count, open_room;
};

#define PUBLISHERS_MAX 3u

struct cast { /* all that plays */
    struct model *model;
    struct world *world;
    struct dice dice;
    struct actor **actors; /* by slot of their handle; NULL: gone */
    uint32_t room;
    struct publisher publishers[PUBLISHERS_MAX];
};

struct actor_loan {
    uint64_t tag;
    struct subscription *subscription;
    uint32_t message;
    uint32_t queue;
};

enum deed_kind { DEED_PUBLISH, DEED_SETTLE, DEED_PREPARE, DEED_OUTCOME, DEED_DELAY };

struct actor_deed { /* waits to be confirmed */
    uint64_t tag;   /* 0: no confirm is asked for yet */
    uint32_t message;
    uint32_t queue; /* or verdict */
    enum deed_kind kind;
};

enum question_kind {
    ASK_DECLARE_QUEUE,
    ASK_DELETE_QUEUE,
    ASK_PURGE,
    ASK_DECLARE_EXCHANGE,
    ASK_DELETE_EXCHANGE,
    ASK_BIND,
    ASK_UNBIND,
    ASK_SUBSCRIBE,
    ASK_CANCEL,
    ASK_GET,
    ASK_DECLARE_PAID,
    ASK_PREPARE,
    ASK_OUTCOME,
    ASK_PURGE_CHECKS,
    ASK_SET,
    ASK_CLEAR,
    ASK_DECLARE_LATER,
    ASK_DECLARE_CAME,
    ASK_BIND_LATER,
    ASK_DELETE_LATER,
};

struct question { /* asked, not answered */
    uint64_t ticket;
    enum question_kind kind;
    uint32_t queue; /* or exchange, or a binding's source */
    uint32_t destination;
    uint32_t key;
    uint32_t newest;              /* message when it was asked */
    uint32_t cookie;              /* of the subscription */
    bool is_prepared, is_decided; /* when it was asked, that was known of a message */
};

struct actor {
    struct client client;
    struct settlement settlement;
    struct cast *cast;
    uint32_t session; /* its number in the model */
    uint32_t slot;
    struct publisher *publisher; /* or NULL */
    uint64_t next_tag;
    uint64_t next_ticket;
    uint64_t asked; /* the newest tag that was to be confirmed */
    uint64_t confirmed;
    uint64_t *refused; /* tags that are to be refused, and were not yet */
    uint32_t refused_count, refused_room;
    bool was_refused; /* something, since the newest tag */
    uint64_t cost;    /* of all deliveries */
    struct actor_loan *loans;
    uint32_t loans_count, loans_room;
    struct actor_deed *deeds;
    uint32_t deeds_count, deeds_room;
    struct question *questions;
    uint32_t questions_count, questions_room;
};

void cast_init(struct cast *c, struct model *m, struct world *w, uint64_t seed);
void cast_deinit(struct cast *c);                          /* all have left */
struct actor *cast_enter(struct cast *c, uint32_t worker); /* NULL: enough for one run */
void cast_leave(struct cast *c, struct actor *a);
void cast_leave_all(struct cast *c);
struct actor *cast_pick(struct cast *c); /* NULL: nobody is there */

/* Parts of a worker's turn. */
void cast_hand_over(struct cast *c, uint32_t worker);
void cast_run_shard(struct cast *c, uint32_t worker);
void cast_take_mail(struct cast *c, uint32_t worker);
void cast_take_confirms(struct cast *c, uint32_t worker);
/* All of them, one after the other. */
void cast_turn(struct cast *c, uint32_t worker);
/* Steps whoever has work or was woken, as threads would, and the log, until nothing moves. */
void cast_settle(struct cast *c);
/* The same, and a checkpoint with all that comes of it: segments that go, entries that move. */
void cast_keep(struct cast *c);
/* After cast_settle everybody has heard everything. */
void cast_check_heard(struct cast *c);
/* Ends the process as the server does at SIGTERM: sessions first, then what they left, then the
 * marks, then the log.  false: the disk failed before everything was on it. */
bool cast_stop(struct cast *c);
/* The process has ended without a word: whoever played is gone. */
void cast_abandon(struct cast *c);

/* ---- act.c: what an actor does; targets are indices of the model ---- */

uint64_t act_ask(struct actor *a, struct question q); /* gives the ticket */
void act_publish(struct actor *a, uint32_t exchange, uint32_t key, bool is_persistent, uint32_t len,
                 uint32_t group);
void act_publish_to_queue(struct actor *a, uint32_t queue, bool is_persistent, uint32_t len,
                          uint32_t group);
/* NULL: there is no such exchange, or no memory. */
const struct route *act_route(struct actor *a, const struct sending *s);
/* Of an actor that is a publisher: with an id, its own or that of id, a message; and once more. */
void act_publish_as(struct actor *a, const struct sending *s, uint32_t id, uint32_t group);
void act_publish_again(struct actor *a, const struct sending *s);
void act_confirm(struct actor *a);
/* What it has done, and what the next confirm is for. */
void act_add_deed(struct actor *a, uint32_t message, uint32_t queue, enum deed_kind kind);
/* Settles the loan at that index, with multiple all before it too. */
void act_settle(struct actor *a, uint32_t loan, bool is_multiple, enum settle_verdict verdict,
                uint32_t group);
void act_subscribe(struct actor *a, uint32_t queue, bool is_no_ack, uint32_t prefetch);
void act_get(struct actor *a, uint32_t queue, bool is_no_ack);
void act_declare_queue(struct actor *a, uint32_t queue, bool is_durable, bool is_auto_delete,
                       bool is_exclusive);
void act_delete_queue(struct actor *a, uint32_t queue);
void act_purge(struct actor *a, uint32_t queue);
void act_declare_exchange(struct actor *a, uint32_t exchange, uint8_t type, bool is_durable,
                          bool is_auto_delete);
void act_delete_exchange(struct actor *a, uint32_t exchange);
/* destination: a queue, or from SIM_QUEUES on an exchange. */
void act_bind(struct actor *a, uint32_t exchange, uint32_t destination, uint32_t key, bool is_bind);
void act_cancel(struct actor *a, struct subscription *s); /* live */
void act_drop(struct actor *a, struct subscription *s);

/* ---- prepared.c ---- */

void act_declare_paid(struct actor *a);
void act_prepare(struct actor *a);
void act_decide(struct actor *a);
void act_purge_checks(struct actor *a);
void hear_of_prepared(struct actor *a, const struct question *q, const struct answer *answer);
void prepared_confirmed(struct model *m, const struct actor_deed *deed);

/* ---- delayed.c ---- */

/* The exchange, the queue of what has come, and the binding between them. */
void act_declare_later(struct actor *a);
void act_delete_later(struct actor *a);
/* To wait for so long. */
void act_delay(struct actor *a, uint32_t delay_ms, uint32_t group);
/* A few of them, perhaps in a transaction, and their confirm. */
void act_delay_some(struct actor *a);
void hear_of_delayed(struct actor *a, const struct question *q, const struct answer *answer);

/* ---- operate.c ---- */

/* A policy or a user, of SIM_OPERATED, is set or cleared. */
void act_operate(struct actor *a, uint32_t what, bool is_set);

/* ---- again.c: publishers that publish again ---- */

/* The actor may go on for a publisher whose session is gone, and publishes again what that did not
 * hear of. */
void again_enter(struct actor *a);
void again_leave(struct cast *c, uint32_t session);
void again_publish(struct actor *a, uint32_t group);
void again_publish_open(struct actor *a);
void again_confirmed(struct actor *a, uint32_t message);

/* ---- whim.c ---- */

/* A transaction of publishes and settles, and its confirm. */
void act_commit(struct actor *a);
/* One of everything, by weight. */
void act_something(struct actor *a, const uint32_t weights[]);
#define ACT_KINDS 20u

/* ---- hear.c ---- */

void hear_answer(struct actor *a, const struct answer *answer);
void hear_deliveries(struct actor *a, const struct delivery_mail *mail);
void hear_cancelled(struct actor *a, const struct cancelled_mail *mail);
void hear_confirm(struct actor *a, uint64_t tag, bool is_refused);

struct part { /* what a subscription's context is */
    uint32_t queue;
    bool is_cancelling;
    bool is_over;                       /* to be freed when no loan is left */
    uint32_t newest[SIM_DELIVERY_ROWS]; /* see model.h */
};

/* Frees the subscriptions that are over. */
void actor_sweep(struct actor *a);

#endif
