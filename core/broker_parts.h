/*
 * broker_parts.h - what the files of broker.h share: broker.c (its life, and what concerns all
 * workers), broker_worker.c (a worker's turn), publishing.c.
 */
#ifndef SLUICE_CORE_BROKER_PARTS_H
#define SLUICE_CORE_BROKER_PARTS_H

#include "core/base/limits.h"
#include "core/broker.h"
#include "core/dedup.h"

struct broker {
    struct broker_options options;
    struct recovery *recovery; /* between begin and end */
    struct topology *topology;
    struct accounts *accounts;
    struct identity *identity;
    struct order order;
    struct fetch *fetch; /* with the log */
    struct pressure pressure;
    struct dedup_node dedup;
    struct broker_worker **workers;
    struct mailbox *session_inboxes[CREDIT_SHARDS_MAX + 1]; /* the last one is the desk's */
    struct mailbox *shard_inboxes[CREDIT_SHARDS_MAX];
    struct mailbox desk; /* desk.h: of answers to administration */
    struct client desk_client;
};

/* For large bodies that are still coming in. */
static inline uint64_t broker_room(const struct broker *b)
{
    return b->options.memory_budget_bytes / SL_ARRIVAL_BUDGET_SHARE;
}

#endif
