/*
 * table_top.h - the real core on one thread: workers are stepped by hand, mail is kept.
 *
 * A sitter is a client with a settlement and a record of what it was told.  Tests on several
 * workers choose their order of steps; table_settle steps them all until nothing moves.
 *
 * On a log nothing is durable before table_flush, and table_deinit is the stop of a server.
 */
#ifndef SLUICE_TESTS_SUPPORT_TABLE_TOP_H
#define SLUICE_TESTS_SUPPORT_TABLE_TOP_H

#include "core/broker.h"
#include "tests/support/file_faulty.h"

#define TABLE_DELIVERIES_MAX 40000
#define TABLE_SITTERS_MAX 16

struct told { /* one delivery; the message's body as a number */
    uint64_t body;
    uint32_t cookie;
    uint32_t returns;
    bool is_redelivered;
    sl_tag tag;
};

struct sitter {
    struct client client;
    struct settlement settlement;
    struct told told[TABLE_DELIVERIES_MAX];
    size_t told_count;
    uint32_t redelivered; /* how many of them said so */
    struct answer *last;  /* the newest answer, owned */
    size_t answers;
    size_t cancelled;
    size_t overdue; /* how often it was told so */
    sl_tag confirmed;
    uint64_t cost; /* of all deliveries */
};

struct table {
    struct broker *broker;
    uint32_t workers;
    struct sitter *sitters[TABLE_SITTERS_MAX];
    uint32_t sitters_count;
    struct commit_log *log;   /* NULL: nothing is kept */
    struct faulty_disk *disk; /* with a log */
    bool is_fetch_held;       /* nothing that was paged out comes back until it is let go */
    struct sl_clock clock;    /* stands still but for table_wait */
    uint64_t now_ms;
};

void table_init(struct table *t, uint32_t workers, uint64_t memory_budget);
/* With a log on that disk, borrowed; what it holds is there again. */
void table_init_on(struct table *t, uint32_t workers, uint64_t memory_budget,
                   struct faulty_disk *disk);
void table_deinit(struct table *t);
/* The process ends where it stands: who leaves is not heard, nothing more is
 * flushed. */
void table_drop(struct table *t);
struct sitter *table_sit(struct table *t, uint32_t worker); /* on vhost "/" */
void table_leave(struct table *t, struct sitter *s);        /* closes its client */

/* Time passes, and what was due is done. */
void table_wait(struct table *t, uint64_t ms);

/* One step of one worker: hand over, shard, mail. */
void table_step(struct table *t, uint32_t worker);
void table_settle(struct table *t);
/* What the log holds is durable, and what waited for that goes on. */
void table_flush(struct table *t);

/* The answer to what was just asked, after table_settle. */
enum sl_err table_declare(struct table *t, struct sitter *s, const char *queue);
enum sl_err table_declare_with(struct table *t, struct sitter *s, const char *queue,
                               struct sl_bytes arguments);
enum sl_err table_bind(struct table *t, struct sitter *s, const char *queue, const char *exchange,
                       const char *key);
struct subscription *table_consume(struct table *t, struct sitter *s, const char *queue,
                                   uint32_t prefetch, bool no_ack);
void table_publish(struct sitter *s, const char *exchange, const char *key, uint64_t body);
/* The same with delivery-mode 2. */
void table_publish_persistent(struct sitter *s, const char *exchange, const char *key,
                              uint64_t body);
void table_publish_with(struct sitter *s, const char *exchange, const char *key,
                        struct sl_bytes properties, uint64_t body);
/* A queue of the first worker; NULL: it has none. */
struct queue *table_queue(struct table *t);
/* What is ready in the queue, as a passive declaration tells; -1: there is none. */
int64_t table_ready(struct table *t, struct sitter *s, const char *queue);

#endif
