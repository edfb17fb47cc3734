/*
 * table_log.h - the log under a table top: made durable, kept short, moved to its end.
 *
 * A turn takes everything that is under way one step on: workers, the disk, fetches.  The reader
 * is a sitter who takes what it is sent, so that more may come; a test that holds fetches back
 * (is_fetch_held) lets one batch go with each turn.
 */
#ifndef SLUICE_TESTS_SUPPORT_TABLE_LOG_H
#define SLUICE_TESTS_SUPPORT_TABLE_LOG_H

#include "core/evacuation.h"
#include "core/keeper.h"
#include "tests/support/table_top.h"

/* Everything that was asked for is done, and durable. */
void table_sync(struct table *t);

/* A queue that is in the log; gives the answer. */
enum sl_err table_declare_durable(struct table *t, struct sitter *s, const char *queue,
                                  struct sl_bytes arguments);

/* False: nothing was fetched. */
bool table_turn(struct table *t, struct sitter *reader);
/* Turns until the reader hears nothing more. */
void table_rest(struct table *t, struct sitter *reader);

/* Takes checkpoints only when it is hurried. */
struct keeper *table_keeper(struct table *t);
/* Hurries it until it is done or fails; now_ms goes on by each step. */
enum sl_err table_checkpoint(struct table *t, struct keeper *k, uint64_t *now_ms);

/* Entries that the live segments of all shards count. */
uint64_t table_live_entries(const struct table *t);
/* Asks every shard; the caller takes turns until it is over, and lets go of it. */
struct evacuation *table_evacuate(struct table *t, sl_lsn from, sl_lsn to);

#endif
