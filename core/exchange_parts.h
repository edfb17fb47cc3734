/*
 * exchange_parts.h - what the files of exchange.h share: exchange.c (which bindings there are),
 * exchange_match.c (which of them a message matches); exchange_type.c needs none of it.
 *
 * Thread: any, under topology_lock.
 */
#ifndef SLUICE_CORE_EXCHANGE_PARTS_H
#define SLUICE_CORE_EXCHANGE_PARTS_H

#include "core/exchange.h"
#include "core/hash_choice.h"
#include "core/history.h"
#include "core/topic_tree.h"

struct bindings {
    enum exchange_type type;
    struct hash_map all;        /* of struct binding, by identity */
    struct hash_map by_key;     /* direct: of struct key_entries */
    struct topic_tree by_topic; /* topic */
    struct list unkeyed;        /* all others */
    struct hash_source hashed;  /* consistent hash */
    struct history *history;    /* recent history */
};

struct key_entries { /* the bindings of a direct exchange that have one key */
    struct list entries;
    uint8_t key[];
};

#endif
