/*
 * repeat.h - the head of the last SEND, remembered with what it came to.
 *
 * A sender mostly says the same head again and again; only receipt and content-length change.
 * Comparing the text is much cheaper than reading it, checking it and making properties of it.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_REPEAT_H
#define SLUICE_PROTOCOLS_STOMP_REPEAT_H

#include "core/base/bytes.h"
#include "core/route.h"

#define STOMP_REPEAT_LINES_MAX 24u
#define STOMP_REPEAT_BYTES_MAX 4096u

struct stomp_repeat { /* zeroed: nothing is remembered */
    uint8_t *block;   /* owned; everything below lies in it */
    size_t room;
    struct sl_bytes lines[STOMP_REPEAT_LINES_MAX]; /* with their line ends; without the two that
                                                      change */
    uint32_t lines_count;                          /* 0: nothing is remembered */
    struct sl_bytes exchange;
    struct sl_bytes key;
    struct sl_bytes properties;
    const struct route *route; /* valid while the route cache is at this epoch */
    uint64_t epoch;
};

struct stomp_again {         /* a head that is the remembered one; borrowed from the input */
    struct sl_bytes receipt; /* at is NULL without one */
    uint64_t length;         /* UINT64_MAX: not announced */
};

void stomp_repeat_deinit(struct stomp_repeat *r);

/* Remembers the head with these lines, if it is short enough. */
void stomp_repeat_learn(struct stomp_repeat *r, struct sl_bytes lines, struct sl_bytes exchange,
                        struct sl_bytes key, struct sl_bytes properties);

static inline void stomp_repeat_forget(struct stomp_repeat *r)
{
    r->lines_count = 0;
}

/* Reads the remembered head; false: it is another one, or not whole, or one to be looked at
 * closely.  Then in is as it was. */
bool stomp_repeat_match(const struct stomp_repeat *r, struct sl_reader *in,
                        struct stomp_again *again);

#endif
