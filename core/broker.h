/*
 * broker.h - the facade: everything that a front end may ask of the core.
 *
 * Front ends call this and nothing else.  Every call that may wait ends in one answer
 * (mail.h) to the ticket that the caller gave, also when it fails at once; nothing is answered
 * by return value but what is said so.  Until the answer comes, later calls of the same
 * session are executed after it as far as the same queue is concerned; a front end that must
 * answer its peer in order simply waits.
 *
 * Publishes and settles are gathered in the worker's run and go out at the end of the read
 * (broker_worker_hand_over), or before any call that must come after them.
 *
 * Thread: all calls come from the worker that owns the session.
 */
#ifndef SLUICE_CORE_BROKER_H
#define SLUICE_CORE_BROKER_H

#include "core/admission.h"
#include "core/base/clock.h"
#include "core/client.h"
#include "core/confirms.h"
#include "core/counters.h"
#include "core/known_headers.h"
#include "core/mail.h"
#include "core/prepared.h"
#include "core/pressure.h"
#include "core/route.h"
#include "core/run.h"
#include "core/settlement.h"
#include "core/topology.h"

struct account_change;
struct broker;
struct fetch;
struct identity;
struct id_file_ref;
struct shard;

#define BROKER_REFUSAL_BYTES_MAX 1024u

struct broker_worker { /* what the core keeps for one worker */
    struct broker *broker;
    uint32_t index;
    struct run run;
    struct route_cache routes;
    struct admission_split split;     /* of the message that is being published */
    struct confirm_line confirms;     /* wait for the disk */
    struct confirm_line confirms_now; /* wait for the hand-over only: nothing of theirs is logged */
    uint64_t run_number;              /* of the run that is being gathered */
    uint64_t safe_run;                /* of the newest confirm that no longer waits */
    atomic_bool waits_for_log;        /* the log is to wake this worker */
    bool is_urgent;                   /* someone waits for what is in the run or before it */
    struct shard *shard;
    struct mailbox inbox;      /* of struct mail, for sessions of this worker */
    struct mail_chain pending; /* answers made on this worker, posted at the hand-over */
    struct worker_counters counters;
    uint8_t held_by;      /* of enum held_by: what publishers wait for */
    uint64_t openings;    /* of memory, that this worker saw */
    uint64_t room_wanted; /* the least that a session of this worker waits for; 0: none does */
    struct list slowed;   /* of struct access: pace.h */
    struct list resting;  /* of struct desk_task: desk.h */
    char refusal[BROKER_REFUSAL_BYTES_MAX]; /* why broker_route said SL_EDENIED */
};

struct broker_options {
    uint32_t workers; /* 1 to CREDIT_SHARDS_MAX */
    uint64_t memory_budget_bytes;
    const struct sl_clock *clock;
    struct prepared_settings prepared;
    uint64_t consumer_timeout_ms; /* of whoever has none of its own: overdue.h; 0: none */
    /* Wakes a worker out of its wait.  Any thread. */
    void (*wake)(void *context, uint32_t worker);
    void *wake_context;
    /* Wakes who calls fetch_run: there is something to do.  Any thread; NULL: it looks itself. */
    void (*wake_fetch)(void *context);
    void *wake_fetch_context;
    bool has_no_cluster_names; /* cluster-names = off: see topology_set_cluster_names */
};

/* NULL: no memory.  Until broker_recovery_end has given it a log nothing is kept. */
struct broker *broker_new(const struct broker_options *options);

/* Before the first turn: the visitor that rebuilds what the log says, and the log itself, which
 * is borrowed from then on. */
struct log_visitor broker_recovery_begin(struct broker *b);
SL_MUST_CHECK enum sl_err broker_recovery_end(struct broker *b, struct commit_log *log,
                                              uint64_t log_time);
/* What was paged out is read by whoever calls fetch_run on it: between broker_recovery_end and
 * broker_on_stopped.  NULL: there is no log. */
