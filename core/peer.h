/*
 * peer.h - a session as a shard knows it: what it has here, and the mail that is begun for it.
 *
 * Deliveries of a run are gathered in one mail, and what they cost is told to the session's window
 * once; shard_run flushes the peers that were written to.
 *
 * Thread: the shard's.
 */
#ifndef SLUICE_CORE_PEER_H
#define SLUICE_CORE_PEER_H

#include "core/base/list.h"
#include "core/credit.h"
#include "core/mail.h"

struct shard;

struct peer { /* a session */
    struct sl_handle handle;
    uint8_t key[12]; /* the handle as bytes, for the map */
    struct session_window *window;
    struct list consumers;      /* of consumer.of_peer */
    struct list queues;         /* exclusive ones, of queue.of_owner */
    struct delivery_mail *mail; /* begun in this run, or NULL */
    int64_t room;               /* of the window, as known in this run */
    uint64_t lent;              /* in this run, not yet told to the window */
    uint32_t mails;             /* sent in this run: the later ones are larger */
    bool is_room_known;
    struct list of_writing;
};

/* The session's peer, made when it is new.  window is needed then only (takes a reference of
 * its own). */
struct peer *peer_get(struct shard *s, struct sl_handle handle, struct session_window *window);
struct peer *peer_find(struct shard *s, struct sl_handle handle); /* NULL: unknown here */
/* Its consumers and exclusive queues must be gone. */
void peer_free(struct shard *s, struct peer *p);
/* Sends the mail that was begun, so that something may follow it. */
void peer_flush(struct shard *s, struct peer *p);
/* Lends the next place in its mail. */
struct delivery *peer_delivery(struct shard *s, struct peer *p);
/* Has room say what the session's window says now; what was lent in this run counts first. */
void peer_read_window(struct shard *s, struct peer *p);

#endif
