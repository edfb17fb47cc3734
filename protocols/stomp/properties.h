/*
 * properties.h - the headers of SEND as a message's properties, and those of a message as the
 * headers of MESSAGE.
 *
 * Known names become the properties of the same meaning; every other header becomes a string in
 * the header table.  On the way out what STOMP cannot say becomes a string (numbers, times,
 * truth) or is left out (tables, arrays, bytes that no header can hold are escaped).
 */
#ifndef SLUICE_PROTOCOLS_STOMP_PROPERTIES_H
#define SLUICE_PROTOCOLS_STOMP_PROPERTIES_H

#include "core/base/arena.h"
#include "protocols/stomp/headers.h"

struct stomp_sending {        /* what else the properties of a SEND depend on */
    struct sl_bytes reply_to; /* instead of the header's, when at is not NULL */
    uint64_t now_wall_ms;     /* for ActiveMQ's absolute `expires` */
    uint64_t delay_ms;        /* of schedule.h: becomes the header x-delay */
    bool is_timed;            /* out: `expires` was used, so the properties hold only now */
};

/* Gives flat properties in the arena.  SL_ESYNTAX, SL_ETOOBIG: *why names the header, a
 * literal.  SL_ENOMEM. */
SL_MUST_CHECK enum sl_err stomp_properties_read(const struct stomp_headers *h,
                                                struct stomp_sending *sending, struct arena *arena,
                                                struct sl_bytes *flat, const char **why);

/* Appends the header lines that say what flat says. */
SL_MUST_CHECK enum sl_err stomp_properties_write(struct sl_buffer *to, struct sl_bytes flat);

#endif
