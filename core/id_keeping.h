/*
 * id_keeping.h - ids on disk: what each checkpoint adds to them, and which files are still needed.
 *
 * A checkpoint costs what has come since the last one, however large the windows are:
 *
 *   keeper   id_keeping_begin          which file the new ids go to
 *   shards   id_keeping_save           ids that came, and (until settled) those that went
 *   keeper   id_keeping_take, _write   into that file, synced
 *            id_keeping_names          the files that are needed from now on: the checkpoint says it
 *            id_keeping_end            the checkpoint is durable: what it does not name goes
 *
 * Should the checkpoint fail, what was saved for it is written for the next one.
 *
 * The blocks of a file hold rows of
 *
 *   u8 kind, u64 queue number, u64 source (dedup.h), u16 n, n times
 *     1, ids:   16 bytes of hash, u64 sequence, u64 time, u32 ttl
 *     2, gone:  u64 sequence
 *
 * and the checkpoint has a section of u32 n, n times u64 number, u64 length, oldest first.
 *
 * Thread: as said with each; the rest the housekeeping thread.
 */
#ifndef SLUICE_CORE_ID_KEEPING_H
#define SLUICE_CORE_ID_KEEPING_H

#include "core/base/buffer.h"
#include "core/dedup.h"
#include "core/store/id_file.h"

#define ID_KEEPING_SECTION 48u /* its kind in the checkpoint */

struct id_keeping { /* zeroed, with files and start_number set, is one without files */
    struct sl_file_ops files;
    uint64_t start_number;
    uint64_t next_number; /* of a file; 0: the directory has not been looked at */
    struct id_file file;  /* that is being written */
    struct id_file_ref *refs;
    uint32_t refs_count, refs_room;
    uint64_t *unneeded; /* files that the next checkpoint does not name */
    uint32_t unneeded_count, unneeded_room;
    struct sl_buffer *pending; /* rows that are to be written, oldest first */
    uint32_t pending_count, pending_room;
    size_t pending_at; /* of the first of them */
    bool is_written;   /* and not synced */
};

/* Takes over the files that the last checkpoint named; refs becomes its own. */
void id_keeping_init(struct id_keeping *k, const struct sl_file_ops *files, uint64_t start_number,
                     struct id_file_ref *refs, uint32_t count);
void id_keeping_deinit(struct id_keeping *k);

/* The number of the file that the next ids go to. */
uint64_t id_keeping_begin(struct id_keeping *k);
/* Shard, at that time of the order: adds what is new of that queue's ids.  Returns the least file that the queue needs. */
uint64_t id_keeping_save(struct shard *s, struct queue *q, uint64_t time, uint64_t file,
                         struct sl_buffer *rows);
/* Rows of a shard; the buffer is empty then. */
void id_keeping_take(struct id_keeping *k, struct sl_buffer *rows);
/* Writes a bounded part.  SL_EFULL, SL_EIO, SL_ENOMEM. */
SL_MUST_CHECK enum sl_err id_keeping_write(struct id_keeping *k, bool *is_done);
/* Once all is written: what the checkpoint is to say when no file below first is needed;
 * empty: nothing.  first 0: none is. */
void id_keeping_names(struct id_keeping *k, uint64_t first, struct sl_buffer *section);
/* Files that the durable checkpoint does not name go.  SL_EIO. */
SL_MUST_CHECK enum sl_err id_keeping_end(struct id_keeping *k);

/* ---- recovery ---- */

struct id_visitor {
    enum sl_err (*id)(void *context, uint64_t queue, uint64_t source,
                      const struct remembered_id *id);
    enum sl_err (*gone)(void *context, uint64_t queue, sl_seq seq);
    enum sl_err (*file)(void *context, uint64_t number); /* all before was in that file */
    void *context;
};

/* Reads what the section names; *refs is the caller's.  SL_ECORRUPT: the section or a file is
 * damaged or missing, and the log says which. */
SL_MUST_CHECK enum sl_err id_keeping_read(const struct sl_file_ops *files, uint64_t start_number,
                                          struct sl_bytes section, const struct id_visitor *v,
                                          struct id_file_ref **refs, uint32_t *count);

#endif
