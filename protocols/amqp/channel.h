/*
 * channel.h - one channel of an AMQP connection.
 *
 *   CLOSED --channel.open--> OPEN --the peer's close--> CLOSED
 *                            OPEN --an error--> CLOSING --close-ok--> CLOSED
 *
 * A channel that waits for the core's answer is parked: its later frames are kept, in order,
 * and take the ordinary way when the answer is there.  The other channels go on.  So is one
 * whose kept frames have come to a publish while publishers are held, and one with kept frames
 * while the peer does not read what we have said.
 *
 * The structure lives on in CLOSED while it has kept frames: they may open the channel again.
 *
 * Thread: the worker that owns the session.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_CHANNEL_H
#define SLUICE_PROTOCOLS_AMQP_CHANNEL_H

#include "core/arrival.h"
#include "core/base/buffer.h"
#include "core/settlement.h"
#include "protocols/amqp/connection.h"

struct amqp_consumer;
struct amqp_consuming;
struct amqp_direct_reply;
struct amqp_method;
struct amqp_publisher;
struct amqp_tx;

enum amqp_channel_state { /* bits, as in enum amqp_phase */
                          AMQP_CHANNEL_IS_CLOSED = 1 << 0,
                          AMQP_CHANNEL_IS_OPEN = 1 << 1,
                          AMQP_CHANNEL_IS_CLOSING = 1 << 2,
};

enum amqp_content_step { AMQP_NO_CONTENT, AMQP_WANT_HEADER, AMQP_WANT_BODY };

struct amqp_channel {
    struct amqp_connection *connection;
    uint16_t number;
    enum amqp_channel_state state;
    uint32_t generation;

    const struct amqp_method *waiting; /* what has to be answered first; NULL: nothing */
    bool is_no_wait;                   /* and nobody wants to hear of it */
    bool is_confirming;
    bool is_counted;                        /* among the channels of its user */
    struct amqp_tx *tx;                     /* NULL: not transactional; tx.c */
    struct amqp_consumer *pending;          /* begins or ends with that answer */
    struct amqp_consuming *consuming;       /* waits for its cluster queue; or NULL: consumer.c */
    struct amqp_direct_reply *direct_reply; /* NULL: no answers come here; direct_reply.c */
    struct sl_buffer parked;
    size_t parked_done; /* of these bytes */

    enum amqp_content_step content_step;
    struct arrival arrival; /* AMQP_WANT_BODY: what there is of the message; content.c */
    uint64_t content_left;
    uint32_t content_small;           /* what it takes of the connection's contents_small */
    struct amqp_publisher *publisher; /* NULL: never published; publish_parts.h */
    struct answer *refusal;           /* of a publish, held until its turn; publish.h */
    uint64_t published;               /* while confirming */
    uint64_t confirmed;
    struct list of_unannounced;

    struct settlement settlement;
    struct hash_map consumers; /* of struct amqp_consumer, by tag */
    struct list retired;       /* consumers that are over but for their loans */
    uint32_t retired_count;
    uint32_t retired_sweep;     /* look through them at this count */
    uint32_t prefetch;          /* of consumers to come */
    struct credit_group *group; /* NULL: no channel-wide limit was ever set */
    struct sl_bytes last_queue; /* owned; what an empty queue name means */
};

/* NULL: no channel of that number is open, closing, or waiting with kept frames. */
static inline struct amqp_channel *amqp_channel_find(const struct amqp_connection *c,
                                                     uint16_t number)
{
    return number < c->channels_room ? c->channels[number] : NULL;
}

/* Names the channel in this life of it, for tickets and confirms. */
static inline uint64_t amqp_channel_ticket(const struct amqp_channel *ch)
{
    return (uint64_t)ch->generation << 16 | ch->number;
}
/* NULL: that life is over. */
struct amqp_channel *amqp_channel_by_ticket(const struct amqp_connection *c, uint64_t ticket);

static inline bool amqp_channel_is_parked(const struct amqp_channel *ch)
{
    return ch->waiting != NULL || ch->parked_done < ch->parked.len;
}

/* The first frame on a number without a channel; anything but channel.open fails. */
void amqp_channel_on_first_frame(struct amqp_connection *c, const struct amqp_frame *frame);
/* A frame for a channel that is not parked, or out of its kept ones. */
void amqp_channel_on_frame(struct amqp_channel *ch, const struct amqp_frame *frame);

/* Keeps a frame for later.  False: no more room, the whole connection must wait. */
bool amqp_channel_park(struct amqp_channel *ch, struct sl_bytes frame);
/* Executes kept frames until there are none or the channel is parked again.  Buries it. */
void amqp_channel_replay(struct amqp_channel *ch);
/* Frees the channel if it is closed and nothing is kept for it. */
void amqp_channel_bury(struct amqp_channel *ch);

/* From now on the channel waits for the answer to its current method.  Returns the ticket. */
uint64_t amqp_channel_wait(struct amqp_channel *ch, bool is_no_wait);
void amqp_channel_on_answer(struct amqp_channel *ch, struct answer *a);

/* Says channel.close with "CODE_NAME - detail"; all that the channel holds goes back. */
void amqp_channel_fail(struct amqp_channel *ch, uint16_t code, const char *detail, ...)
    SL_PRINTF(3, 4);
/* The same with the core's error and its words; closes the connection where the error says so. */
void amqp_channel_refuse(struct amqp_channel *ch, enum sl_err err, const char *reason);

/* The end of the connection: memory only, the core has been told as a whole. */
void amqp_channel_free(struct amqp_channel *ch);

/* Handlers of the method table. */
void amqp_channel_open(struct amqp_channel *ch, struct sl_reader *r);
void amqp_channel_flow(struct amqp_channel *ch, struct sl_reader *r);
void amqp_channel_close(struct amqp_channel *ch, struct sl_reader *r);
void amqp_channel_close_ok(struct amqp_channel *ch, struct sl_reader *r);
void amqp_access_request(struct amqp_channel *ch, struct sl_reader *r);

#endif
