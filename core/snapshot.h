/*
 * snapshot.h - what a checkpoint says: durable definitions, and what each durable queue held at one
 * place of the log.
 *
 *   keeper   snapshot_new, snapshot_add_definitions    under the topology lock, and in the same hold
 *            LANE_SNAPSHOT to every shard              at one place X of the log
 *   shards   snapshot_take                             have heard all before X, nothing behind it
 *   keeper   snapshot_is_complete, snapshot_piece      when the log is durable that far
 *
 * A shard's own decisions that it has made before it took the item are in its part, and their
 * records lie behind X: replay meets both, so those records say the same however often they are
 * heard.
 *
 * The body of the checkpoint, big endian:
 *
 *   u64 next queue number, u64 bytes of a stretch
 *   u32 n, n definitions:  u16 record kind, u32 length, body as in journal.h
 *   u32 shards, for each:  u32 n, n queues:
 *     u64 number, u64 lent-up-to, u32 parts, each one of
 *       u8 1, a chunk:  u64 place, first, last, deadline, body bytes, lowest, highest,
 *                       u32 record length, count, from, transient, u8 level, u32 n, n spans:
 *                       u64 stretch, u64 bytes, u32 entries, u32 transient
 *       u8 2, an entry: INDEX_ENTRY_BYTES as in index.h; ENTRY_TO_DISCARD says that it was
 *                       rejected, and that the log does not say yet what came of it
 *
 * Chunks and entries stand in no order.
 *
 * Thread: as said with each.  A shard writes only its own part; the last one to come is the one
 * that makes it complete.
 */
#ifndef SLUICE_CORE_SNAPSHOT_H
#define SLUICE_CORE_SNAPSHOT_H

#include "core/backlog.h"
#include "core/base/buffer.h"
#include "core/live.h"
#include "core/store/record.h"

struct shard;
struct topology;

struct snapshot;

/* One reference, the caller's.  Aborts without memory: our own size. */
struct snapshot *snapshot_new(uint32_t shards, uint64_t stretch_bytes);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* any thread */

/* Under the topology lock. */
void snapshot_add_definitions(struct snapshot *s, struct topology *t);

/* The shard's thread: gives its part for place X, and the item's reference. */
void snapshot_take(struct shard *shard, struct snapshot *s, sl_lsn at);

/* ---- the keeper's thread ---- */

bool snapshot_is_complete(const struct snapshot *s);
/* When complete.  What is live of a shard's, as of its part; borrowed. */
const struct live *snapshot_live(const struct snapshot *s, uint32_t shard);
uint32_t snapshot_shards(const struct snapshot *s);
/* All shards together: records once, and for each entry what an INDEX takes. */
uint64_t snapshot_live_bytes(const struct snapshot *s);
/* The pieces of the body, in order, by number from 0 on; false: there are no more. */
bool snapshot_piece(const struct snapshot *s, uint32_t number, struct sl_bytes *out);

/* ---- reading ---- */

struct snapshot_visitor { /* an error ends the reading with it */
    void (*head)(void *context, uint64_t next_number, uint64_t stretch_bytes);
    enum sl_err (*definition)(void *context, const struct record *record);
    enum sl_err (*queue)(void *context, uint64_t number, uint64_t mark);
    /* Of the queue that came last; chunk and its spans are borrowed. */
    enum sl_err (*chunk)(void *context, const struct stored_chunk *chunk, uint8_t level);
    enum sl_err (*entry)(void *context, const struct entry *entry);
    void *context;
};

/* SL_ECORRUPT: not of the form. */
SL_MUST_CHECK enum sl_err snapshot_read(struct sl_bytes body, const struct snapshot_visitor *v);

#endif
