/*
 * copies.h - the further routing keys of a publish: its headers CC and BCC (RabbitMQ's
 * sender-selected distribution).
 *
 * Each is an array of strings; a message goes where its routing key and all of them lead, to
 * every queue once.  BCC stays in the message as it is kept, for dead-lettering goes by its keys
 * too, and is left out where the message is shown to anybody.
 *
 * Who asks has seen MARK_COPIES on the message (known_headers.h): nothing here costs the others.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_COPIES_H
#define SLUICE_CORE_COPIES_H

#include "core/known_headers.h"

struct copies { /* a walk over the keys */
    struct known_headers known;
    struct sl_reader rest;
    unsigned next; /* of CC and BCC, which is to be walked */
};

/* SL_EPRECOND: one is no array, or they hold more than SL_COPIES_MAX keys. */
SL_MUST_CHECK enum sl_err copies_check(struct sl_bytes properties, struct text *reason);

/* properties: flat, checked; or {NULL, 0}: there are none.  What is no array has no keys, and so has
 * an element that is no string of at most SL_NAME_BYTES_MAX bytes. */
void copies_begin(struct copies *c, struct sl_bytes properties);
bool copies_next(struct copies *c, struct sl_bytes *key);

/* The properties without BCC.  room: as many bytes as they have, and it borrows from it. */
struct sl_bytes copies_hide(struct sl_bytes properties, uint8_t *room);

#endif