struct fetch *broker_fetch(struct broker *b);
/* Log thread: the durable cursor moved. */
void broker_on_durable(struct broker *b);
/* All workers have stopped, the log has not: notes exactly what was out, and lets go of the log. */
void broker_on_stopped(struct broker *b);
/* The server stops: what comes back from here on comes back because of that. */
void broker_on_stopping(struct broker *b);
/* The files of ids that the last checkpoint named, for who writes the next one: the caller's. */
struct id_file_ref *broker_take_id_files(struct broker *b, uint32_t *count);
/* All clients are closed, all threads have stopped. */
void broker_free(struct broker *b);
struct broker_worker *broker_worker_at(struct broker *b, uint32_t worker);
struct topology *broker_topology(struct broker *b);
struct identity *broker_identity(struct broker *b);
/* The disk is below its floor: publishers wait, until it is said that it is not.  Any thread. */
void broker_set_disk_low(struct broker *b, bool is_low);
/* What publishers are held for, of enum held_by: what an alarm shows.  Any thread. */
uint8_t broker_held_by(const struct broker *b);

/* ---- housekeeping: any thread ---- */

struct broker_notice { /* which shards are to be woken */
    uint64_t shards;
};
/* One item for every shard, all at one place of the order; the topology lock may be held, so the
 * caller wakes afterwards. */
struct log_place broker_tell_shards(struct broker *b, struct broker_notice *notice,
                                    void (*fill)(void *context, struct lane_item *item),
                                    void *context);
/* The same, with records at that place. */
struct log_place broker_tell_shards_of(struct broker *b, struct broker_notice *notice,
                                       struct log_run *records,
                                       void (*fill)(void *context, struct lane_item *item),
                                       void *context);
void broker_wake_shards(struct broker *b, const struct broker_notice *notice);
/* Remembers which sequence is the next now: ages.h. */
void broker_note_age(struct broker *b);

/* ---- a worker's turn ---- */

/* After reading from a socket, before its bytes are looked at. */
void broker_worker_refresh(struct broker_worker *w);
/* What was gathered goes to the shards, and answers to their sessions. */
void broker_worker_hand_over(struct broker_worker *w);
/* Runs this worker's shard: commands in, deliveries and answers out.  True when there is more
 * to do at once. */
bool broker_worker_run_shard(struct broker_worker *w);
/* Takes the mail for this worker's sessions; the caller frees each with mail_free. */
struct mail_chain broker_worker_take_mail(struct broker_worker *w);
bool broker_worker_has_work(struct broker_worker *w);
/* In how many ms its shard is to be run all the same; UINT64_MAX: not at all. */
uint64_t broker_worker_next_due(const struct broker_worker *w);
/* Takes the next publisher of this worker whose publishes are safe; false: none. */
bool broker_worker_next_confirm(struct broker_worker *w, struct waiting_publisher *out);
/* End of turn: adds up memory, looks at the log, sets held_by.  True when publishers are held for
 * something else than before, or when there is room again that a session of this worker waits for:
 * on_pressure is for both. */
bool broker_worker_balance(struct broker_worker *w);
/* The calling thread does no more of the above: releases what it kept for reuse. */
void broker_thread_end(void);

/* ---- a session ---- */

/* handle: how mail finds the session. */
void broker_client_init(struct client *c, struct broker_worker *w, struct sl_handle handle);
/* SL_ENOENT: no such virtual host.  SL_EDENIED: the user may not go there.  SL_EFULL,
 * SL_ENOTALLOWED: it, or the user, has no more connections. */
SL_MUST_CHECK enum sl_err broker_open_vhost(struct client *c, struct sl_bytes name);
/* In RabbitMQ's words, what that error means. */
void broker_describe_vhost_refusal(const struct client *c, struct sl_bytes name, enum sl_err err,
                                   struct text *to);
/* Another channel of the client's user.  False, with how many it may have. */
SL_MUST_CHECK bool broker_open_channel(struct client *c, uint64_t *max);
void broker_close_channel(struct client *c);
/* May it say in a message that another user has sent it? */
bool broker_may_impersonate(const struct client *c);
/* Everything the session holds goes back: loans to their places, exclusive queues away.
 * Idempotent.  Settlements of the session are released by their owner. */
void broker_client_close(struct client *c);
/* Bytes that went out to the socket in all, as session_window counts them. */
void broker_client_written(struct client *c, uint64_t written);

/* ---- publishing ---- */

