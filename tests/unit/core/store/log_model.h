/*
 * log_model.h - a commit log on a faulty disk, and what it has promised so far.
 *
 * Records carry their number (1, 2, 3 ...), their place in their group and bytes that follow from
 * the number.  After a reopening the numbers must be those of the appends from the first one on,
 * without a gap, at least up to the promised one, and end with a whole group.
 *
 * A checkpoint says how many records lie before it; segments that lie wholly before it may be
 * released.
 */
#ifndef SLUICE_TESTS_UNIT_CORE_STORE_LOG_MODEL_H
#define SLUICE_TESTS_UNIT_CORE_STORE_LOG_MODEL_H

#include "core/store/checkpoint.h"
#include "core/store/commit_log.h"
#include "tests/support/file_faulty.h"

#include <stdlib.h>

#define MODEL_SEGMENT_BYTES (16u * 1024)
#define MODEL_RUNS_MAX 8192u

struct model_body { /* then len bytes of pattern */
    uint64_t number;
    uint32_t len;
    uint32_t left_in_group; /* after this one */
};

struct model {
    struct faulty_disk *disk;
    struct sl_file_ops ops;
    struct commit_log *log; /* NULL: closed */
    struct log_run run;
    uint32_t page_bytes; /* of the log; 8: batches lie side by side */
    bool has_keeper;     /* works with checkpoints and releases */
    uint64_t kept;       /* records that the last checkpoint covers */
    uint64_t released;   /* segments */
    uint64_t appended;   /* records */
    uint64_t promised;   /* records that a durable cursor covered */
    struct {
        uint64_t last; /* record */
        uint64_t end;  /* lsn */
    } runs[MODEL_RUNS_MAX];
    size_t runs_count;
    uint64_t dice;
    uint32_t lent; /* bodies that are out */

    uint64_t seen; /* by the last opening */
    uint64_t seen_sequence;
    uint32_t seen_left;
    bool is_wrong;
    struct log_findings findings;
};

static inline uint64_t model_roll(struct model *m, uint64_t sides)
{
    uint64_t z = m->dice += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % sides;
}

static inline void model_init(struct model *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->disk = faulty_disk_new();
    m->ops = faulty_disk_ops(m->disk);
    m->dice = seed;
}

static inline void model_fill(uint8_t *at, uint64_t number, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        at[i] = (uint8_t)(number * 131 + i * 7 + 1);
}

struct model_checkpoint {
    uint64_t records;
    uint64_t sequence;
};

static inline enum sl_err model_on_checkpoint(void *context, struct sl_bytes bytes,
                                              struct log_reader *reader)
{
    struct model *m = context;
    struct model_checkpoint body = {0, 0};

    m->is_wrong |= reader == NULL || (bytes.at != NULL && bytes.len != sizeof body);
    if (bytes.len == sizeof body)
        memcpy(&body, bytes.at, sizeof body);
    m->is_wrong |= body.records < m->kept || m->seen != 0;
    m->seen = m->kept = body.records;
    m->seen_sequence = body.sequence;
    return SL_OK;
}

static inline enum sl_err model_on_record(void *context, const struct record *record, sl_lsn place)
{
    struct model *m = context;
    struct model_body body;
    bool is_good = place.v != 0 && record->kind == RECORD_MESSAGE &&
                   record->body.len >= sizeof body && record->sequence.v > m->seen_sequence;

    if (is_good) {
        memcpy(&body, record->body.at, sizeof body);
        is_good = body.number == m->seen + 1 && body.len <= record->body.len - sizeof body;
    }
    if (is_good) {
        uint8_t *expected = malloc(body.len + 1u);
        model_fill(expected, body.number, body.len);
        is_good = memcmp(expected, record->body.at + sizeof body, body.len) == 0;
        free(expected);
        m->seen_left = body.left_in_group;
        m->seen_sequence = record->sequence.v;
    }
    m->is_wrong |= !is_good;
    m->seen++;
    return SL_OK;
}

/* Opens and compares; what is there is promised from now on. */
static inline enum sl_err model_open(struct model *m)
{
    struct log_visitor visitor = {
        .checkpoint = model_on_checkpoint, .record = model_on_record, .context = m};
    struct log_options options = {
        .files = m->ops, .segment_bytes = MODEL_SEGMENT_BYTES, .page_bytes = m->page_bytes};

    m->seen = m->seen_sequence = m->seen_left = 0;
    m->is_wrong = false;
    enum sl_err err = commit_log_open(&options, &visitor, &m->findings, &m->log);
    if (err != SL_OK)
        return err;
    m->is_wrong |= m->seen < m->promised || m->seen > m->appended || m->seen_left != 0;
    m->appended = m->promised = m->seen;
    m->runs_count = 0;
    return SL_OK;
}

static inline void model_close(struct model *m)
{
    commit_log_close(m->log);
    m->log = NULL;
    log_run_clear(&m->run);
}

