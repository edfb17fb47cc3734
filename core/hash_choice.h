/*
 * hash_choice.h - which one of its bindings an exchange of type x-consistent-hash chooses.
 *
 * A message has a number, made of its routing key, or of the header or property that the exchange's
 * arguments hash-header or hash-property name.  A binding has a number of its own, made of the names
 * of its ends and its key, which is its weight.  The two together are a throw of the dice that falls
 * the same each time, and the binding whose weighted throw is highest is chosen (rendezvous
 * hashing).  So each gets its share exactly, a binding that comes or goes moves only what it gets or
 * had, and a restart moves nothing: there is no ring that remembers in which order they came.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_HASH_CHOICE_H
#define SLUICE_CORE_HASH_CHOICE_H

#include "core/base/text.h"
#include "core/properties.h"
#include "core/table.h"

enum hash_source_kind {
    HASH_KEY,
    HASH_HEADER,
    HASH_MESSAGE_ID,
    HASH_CORRELATION_ID,
    HASH_TIMESTAMP,
};

struct hash_source { /* what of a message is hashed; zeroed: its routing key */
    enum hash_source_kind kind;
    struct sl_bytes header; /* borrowed from the arguments */
};

/* SL_EPRECOND: both are there, one is no string, or there is no such property; in RabbitMQ's words.
 * arguments: a checked table, or {NULL, 0}. */
SL_MUST_CHECK enum sl_err hash_source_read(struct sl_bytes arguments, struct hash_source *out,
                                           struct text *reason);

/* The number of a message.  What has no such header or property hashes as the empty one. */
uint64_t hash_choice_number(const struct hash_source *source, struct sl_bytes key,
                            struct sl_bytes properties);

/* A binding's key as a weight.  SL_EPRECOND: it is no whole number above 0. */
SL_MUST_CHECK enum sl_err hash_weight_read(struct sl_bytes key, double *weight,
                                           struct text *reason);

/* Of a binding to the queue or exchange of that name. */
uint64_t hash_choice_spot(struct sl_bytes destination, bool is_queue, struct sl_bytes key);

/* The highest is chosen. */
double hash_choice_throw(uint64_t message, uint64_t spot, double weight);

#endif