/* Lends the route; see route_cache_get for how long.  Once there is a message, one with MARK_COPIES
 * is routed as routed_of says, whatever a front end remembers for its exchange and key.  SL_ENOENT,
 * SL_EDENIED and SL_EPRECOND (broker_route_refusal says why), SL_ENOMEM: by return value. */
SL_MUST_CHECK enum sl_err broker_route(struct client *c, const struct routed *what,
                                       const struct route **route);

/* Of the last SL_EDENIED or SL_EPRECOND, until the next. */
const char *broker_route_refusal(const struct client *c);
/* Is there such an exchange? */
bool broker_has_exchange(const struct client *c, struct sl_bytes exchange);

static inline uint64_t broker_route_epoch(const struct client *c)
{
    return c->worker->routes.epoch;
}

/* True while publishers wait for memory or the disk: leave the publish unread and come back. */
static inline bool broker_is_held(const struct client *c)
{
    return c->worker->held_by != 0 || c->is_slowed;
}
/* Takes room for a body of that many bytes, to be kept in its arrival.  False: there is none now;
 * the front end's on_pressure says when it is worth asking again. */
SL_MUST_CHECK bool broker_take_room(struct client *c, uint64_t bytes);
/* As pressure_reason says it; "" while nobody is to be told. */
const char *broker_held_reason(const struct client *c);

/* Seals and takes msg, and gives it its place in the order.  route->count is 0: the message is
 * released, the caller decides what an unroutable message means.  NULL: every queue took it, or it
 * was asked (below); else one that is full and did not, lent until the route ends; the others have
 * it. */
const struct admission *broker_publish(struct client *c, const struct route *route,
                                       struct message *msg);
/* The same where admission_take_all has taken all places before. */
void broker_publish_admitted(struct client *c, const struct route *route, struct message *msg);

/* The next publish of this session, outside of groups, is answered to that ticket, which is not 0:
 * messages is 1 when every queue that it reached had its id already, else 0; is_refused when one
 * that is full did not have it and refused it. */
void broker_ask_verdict(struct client *c, uint64_t ticket);
/* The same, but only where a queue that is full may have its id: then it is a duplicate, not
 * refused.  Else broker_publish says what became of it. */
void broker_ask_refusal(struct client *c, uint64_t ticket);
/* After that publish: will there be an answer?  Not for what went nowhere. */
bool broker_has_asked(struct client *c);

/* May some queue of the route have msg's id? */
static inline bool broker_may_know(const struct route *route, const struct message *msg)
{
    return (msg->marks & MARK_DEDUP) != 0 || route->asks_ids || route->asks_always;
}

/* Does msg, whose route was found, ask for more than to be published: to be prepared, or is it the
 * outcome of a prepared message?  (SEMANTICS 8) */
bool broker_is_prepared_step(const struct message *msg);
static inline bool broker_may_be_prepared_step(const struct route *route, const struct message *msg)
{
    return (msg->marks & MARK_PREPARE) != 0 || route->count == 0;
}
/* Takes msg, which does.  answer: it is done, and as safe as it will be once safe_at is durable, for
 * which broker_confirm_after makes the next confirm wait.  An error, which is told when what it names
 * is durable: SL_ENOENT, SL_EPRECOND, SL_EDENIED, SL_ENOMEM. */
void broker_prepared_step(struct client *c, uint64_t ticket, struct message *msg);
/* An administrator's outcome; user and id are at most 255 bytes.  answer: it is durable. */
void broker_decide(struct client *c, uint64_t ticket, struct sl_bytes user, struct sl_bytes id,
                   enum verdict verdict);

/* All publishes of this session so far are to be confirmed to who as tag; see confirms.h. */
void broker_confirm(struct client *c, uint64_t who, sl_tag tag);
/* The same for all below tag, the newest, which is refused itself. */
void broker_confirm_refused(struct client *c, uint64_t who, sl_tag tag);
/* The next confirm of this session waits for that place of the log, too. */
void broker_confirm_after(struct client *c, sl_lsn place);

/* What is published and settled between these two takes effect together: one place in the
 * order, nothing of it before the end. */
void broker_group_begin(struct client *c);
void broker_group_end(struct client *c);

