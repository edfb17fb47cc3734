/*
 * amqp_peer.h - an AMQP client for unit tests, one frame at a time, over the harness.
 *
 * Arguments are written by a format of one letter each: o octet, h short, l long, q longlong
 * (int, int, uint32_t, uint64_t), s short string, S long string (const char *), e the empty
 * table, T a whole table (struct sl_bytes).  Bits are octets.
 */
#ifndef SLUICE_TESTS_SUPPORT_AMQP_PEER_H
#define SLUICE_TESTS_SUPPORT_AMQP_PEER_H

#include "protocols/amqp/frame.h"
#include "tests/support/harness.h"

#define FRAME_BYTES_MAX 70000u

struct heard { /* one frame; borrowed until the next amqp_say or amqp_hear of this peer */
    uint8_t type;
    uint16_t channel;
    uint32_t method;            /* 0: not a method */
    struct sl_reader arguments; /* or the payload of another frame */
};

/* Appends one frame to bytes. */
void amqp_write_frame(struct sl_buffer *bytes, uint8_t type, uint16_t channel,
                      struct sl_bytes payload);
void amqp_write_method(struct sl_buffer *bytes, uint16_t channel, uint32_t method,
                       const char *format, ...);
void amqp_write_publish(struct sl_buffer *bytes, uint16_t channel, const char *exchange,
                        const char *key, int bits, struct sl_bytes properties,
                        struct sl_bytes body);

/* The same, sent; everything is settled when it returns. */
void amqp_say(struct peer_end *p, uint16_t channel, uint32_t method, const char *format, ...);
void amqp_say_frame(struct peer_end *p, uint8_t type, uint16_t channel, struct sl_bytes payload);
void amqp_say_bytes(struct peer_end *p, struct sl_buffer *bytes); /* releases it */
void amqp_publish(struct peer_end *p, uint16_t channel, const char *exchange, const char *key,
                  int bits, struct sl_bytes body);

/* Takes the next frame that was heard; false: there is none. */
bool amqp_hear(struct peer_end *p, struct heard *frame);
/* The next frame must be this method on this channel; its arguments. */
struct sl_reader amqp_expect(struct peer_end *p, uint16_t channel, uint32_t method);
/* The next frame must be a close of channel (0: of the connection) with this code and text. */
void amqp_expect_close(struct peer_end *p, uint16_t channel, uint16_t code, const char *text);
void amqp_expect_silence(struct peer_end *p);
/* The next frames must be a content with this body. */
void amqp_expect_content(struct peer_end *p, uint16_t channel, struct sl_bytes body);

/* A connected peer that has said nothing; one that stands before tune-ok; an open one. */
struct peer_end *amqp_connect(struct harness *h);
struct peer_end *amqp_login(struct harness *h, struct sl_bytes client_properties);
struct peer_end *amqp_open(struct harness *h);
/* An open one with channel 1. */
struct peer_end *amqp_open_channel(struct harness *h);
/* A table {capabilities: {name: true}}; static until the next call. */
struct sl_bytes amqp_capability(const char *name);
void amqp_declare(struct peer_end *p, uint16_t channel, const char *queue);

#endif
