/*
 * conn.h - one connection: a socket, its transport, and the session on it.
 *
 * The life of one:
 *
 *   CONN_NEW      accepted; the first bytes choose the front end
 *   CONN_OPEN     has a session
 *   CONN_ENDING   the session said its last word, which is still going out
 *   CONN_LINGER   all is said; the peer's last bytes are read and dropped, because closing a
 *                 socket with unread bytes takes back what was just sent
 *   CONN_DEAD     closes at the end of the turn
 *
 * Input that a front end has not used stays here and is lent again in front of the next bytes.
 * Reading stops while the session waits (parked, held) or its peer does not read; the epoll
 * interest is dropped only when the socket announces something that nobody wants, so a short
 * wait costs no system call.
 *
 * Thread: the worker that accepted it.
 */
#ifndef SLUICE_GATEWAY_CONN_H
#define SLUICE_GATEWAY_CONN_H

#include "core/base/slot_table.h"
#include "gateway/entrance.h"
#include "gateway/loop.h"
#include "gateway/timer_wheel.h"
#include "gateway/transport.h"
#include "protocols/session.h"

struct conn_set;

enum conn_state { CONN_NEW, CONN_OPEN, CONN_ENDING, CONN_LINGER, CONN_DEAD };

struct conn_origin { /* as a proxy told */
    struct address peer;
    struct address local;
};

struct conn {
    struct loop_watch watch; /* first: a ready watch is its connection */
    struct conn_set *set;
    struct transport transport;
    const struct port *port;
    struct conn_origin *origin; /* NULL: the socket's own addresses */
    struct session *session;    /* NULL before CONN_OPEN and after burial */
    struct slot_ref at;         /* in the set; what handles name */
    enum conn_state state;
    bool awaits_proxy_header;
    bool awaits_first_byte; /* which tells TLS from plain */
    bool is_stranger;       /* has not said who it is; counted in the set */
    uint32_t place;         /* among the strangers */
    bool is_choked;         /* the peer does not read what we write */
    bool is_read_out;       /* the peer sends no more */

    uint8_t *unread; /* NULL when nothing is */
    uint32_t unread_at;
    uint32_t unread_end;
    uint32_t unread_room;

    struct timer timer;
    uint64_t limit_ms; /* the connection's own deadline in this state, or TIMER_NEVER */
    struct list of_graveyard;
    struct list of_held; /* in the set, while the session is held */
};

/* Takes fd, which is connected and does not block.  Without memory, or when too many others have
 * not said yet who they are, it is closed. */
void conn_open(struct conn_set *set, int fd, const struct port *port);

/* Lends the unread input again: what the session waited for is over. */
void conn_resume(struct conn *c);
/* The same, in the next step of the turn that resumes. */
void conn_resume_later(struct conn *c);
/* Writes what the session has to say, as far as the socket takes it. */
void conn_flush(struct conn *c);
/* After any call into the session: takes note of what it wants now. */
void conn_attend(struct conn *c);

/* The session has no more to say than what is in its outbox; then the connection ends. */
void conn_end(struct conn *c);
/* Closes a new connection that may not have a session, in a way that lets the peer read what was
 * said to it.  Logs the reason. */
void conn_refuse(struct conn *c, const char *reason);
/* From anywhere, any number of times.  The memory stays valid until the turn's burial. */
void conn_kill(struct conn *c);
/* Only at burial: closes the session; then the socket, unless the connection lingers. */
void conn_close_session(struct conn *c);
void conn_free(struct conn *c);

#endif