static inline void model_deinit(struct model *m)
{
    model_close(m);
    faulty_disk_free(m->disk);
}

static inline void model_give_back(void *owner)
{
    struct {
        struct model *m;
        uint8_t bytes[];
    } *lent = owner;

    lent->m->lent--;
    free(lent);
}

static inline void model_add(struct model *m, uint64_t offset, uint32_t len, uint32_t left)
{
    struct model_body body = {++m->appended, len, left};
    uint8_t *at;

    if (model_roll(m, 4) == 0 && len != 0) {
        struct {
            struct model *m;
            uint8_t bytes[];
        } *lent = malloc(sizeof *lent + len);
        lent->m = m;
        model_fill(lent->bytes, body.number, len);
        m->lent++;
        at = log_run_add_lent(&m->run, RECORD_MESSAGE, offset, sizeof body,
                              (struct sl_bytes){lent->bytes, len}, model_give_back, lent);
    } else {
        at = log_run_add(&m->run, RECORD_MESSAGE, offset, false, sizeof body + len);
        model_fill(at + sizeof body, body.number, len);
    }
    memcpy(at, &body, sizeof body);
}

static inline uint32_t model_len(struct model *m)
{
    switch (model_roll(m, 16)) {
    case 0: return 0;
    case 1: return (uint32_t)model_roll(m, 5000);
    case 2: return model_roll(m, 8) == 0 ? (uint32_t)model_roll(m, 40000) : 8;
    default: return (uint32_t)model_roll(m, 120);
    }
}

/* One run of a few records, sometimes a group, sometimes larger than a segment. */
static inline void model_append(struct model *m)
{
    uint32_t count = 1 + (uint32_t)model_roll(m, 6);
    bool is_group = model_roll(m, 3) == 0;

    if (is_group)
        log_run_group_begin(&m->run);
    for (uint32_t i = 0; i < count; i++)
        model_add(m, i, model_len(m), is_group ? count - 1 - i : 0);
    if (is_group)
        log_run_group_end(&m->run);
    struct log_place place = commit_log_append(m->log, &m->run, count, 0, NULL, NULL);
    m->runs[m->runs_count % MODEL_RUNS_MAX].last = m->appended;
    m->runs[m->runs_count++ % MODEL_RUNS_MAX].end = place.end.v;
}

/* What the cursor has passed may be told to publishers. */
static inline void model_note_promises(struct model *m)
{
    uint64_t durable = commit_log_durable(m->log).v;

    for (size_t i = 0; i < m->runs_count; i++)
        if (m->runs[i].end <= durable && m->runs[i].last > m->promised)
            m->promised = m->runs[i].last;
}

static inline enum sl_err model_flush(struct model *m)
{
    enum sl_err err = commit_log_flush(m->log);

    model_note_promises(m);
    return err;
}

static inline enum sl_err model_release(struct model *m, sl_lsn from)
{
    struct log_segment found[64];
    uint64_t bases[64];
    size_t n = 0;
    size_t closed = commit_log_segments(m->log, found, 64);

    for (size_t i = 0; i < closed && i < 64; i++)
        if (found[i].base + found[i].size <= from.v && model_roll(m, 4) != 0)
            bases[n++] = found[i].base;
    m->released += n;
    return commit_log_release(m->log, bases, n);
}

/* As the core's keeper goes about it. */
static inline enum sl_err model_keep(struct model *m)
{
    struct log_run empty = {0};
    struct checkpoint_writer *w;
    struct log_place at = commit_log_append(m->log, &empty, 0, 0, NULL, NULL);
    struct model_checkpoint body = {m->appended, at.base - 1};

    if (model_roll(m, 2) == 0)
        model_append(m);
    sl_lsn end = commit_log_end(m->log);
    SL_TRY(model_flush(m));
    struct checkpoint_header header = {
        .start_number = commit_log_start_number(m->log),
        .from = at.start,
        .durable = end,
        .next = {at.base},
        .time = at.time,
    };
    SL_TRY(checkpoint_begin(&m->ops, &w));
    enum sl_err err = checkpoint_write(w, (struct sl_bytes){(const uint8_t *)&body, sizeof body});
    if (err == SL_OK)
        err = checkpoint_end(w, &header);
    else
        checkpoint_abandon(w);
    SL_TRY(err);
    m->kept = body.records;
    return model_release(m, at.start);
}

/* Appends, flushes and prepares as the dice fall, until something fails or the steps are done. */
static inline enum sl_err model_work(struct model *m, unsigned steps)
{
    enum sl_err err = SL_OK;

    for (unsigned i = 0; i < steps && err == SL_OK; i++) {
        switch (model_roll(m, 4)) {
        case 0: err = model_flush(m); break;
        case 1: err = commit_log_prepare(m->log); break;
        default: model_append(m); break;
        }
        if (err == SL_OK && m->has_keeper && model_roll(m, 8) == 0)
            err = model_keep(m);
        if (err == SL_EFULL)
            err = SL_OK;
    }
    return err;
}

#endif
