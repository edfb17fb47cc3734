/*
 * cluster_name.h - how the name of a cluster queue is read and written (SEMANTICS 2).
 *
 *   /topic/PATTERN@ID                   on amq.topic
 *   /exchange/EXCHANGE/PATTERN@ID       on that exchange
 *   /exchange/EXCHANGE@ID               on one without keys
 *   /queue/Consumer.ID.VirtualTopic.X   as ActiveMQ says /topic/VirtualTopic.X@ID
 *
 * In the first three forms the last @ splits, %40 is a literal one and %2F a slash.  Of several
 * spellings of one cluster queue one is its own name: the /topic form where the exchange is
 * amq.topic, @ written as %40, and in the exchange / as %2F.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_CLUSTER_NAME_H
#define SLUICE_CORE_CLUSTER_NAME_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/text.h"

#define CLUSTER_TOPIC_EXCHANGE "amq.topic" /* what stands behind /topic in a name */

struct cluster_name { /* points into itself: not to be copied */
    struct sl_bytes exchange;
    struct sl_bytes pattern; /* empty: none was said */
    struct sl_bytes id;
    struct sl_bytes own; /* the queue's own name */
    uint8_t exchange_room[SL_NAME_BYTES_MAX];
    uint8_t pattern_room[SL_NAME_BYTES_MAX];
    uint8_t own_room[SL_NAME_BYTES_MAX]; /* the id is its end */
};

/* 1 to 64 of A-Za-z0-9._- */
bool cluster_id_is_valid(struct sl_bytes id);
enum sl_err cluster_id_check(struct sl_bytes id, struct text *reason); /* SL_EPRECOND */

/* Reads any of the spellings.  SL_ENOENT: text is the name of an ordinary queue; SL_EPRECOND: it
 * begins and splits like one of the spellings, but cannot be one. */
SL_MUST_CHECK enum sl_err cluster_name_read(struct sl_bytes text, struct cluster_name *out,
                                            struct text *reason);

/* The queue of that ClusterID on text, which is /topic/PATTERN, /exchange/EXCHANGE/PATTERN or
 * /exchange/EXCHANGE, every @ of it literal.  SL_ENOENT: text is none of these; SL_EPRECOND. */
SL_MUST_CHECK enum sl_err cluster_name_of_topic(struct sl_bytes text, struct sl_bytes id,
                                                struct cluster_name *out, struct text *reason);

/* The queue of that ClusterID, its parts as they are meant.  SL_EPRECOND. */
SL_MUST_CHECK enum sl_err cluster_name_make(struct sl_bytes exchange, struct sl_bytes pattern,
                                            struct sl_bytes id, struct cluster_name *out,
                                            struct text *reason);

/* SL_EPRECOND: a cluster queue on that exchange needs a pattern, or cannot have one. */
enum sl_err cluster_name_refuse_pattern(struct sl_bytes exchange, bool is_missing,
                                        struct text *reason);

/* Splits at the last @.  False: there is none. */
bool cluster_name_split(struct sl_bytes text, struct sl_bytes *before, struct sl_bytes *id);

/* Splits Consumer.ID.VirtualTopic.X into ID and VirtualTopic.X.  False: it is not that. */
bool cluster_name_split_virtual(struct sl_bytes queue, struct sl_bytes *id,
                                struct sl_bytes *pattern);

#endif
