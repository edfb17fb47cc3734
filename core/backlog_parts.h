/*
 * backlog_parts.h - what the files of backlog.h share.
 */
#ifndef SLUICE_CORE_BACKLOG_PARTS_H
#define SLUICE_CORE_BACKLOG_PARTS_H

#include "core/chunk.h"

/* Appends an empty chunk to the row; the one before it is closed. */
struct chunk *backlog_append(struct backlog *b, struct chunk *c);
/* Takes the chunk out of the row and frees it. */
void backlog_remove(struct backlog *b, struct chunk *c);
/* It is in memory, and in the row with others behind it. */
void backlog_list(struct backlog *b, struct chunk *c);
/* Takes the least of the heap. */
struct entry backlog_heap_pop(struct backlog *b);

#endif
