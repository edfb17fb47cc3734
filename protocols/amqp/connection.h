/*
 * connection.h - one AMQP connection: its phase, its channels, how it ends.
 *
 *   HEADER --protocol header--> STARTING --start-ok--> TUNING --tune-ok--> OPENING --open--> OPEN
 *   OPEN --the peer's close, the end of its input, or the gateway's shutdown--> LEAVING
 *   LEAVING --all is done--> ended, or CLOSING after a shutdown
 *   any of them --an error--> CLOSING --close-ok, or time--> ended
 *   any but OPEN --the peer's close, or the end of its input--> ended
 *
 * In LEAVING nothing more is read, but what was asked for before is still done: the frames that
 * channels keep, and the confirms that are owed.  In CLOSING the peer has been told; everything
 * but its close and close-ok is dropped, and the core has already been told that the client is
 * gone.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_CONNECTION_H
#define SLUICE_PROTOCOLS_AMQP_CONNECTION_H

#include "protocols/amqp/frame.h"
#include "protocols/session.h"

struct amqp_channel;

enum amqp_phase { /* bits, so that the method table can name several */
                  AMQP_PHASE_HEADER = 1 << 0,
                  AMQP_PHASE_STARTING = 1 << 1,
                  AMQP_PHASE_TUNING = 1 << 2,
                  AMQP_PHASE_OPENING = 1 << 3,
                  AMQP_PHASE_OPEN = 1 << 4,
                  AMQP_PHASE_LEAVING = 1 << 5,
                  AMQP_PHASE_CLOSING = 1 << 6,
};

enum amqp_departure { /* why it is LEAVING */
                      AMQP_PEER_CLOSES,
                      AMQP_PEER_IS_SILENT,
                      AMQP_SHUTDOWN,
};

struct amqp_connection {
    struct session session; /* first: see protocol.h */
    enum amqp_phase phase;
    uint32_t method; /* the one at work: what a close names as its cause */
    uint32_t frame_max;
    uint16_t channel_max;
    uint16_t heartbeat_s;   /* 0: none */
    bool can_cancel_notify; /* capabilities of the client */
    bool can_blocked;
    bool can_refusal;
    bool is_told_blocked;
    bool is_logging_in; /* parked until it is known who it is */
    bool is_unread;     /* kept frames wait until it reads what we have said */

    struct amqp_channel **channels; /* by number; NULL: closed */
    uint32_t channels_room;
    uint32_t channels_open;
    uint32_t generation;     /* of the channel opened last */
    size_t parked_bytes;     /* in all channels together */
    struct list unannounced; /* channels with publishes that broker_confirm has not heard of */

    uint32_t contents;       /* begun, their bodies not finished */
    uint32_t contents_small; /* bytes of those that need no room; at most SL_ARRIVAL_SMALL_BYTES */
    uint32_t contents_roomy; /* how many have taken room */
    struct amqp_channel *content_waiting; /* its first kept frame waits for room; or NULL */
    bool contents_excused;                /* in this period there was a time when we did not read */
    uint64_t contents_due_ms;             /* their pace is looked at then; while there are any */

    enum amqp_departure departure;
    uint32_t channels_left; /* LEAVING: all below this number are done */
    uint64_t leave_by_ms;   /* LEAVING: what is not done then is given up */

    struct sl_bytes user;              /* owned */
    const char *mechanism;             /* of the login */
    struct sl_bytes client_properties; /* owned; a whole table, for listings */
};

static inline struct amqp_connection *amqp_connection_of(struct session *s)
{
    return (struct amqp_connection *)(void *)s;
}

static inline struct client *amqp_client(struct amqp_connection *c)
{
    return &c->session.client;
}

/* One frame, from the input or from what a channel had parked. */
void amqp_connection_on_frame(struct amqp_connection *c, const struct amqp_frame *frame);

/* Says connection.close with "CODE_NAME - detail" and goes to CLOSING.  The caller returns: the
 * core's side of the client is closed now. */
void amqp_connection_fail(struct amqp_connection *c, uint16_t code, const char *detail, ...)
    SL_PRINTF(3, 4);

/* True until the connection has been told to end, by either side. */
static inline bool amqp_connection_is_alive(const struct amqp_connection *c)
{
    return c->phase != AMQP_PHASE_CLOSING && !c->session.is_ending && !c->session.is_aborted;
}

/* Reads no more and goes to LEAVING, or through it when nothing is left to be done. */
void amqp_connection_leave(struct amqp_connection *c, enum amqp_departure why);
/* Ends a LEAVING connection for which everything is done. */
void amqp_connection_leave_if_done(struct amqp_connection *c);
/* It has taken too long. */
void amqp_connection_leave_undone(struct amqp_connection *c);

/* Handlers of the method table. */
void amqp_connection_close(struct amqp_connection *c, struct sl_reader *r);
void amqp_connection_close_ok(struct amqp_connection *c, struct sl_reader *r);
void amqp_connection_update_secret(struct amqp_connection *c, struct sl_reader *r);

/* All arguments have been read: false, and the connection has failed, when there were too few
 * or too many bytes. */
bool amqp_arguments_end(struct amqp_connection *c, const struct sl_reader *r);
/* Reads a field table argument; a bad one leaves the reader short. */
struct sl_bytes amqp_read_table(struct sl_reader *r);
/* Bytes of a peer, fit for an error text; lives until the next frame. */
const char *amqp_printable(struct amqp_connection *c, struct sl_bytes bytes);

#endif
