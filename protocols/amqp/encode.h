/*
 * encode.h - methods and contents, straight into the session's outbox.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_ENCODE_H
#define SLUICE_PROTOCOLS_AMQP_ENCODE_H

#include "protocols/amqp/connection.h"

/* A method frame being written: begin, write arguments to w, end. */
struct amqp_writing {
    struct sl_writer w;
    uint8_t *start;
};

/* room: what the arguments take at most; more than that aborts. */
struct amqp_writing amqp_method_begin(struct amqp_connection *c, uint16_t channel, uint32_t method,
                                      size_t room);
void amqp_method_end(struct amqp_connection *c, struct amqp_writing *writing);

void amqp_send_method(struct amqp_connection *c, uint16_t channel, uint32_t method);
void amqp_send_name(struct amqp_connection *c, uint16_t channel, uint32_t method,
                    struct sl_bytes name); /* one short string, at most 255 bytes */
void amqp_send_close(struct amqp_connection *c, uint16_t channel, uint32_t method, uint16_t code,
                     struct sl_bytes text, uint32_t cause);
void amqp_send_ack(struct amqp_connection *c, uint16_t channel, sl_tag tag, bool multiple);
void amqp_send_nack(struct amqp_connection *c, uint16_t channel, sl_tag tag); /* of one publish */

void amqp_send_return(struct amqp_connection *c, uint16_t channel, uint16_t code,
                      struct message *msg);
/* returns: how often it came back before, told as x-delivery-count unless it is 0. */
void amqp_send_get_ok(struct amqp_connection *c, uint16_t channel, sl_tag tag, bool redelivered,
                      uint32_t left, struct message *msg, uint32_t returns);

/* The part of basic.deliver that is the same for all deliveries to one consumer: frame head,
 * method, consumer tag. */
#define AMQP_DELIVER_HEAD_BYTES_MAX (AMQP_FRAME_HEAD_BYTES + 4u + 1u + 255u)
size_t amqp_encode_deliver_head(uint8_t *at, uint16_t channel, struct sl_bytes consumer_tag);

void amqp_send_deliver(struct amqp_connection *c, struct sl_bytes head, sl_tag tag,
                       bool redelivered, struct message *msg, uint32_t returns);

#endif
