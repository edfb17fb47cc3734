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
 *       u8 64, what is known of a prepared message, beside its entry:
 *                       u64 sequence, u64 time, u64 timeout, u64 last check, u32 checks,
 *                       u8 flags (1 told, 2 it has a timeout), user, id, exchange, key (u8, bytes),
 *                       u32 length, check destination
 *       u8 65, a block of outcomes: u64 place, u32 record length; these come in their order,
 *       u8 66, and behind them single ones: key, u64 time, u8 verdict
 *
 *       u8 67, of a holding queue (delayed.h): u64 cursor
 *
 * Chunks and entries stand in no order.  Behind the shards come sections, as many as there are:
 *   u16 kind, u64 length, bytes: of ids, see id_keeping.h
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

/* One reference, the caller's.  ids_file: where the ids go that have come since the last one
 * (id_keeping.h).  Aborts without memory: our own size. */
struct snapshot *snapshot_new(uint32_t shards, uint64_t stretch_bytes, uint64_t ids_file);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* any thread */

/* Under the topology lock. */
void snapshot_add_definitions(struct snapshot *s, struct topology *t);

/* The shard's thread: gives its part for place X, and the item's reference. */
void snapshot_take(struct shard *shard, struct snapshot *s, sl_lsn at, uint64_t time);

/* ---- the keeper's thread ---- */

bool snapshot_is_complete(const struct snapshot *s);
/* When complete.  What is live of a shard's, as of its part; borrowed. */
const struct live *snapshot_live(const struct snapshot *s, uint32_t shard);
uint32_t snapshot_shards(const struct snapshot *s);
/* All shards together: records once, and for each entry what an INDEX takes. */
uint64_t snapshot_live_bytes(const struct snapshot *s);
/* A shard's rows of ids, to be taken away; and the least file of ids that any queue needs, or 0. */
struct sl_buffer *snapshot_ids(struct snapshot *s, uint32_t shard);
uint64_t snapshot_first_ids_file(const struct snapshot *s);
/* Before the last piece is asked for; nothing is added for an empty one. */
void snapshot_add_section(struct snapshot *s, uint16_t kind, struct sl_bytes bytes);
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
    enum sl_err (*section)(void *context, uint16_t kind, struct sl_bytes bytes);
    /* Another part of that queue, which whoever it belongs to reads. */
    enum sl_err (*other)(void *context, uint8_t kind, struct sl_reader *r);
    void *context;
};

/* SL_ECORRUPT: not of the form. */
SL_MUST_CHECK enum sl_err snapshot_read(struct sl_bytes body, const struct snapshot_visitor *v);

#endif