/* ---- definitions; answers as said ----
 *
 * A queue may be named by any spelling of a cluster queue (cluster_name.h), here and below; as a
 * routing key of the default exchange too.  The names of direct replies (direct_reply.h) are never
 * made by a declaration, only found. */

/* answer: name (a cluster queue's own), messages (ready),
 * consumers.  An empty name makes one up; name_prefix is
 * "amq.gen-" or the front end's own, and is followed by 22 random characters. */
void broker_declare_queue(struct client *c, uint64_t ticket, const struct queue_declaration *d,
                          const char *name_prefix);
/* answer: messages (deleted).  A missing queue is a success. */
void broker_delete_queue(struct client *c, uint64_t ticket, struct sl_bytes name, bool if_unused,
                         bool if_empty);
/* answer: messages (purged). */
void broker_purge_queue(struct client *c, uint64_t ticket, struct sl_bytes name);
void broker_declare_exchange(struct client *c, uint64_t ticket,
                             const struct exchange_declaration *d);
void broker_delete_exchange(struct client *c, uint64_t ticket, struct sl_bytes name,
                            bool if_unused);
void broker_bind(struct client *c, uint64_t ticket, const struct binding_request *request);
void broker_unbind(struct client *c, uint64_t ticket, const struct binding_request *request);

/* ---- administration ---- */

/* answer: messages is 1 where it made what was not there.  SL_ENOENT, SL_EPRECOND.  Sessions of a
 * user or virtual host that goes are told and closed. */
void broker_change_account(struct client *c, uint64_t ticket, const struct account_change *change);
/* Closes the connections of that name ("ADDRESS:PORT -> ADDRESS:PORT"), with that reason. */
void broker_close_connection(struct broker *b, struct sl_bytes name, const char *reason);

/* ---- consuming ---- */

struct subscribe_options {
    struct sl_bytes queue;
    bool is_no_ack;
    bool is_exclusive;
    uint32_t prefetch;          /* 0: SL_LOANS_PER_CHANNEL_MAX */
    struct credit_group *group; /* or NULL */
    int64_t priority;           /* x-priority: the higher, the sooner; usually 0 */
    const uint64_t *timeout_ms; /* x-consumer-timeout, 0 is never; NULL: it has none of its own */
    void *context;
};

/* Gives the subscription at once; it is live when the answer says SL_OK, and its deliveries
 * come only after that.  When the answer is an error the caller frees it.  NULL: too many. */
struct subscription *broker_subscribe(struct client *c, uint64_t ticket,
                                      const struct subscribe_options *options);
/* The same without acknowledgement for answers that come straight back (direct_reply.h): writes the
 * address that they are to be sent to, ended by a NUL. */
struct subscription *broker_subscribe_replies(struct client *c, uint64_t ticket, void *context,
                                              char *address);
/* Nothing is lent any more; loans stay open.  Deliveries on their way still arrive before the
 * answer.  The caller frees the subscription when that has come and s->open is 0, or drops it
 * with its loans. */
void broker_cancel(struct client *c, uint64_t ticket, struct subscription *s);
/* Loans go back to their places, deliveries on their way too; frees the subscription. */
void broker_drop(struct client *c, struct subscription *s);
/* Releases only the session's side (after an error, when the queue is gone, or cancelled and
 * settled). */
void subscription_free(struct subscription *s);
/* Puts the live subscription's consumer under the group (basic.qos global). */
void broker_join_group(struct client *c, struct subscription *s, struct credit_group *group);
/* A new limit for the group. */
void broker_set_group_limit(struct client *c, struct credit_group *group, uint32_t limit);

/* answer: msg or NULL, seq, loan, returns, messages (left ready); with acknowledgement also
 * consumer, from which broker_getter makes the subscription that the loan belongs to: hand
 * that to settlement_add at once, it is freed when the loan is settled.  NULL: too many. */
void broker_get(struct client *c, uint64_t ticket, struct sl_bytes queue, bool is_no_ack);
SL_MUST_CHECK struct subscription *broker_getter(struct client *c, const struct answer *a);
/* answer: browsed, the page behind the cursor, with that for the next one; the page to a zeroed one
 * is empty, and fixes what will be seen: browse.h. */
void broker_browse(struct client *c, uint64_t ticket, struct sl_bytes queue,
                   const struct browse_cursor *from);

#endif
