#include "core/keeper.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/broker.h"
#include "core/evacuation.h"
#include "core/id_keeping.h"
#include "core/retention.h"
#include "core/snapshot.h"
#include "core/store/checkpoint.h"

#include <stdlib.h>

#define WRITE_BYTES (1024u * 1024) /* in one step: others wait for this thread, too */
#define RETRY_MS 1000u             /* after one that found no room */
#define DRAIN_MS 250u              /* between those that only look for room to give back */
#define REST_FACTOR 5u             /* a checkpoint rests this many times as long as it took */
/* As often as the topology was locked for it, which grows with what is defined: that stays one or
 * two hundredths of all time, and the p99 of everybody where it was. */
#define HELD_REST_FACTOR 50u

enum keeper_state { KEEPER_IDLE, KEEPER_PARTS, KEEPER_DURABLE, KEEPER_WRITE };

struct keeper {
    struct broker *broker;
    struct commit_log *log;
    struct keeper_options options;
    enum keeper_state state;
    atomic_bool is_hurried;
    bool is_ending;
    atomic_bool is_busy;
    uint64_t last_from;  /* of the last checkpoint; 0: none yet in this life */
    uint64_t not_before; /* ms: no next one until then */
    uint64_t ended_ms;   /* the last one */
    uint64_t held_ms;    /* how long everybody waited for its definitions */
    uint64_t age_ms;     /* when the next mark of ages.h is due */
    /* the one under way */
    struct id_keeping ids;
    struct snapshot *snapshot;
    struct checkpoint_header header;
    struct checkpoint_writer *writer;
    bool has_ids;   /* those that came since the last one are in their file, and synced */
    uint32_t piece; /* of the snapshot, being written, from */
    size_t piece_at;
    uint64_t began_ms;
    /* behind it */
    struct retention retention;
    struct evacuation *evacuation;
    size_t next_victim;
    _Atomic uint64_t checkpoints, last_checkpoint_ms, live_bytes, released, moved; /* status */
};

static bool is_due(struct keeper *k, uint64_t now_ms);
static uint64_t tell_ms(const struct keeper *k);
static bool has_closed_a_segment(const struct keeper *k);
static bool has_closed_segments(const struct keeper *k);
static void begin(struct keeper *k, uint64_t now_ms);
static void fill_snapshot_item(void *context, struct lane_item *item);
static enum sl_err write_some(struct keeper *k, uint64_t now_ms);
static void take_ids(struct keeper *k);
static enum sl_err write_ids(struct keeper *k);
static enum sl_err write_piece(struct keeper *k, bool *is_done);
static enum sl_err give_up(struct keeper *k, uint64_t now_ms, enum sl_err err);
static enum sl_err end(struct keeper *k, uint64_t now_ms);
static void evacuate(struct keeper *k);
static bool may_evacuate(struct keeper *k, const struct retention_victim *victim);
static void fill_evacuation_item(void *context, struct lane_item *item);

struct keeper *keeper_new(struct broker *b, struct commit_log *log,
                          const struct keeper_options *options)
{
    struct keeper *k = calloc(1, sizeof *k);

    if (k == NULL)
        return NULL;
    k->broker = b;
    k->log = log;
    k->options = *options;
    if (k->options.checkpoint_bytes == 0)
        k->options.checkpoint_bytes = commit_log_segment_bytes(log);
    uint32_t files;
    struct id_file_ref *refs = broker_take_id_files(b, &files);
    id_keeping_init(&k->ids, &k->options.files, commit_log_start_number(log), refs, files);
    return k;
}

void keeper_free(struct keeper *k)
{
    if (k == NULL)
        return;
    if (k->writer != NULL)
        checkpoint_abandon(k->writer);
    if (k->snapshot != NULL)
        snapshot_unref(k->snapshot);
    if (k->evacuation != NULL)
        evacuation_unref(k->evacuation);
    retention_deinit(&k->retention);
    id_keeping_deinit(&k->ids);
    free(k);
}

enum sl_err keeper_step(struct keeper *k, uint64_t now_ms)
{
    enum sl_err err = SL_OK;

    if (now_ms >= k->age_ms) {
        broker_note_age(k->broker);
        k->age_ms = now_ms + AGES_STEP_MS;
    }
    if (k->evacuation != NULL || k->next_victim < k->retention.victims_count)
        evacuate(k);
    switch (k->state) {
    case KEEPER_IDLE:
        if (is_due(k, now_ms))
            begin(k, now_ms);
        break;
    case KEEPER_PARTS:
        if (!snapshot_is_complete(k->snapshot))
            break;
        take_ids(k);
        /* What the parts rely on was appended before they came. */
        k->header.durable = commit_log_end(k->log);
        commit_log_hurry(k->log);
        k->state = KEEPER_DURABLE;
        break;
    case KEEPER_DURABLE:
        if (sl_lsn_reached(commit_log_durable(k->log), k->header.durable))
            k->state = KEEPER_WRITE;
        break;
    case KEEPER_WRITE: err = write_some(k, now_ms); break;
    }
    atomic_store(&k->is_busy, k->state != KEEPER_IDLE || k->evacuation != NULL ||
                                  k->next_victim < k->retention.victims_count);
    return err;
}

