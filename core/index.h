/*
 * index.h - entries of a queue on disk: the body of an INDEX record.
 *
 *   u64 queue number (0: not a durable queue), u32 count, u32 zero, count entries of 40 bytes:
 *   u64 sequence, u64 place, u64 deadline, u32 record length, u32 body length, u16 copies,
 *   u8 priority, u8 flags, u32 zero                                        (big endian)
 *
 * Replay passes over these records; a checkpoint names them by place, and so does the queue whose
 * entries they hold.
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_INDEX_H
#define SLUICE_CORE_INDEX_H

#include "core/backlog.h"
#include "core/base/bytes.h"

#define INDEX_HEAD_BYTES 16u
#define INDEX_ENTRY_BYTES 40u

static inline size_t index_bytes(uint32_t count)
{
    return INDEX_HEAD_BYTES + (size_t)count * INDEX_ENTRY_BYTES;
}

/* Writes index_bytes(count). */
void index_write(uint8_t *at, uint64_t queue_number, const struct entry *entries, uint32_t count);
/* Gives count entries without messages, at most room.  SL_ECORRUPT: not of the form, sequences
 * that do not grow, or more than room. */
SL_MUST_CHECK enum sl_err index_read(struct sl_bytes body, uint64_t *queue_number,
                                     struct entry *entries, uint32_t room, uint32_t *count);

/* One entry, as checkpoints keep single ones: INDEX_ENTRY_BYTES, with the returns in the last u32. */
void index_write_entry(uint8_t *at, const struct entry *entry);
void index_read_entry(const uint8_t *at, struct entry *entry);

#endif
