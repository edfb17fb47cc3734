/*
 * history.h - the last messages that an exchange of type x-recent-history has seen.
 *
 * The exchange routes like a fanout.  What is published to it is noted here as well, and a queue or
 * exchange that is bound to it gets what is noted, as if it were published then, oldest first.  As
 * with RabbitMQ's plugin the history is in memory only: a restart begins with none.
 *
 * A history holds copies of its own, since a message belongs to whoever publishes it until queues
 * have it.  It is bounded by its length, by bytes, and by the bytes of all histories together: the
 * oldest messages go first, and one for which there is no room is not noted.
 *
 * Thread: any.  A history is counted: its exchange holds it, and so do routes that lead through it.
 */
#ifndef SLUICE_CORE_HISTORY_H
#define SLUICE_CORE_HISTORY_H

#include "core/message.h"
#include "core/table.h"

struct history;

/* SL_EPRECOND: x-recent-history-length is no whole number above 0.  arguments: a checked table, or
 * {NULL, 0}. */
SL_MUST_CHECK enum sl_err history_length_read(struct sl_bytes arguments, uint32_t *length,
                                              struct text *reason);

struct history *history_new(uint32_t length);
void history_unref(struct history *h); /* NULL: nothing */
/* Its exchange goes: what is noted goes at once, and nothing is noted any more. */
void history_end(struct history *h); /* NULL: nothing */

/* The noted messages, oldest first; each a reference of the caller's.  *messages is the caller's. */
uint32_t history_messages(struct history *h, struct message ***messages);

/* ---- the histories that a route leads through ---- */

struct history_set;

/* Adds h and a reference to it.  *set: NULL at first; nobody else has it yet. */
void history_set_add(struct history_set **set, struct history *h);
struct history_set *history_set_ref(struct history_set *set); /* NULL: NULL */
void history_set_unref(struct history_set *set);              /* NULL: nothing */
/* Before msg is published: notes it in each of them, unless its x-recent-history-no-store is true. */
void history_set_note(const struct history_set *set, const struct message *msg);

#endif
