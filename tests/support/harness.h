/*
 * harness.h - sessions of a front end on the real core, with one worker, no socket and a clock
 * that stands still: bytes in, bytes out.
 *
 * A peer is what stands at the other end of a session: what it sends is fed as the gateway
 * would, what the session says is collected.  harness_settle turns until nothing moves.
 *
 * On a log nothing is durable before harness_sync.  A process that ends without harness_deinit has
 * crashed: only what was synced is there when the next harness opens the directory.
 */
#ifndef SLUICE_TESTS_SUPPORT_HARNESS_H
#define SLUICE_TESTS_SUPPORT_HARNESS_H

#include "core/base/buffer.h"
#include "core/store/commit_log.h"
#include "protocols/session.h"
#include "tests/support/scratch.h"

#define HARNESS_PEERS_MAX 64

struct harness;

struct peer_end {
    struct harness *harness;
    struct session *session; /* NULL: it has been closed */
    struct sl_buffer unread; /* sent, and left by the session */
    struct sl_buffer heard;  /* everything the session has said and nobody has taken yet, */
    size_t heard_done;       /* but for so many bytes in front, which somebody has */
    bool is_deaf;            /* does not read: the session's outbox stays full */
    uint32_t slot;
};

struct harness {
    struct broker *broker;
    struct broker_worker *worker;
    struct session_env env;
    struct protocol_settings settings; /* may be changed before the first peer comes */
    struct sl_clock clock; /* of the core: the system's, and what harness_wait has added */
    uint64_t waited_ms;
    struct peer_end peers[HARNESS_PEERS_MAX];
    uint32_t peers_count;
    uint32_t generation;
    struct sl_file_ops files; /* with a log */
    struct commit_log *log;   /* NULL: nothing is kept */
};

void harness_init(struct harness *h, uint64_t memory_budget_bytes);
/* A directory for a log, and its end. */
#define HARNESS_DIR_BYTES SCRATCH_BYTES
void harness_make_dir(char dir[HARNESS_DIR_BYTES]);
void harness_remove_dir(const char *dir);
/* With a commit log in that directory; what it holds is there again. */
void harness_init_on(struct harness *h, uint64_t memory_budget_bytes, const char *dir);
/* Flushes the log, and settles what waited for that. */
void harness_sync(struct harness *h);
void harness_deinit(struct harness *h); /* closes who is still there */

struct peer_end *harness_connect(struct harness *h, const struct protocol *protocol);
/* The peer sends no more, but reads on: its session must have used what was sent. */
void harness_stop_sending(struct peer_end *p);
/* The socket is gone. */
void harness_hang_up(struct peer_end *p);

/* Feeds bytes and settles. */
void harness_send(struct peer_end *p, struct sl_bytes bytes);
/* Feeds bytes without a turn of the rest: what is answered by mail is not there yet. */
void harness_feed(struct peer_end *p, struct sl_bytes bytes);
void harness_settle(struct harness *h);

/* Time passes, second by second; deadlines fire. */
void harness_wait(struct harness *h, uint64_t ms);

/* What has been heard since it was last forgotten; borrowed until the next call. */
static inline struct sl_bytes harness_heard(const struct peer_end *p)
{
    return sl_bytes_skip(sl_buffer_bytes(&p->heard), p->heard_done);
}

static inline void harness_forget(struct peer_end *p)
{
    sl_buffer_clear(&p->heard);
    p->heard_done = 0;
}

#endif
