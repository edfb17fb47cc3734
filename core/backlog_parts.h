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
/* Is what is next in the row, and not among the returned? */
bool backlog_row_is_next(const struct backlog *b);
/* Between heap and front: neither changes how many there are.  Pop takes the least. */
void backlog_heap_push(struct backlog *b, const struct entry *entry);
struct entry backlog_heap_pop(struct backlog *b);

#endif