void keeper_hurry(struct keeper *k)
{
    atomic_store(&k->is_hurried, true);
}

void keeper_end(struct keeper *k)
{
    k->is_ending = true;
    if (k->evacuation != NULL)
        evacuation_cancel(k->evacuation);
    keeper_hurry(k);
}

bool keeper_is_busy(const struct keeper *k)
{
    return atomic_load(&k->is_hurried) || atomic_load(&k->is_busy);
}

struct keeper_status keeper_status(const struct keeper *k)
{
    return (struct keeper_status){.checkpoints = k->checkpoints,
                                  .last_checkpoint_ms = k->last_checkpoint_ms,
                                  .live_bytes = k->live_bytes,
                                  .log_bytes = commit_log_disk_bytes(k->log),
                                  .released = k->released,
                                  .moved = k->moved};
}

/* The first one of a life comes soon where there is much to read again. */
static bool is_due(struct keeper *k, uint64_t now_ms)
{
    if (k->is_ending && k->evacuation != NULL)
        return false;
    if (atomic_load(&k->is_hurried))
        return true;
    if (k->is_ending || now_ms < k->not_before)
        return false;
    if (k->retention.was_evacuated && k->evacuation == NULL &&
        k->next_victim == k->retention.victims_count)
        return true;
    uint64_t grown = commit_log_end(k->log).v - k->last_from;
    if (now_ms - k->ended_ms >= DRAIN_MS)
        return has_closed_a_segment(k) || (grown != 0 && has_closed_segments(k));
    return false;
}

/* Since the last one: that segment may go, and be the next but one. */
static bool has_closed_a_segment(const struct keeper *k)
{
    uint64_t durable = commit_log_durable(k->log).v;

    return durable - durable % commit_log_segment_bytes(k->log) > k->last_from;
}

/* Then room may be had back by a little of log: acknowledgements make a long backlog short, and
 * what was out when the last checkpoint was taken has mostly ended. */
static bool has_closed_segments(const struct keeper *k)
{
    return commit_log_segments(k->log, NULL, 0) > 0;
}

static uint64_t tell_ms(const struct keeper *k)
{
    return k->options.clock == NULL ? 0 : sl_clock_monotonic_ms(k->options.clock);
}

/* Definitions and the place are from one hold of the topology lock, so they belong together. */
static void begin(struct keeper *k, uint64_t now_ms)
{
    struct topology *t = broker_topology(k->broker);
    struct broker_notice notice;
    uint64_t from_ms = tell_ms(k);

    atomic_store(&k->is_hurried, false);
    k->began_ms = now_ms;
    k->snapshot =
        snapshot_new(t->shards, commit_log_segment_bytes(k->log), id_keeping_begin(&k->ids));
    topology_lock(t);
    snapshot_add_definitions(k->snapshot, t);
    struct log_place place =
        broker_tell_shards(k->broker, &notice, fill_snapshot_item, k->snapshot);
    topology_unlock(t);
    k->held_ms = tell_ms(k) - from_ms;
    broker_wake_shards(k->broker, &notice);
    k->header = (struct checkpoint_header){.start_number = commit_log_start_number(k->log),
                                           .from = place.end,
                                           .next = {place.base},
                                           .time = place.time};
    k->piece = 0;
    k->piece_at = 0;
    k->has_ids = false;
    k->state = KEEPER_PARTS;
}

static void fill_snapshot_item(void *context, struct lane_item *item)
{
    item->kind = LANE_SNAPSHOT;
    item->snapshot = snapshot_ref(context);
}

static void take_ids(struct keeper *k)
{
    for (uint32_t i = 0; i < snapshot_shards(k->snapshot); i++)
        id_keeping_take(&k->ids, snapshot_ids(k->snapshot, i));
}

static enum sl_err write_some(struct keeper *k, uint64_t now_ms)
{
    bool is_done = false;
    enum sl_err err = SL_OK;

    if (!k->has_ids) {
        err = write_ids(k);
        return err == SL_OK ? SL_OK : give_up(k, now_ms, err);
    }
    if (k->writer == NULL)
        err = checkpoint_begin(&k->options.files, &k->writer);
    if (err == SL_OK)
        err = write_piece(k, &is_done);
    if (err == SL_OK && is_done) {
        struct checkpoint_writer *writer = k->writer;
        k->writer = NULL;
        err = checkpoint_end(writer, &k->header);
    }
    if (err != SL_OK)
        return give_up(k, now_ms, err);
    return is_done ? end(k, now_ms) : SL_OK;
}

