/*
 * facts.h - what the process knows of itself: the numbers of overview and nodes.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_FACTS_H
#define SLUICE_GATEWAY_ADMIN_FACTS_H

#include "gateway/assemble.h"

struct facts {
    char node[128]; /* "sluice@host" */
    const char *data_dir;
    const char *bind;
    uint32_t amqp_port; /* 0: off */
    uint32_t stomp_port;
    const char *server_version; /* what clients are told */
    uint64_t started_ms;        /* since 1970 */
    uint64_t began_ms;          /* on the clock that never goes back */
    uint64_t uptime_ms;
    uint32_t workers;

    uint64_t published; /* all of these since the start */
    uint64_t unroutable;
    uint64_t confirmed;
    uint64_t delivered;
    uint64_t prepared;
    uint64_t committed; /* prepared messages: these two are decided */
    uint64_t rolled_back;
    uint64_t checks_sent;
    uint64_t connections_opened;
    uint64_t connections_closed;

    uint64_t memory_used; /* of messages, which is what publishers are held for */
    uint64_t memory_limit;
    uint32_t connections;
    uint64_t descriptors_used;
    uint64_t descriptors_total;
    uint64_t disk_free;
    uint64_t disk_free_limit;
    uint8_t held_by; /* of enum held_by */
    struct keeper_status log;
};

/* What stays: once.  What moves: before it is shown. */
void facts_init(struct facts *f, const struct gateway *g);
void facts_refresh(struct facts *f, const struct gateway *g);

#endif
