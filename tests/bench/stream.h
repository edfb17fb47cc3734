/*
 * stream.h - one publisher with a window of confirms, and consumers that acknowledge by the
 * hundred: the load of most measuring programs.
 *
 * The queues exist and are bound.  A run ends when everything that was sent has arrived.
 */
#ifndef SLUICE_TESTS_BENCH_STREAM_H
#define SLUICE_TESTS_BENCH_STREAM_H

#include "tests/bench/load.h"

struct stream {
    SSL_CTX *tls; /* NULL: plain */
    const char *exchange;
    const char *key;
    unsigned keys;      /* further words .0000, .0001, ... of the key, in turns; 0: none */
    const char *header; /* with a text of 16 digits; NULL: no headers */
    uint64_t values;    /* of the header, in turns; 0: a new one for every message */
    const char *const *queues;
    unsigned queue_count;
    unsigned consumers; /* for each queue */
    size_t body_bytes;
    bool is_transient;
    uint64_t messages; /* 0: what the options say */
};

/* Deliveries a second. */
struct pace run_stream(const struct options *o, const struct stream *stream);

#endif