/* Before the checkpoint says so. */
static enum sl_err write_ids(struct keeper *k)
{
    struct sl_buffer section;
    bool is_done;

    SL_TRY(id_keeping_write(&k->ids, &is_done));
    if (!is_done)
        return SL_OK;
    sl_buffer_init(&section, SIZE_MAX);
    id_keeping_names(&k->ids, snapshot_first_ids_file(k->snapshot), &section);
    snapshot_add_section(k->snapshot, ID_KEEPING_SECTION, sl_buffer_bytes(&section));
    sl_buffer_deinit(&section);
    k->has_ids = true;
    return SL_OK;
}

static enum sl_err write_piece(struct keeper *k, bool *is_done)
{
    struct sl_bytes bytes;

    if (!snapshot_piece(k->snapshot, k->piece, &bytes)) {
        *is_done = true;
        return SL_OK;
    }
    bytes = sl_bytes_skip(bytes, k->piece_at);
    if (bytes.len > WRITE_BYTES)
        bytes.len = WRITE_BYTES;
    k->piece_at += bytes.len;
    if (bytes.len != 0)
        return checkpoint_write(k->writer, bytes);
    k->piece++;
    k->piece_at = 0;
    return SL_OK;
}

/* The one that was there is as good as before. */
static enum sl_err give_up(struct keeper *k, uint64_t now_ms, enum sl_err err)
{
    if (k->writer != NULL)
        checkpoint_abandon(k->writer);
    k->writer = NULL;
    snapshot_unref(k->snapshot);
    k->snapshot = NULL;
    k->state = KEEPER_IDLE;
    k->not_before = now_ms + RETRY_MS;
    return err == SL_EIO ? SL_EIO : SL_EFULL;
}

static enum sl_err end(struct keeper *k, uint64_t now_ms)
{
    uint64_t took = now_ms - k->began_ms;
    uint64_t rest = REST_FACTOR * took + HELD_REST_FACTOR * k->held_ms;
    uint64_t released;

    k->last_from = k->header.from.v;
    k->ended_ms = now_ms;
    k->not_before = now_ms + (rest > k->options.interval_ms ? rest : k->options.interval_ms);
    if (k->evacuation == NULL) {
        retention_add_up(&k->retention, k->snapshot, k->log, k->header.from);
        k->next_victim = 0;
    }
    k->live_bytes = k->retention.live_bytes;
    k->last_checkpoint_ms = took;
    k->checkpoints++;
    snapshot_unref(k->snapshot);
    k->snapshot = NULL;
    k->state = KEEPER_IDLE;
    enum sl_err err = retention_release(&k->retention, k->log, &released);
    k->released += released;
    return err == SL_OK ? id_keeping_end(&k->ids) : err;
}

/* One stretch after the other, so that what shards do for it stays small. */
static void evacuate(struct keeper *k)
{
    struct broker_notice notice;

    if (k->evacuation != NULL) {
        if (!evacuation_is_over(k->evacuation))
            return;
        k->moved += k->evacuation->records;
        if (k->evacuation->left != 0)
            sl_warn("keeper.left", "entries=%llu place=%llu",
                    (unsigned long long)k->evacuation->left,
                    (unsigned long long)k->evacuation->from.v);
        k->retention.was_evacuated |= k->evacuation->records != 0;
        evacuation_unref(k->evacuation);
        k->evacuation = NULL;
    }
    if (k->next_victim == k->retention.victims_count)
        return;
    const struct retention_victim *victim = &k->retention.victims[k->next_victim++];
    if (!may_evacuate(k, victim)) {
        k->next_victim = k->retention.victims_count;
        return;
    }
    uint64_t base = victim->segment.base;
    k->evacuation = evacuation_new((sl_lsn){base}, (sl_lsn){base + victim->segment.size},
                                   broker_topology(k->broker)->shards);
    (void)broker_tell_shards(k->broker, &notice, fill_evacuation_item, k->evacuation);
    broker_wake_shards(k->broker, &notice);
}

/* Where there is no room for another segment, what is moved must fit into this one and leave room
 * for the checkpoint that frees what it was moved from.  Each shard writes its own copy. */
static bool may_evacuate(struct keeper *k, const struct retention_victim *victim)
{
    uint64_t copies = broker_topology(k->broker)->shards;

    if (k->is_ending)
        return false;
    return !commit_log_is_out_of_room(k->log) ||
           (!k->retention.was_evacuated && victim->live <= commit_log_left(k->log) / 2 / copies);
}

static void fill_evacuation_item(void *context, struct lane_item *item)
{
    item->kind = LANE_EVACUATE;
    item->evacuation = context;
}
