/*
 * fuzz_recovery.c - whatever lies in the segments and in the checkpoint, a start says yes or no.
 *
 * The first byte says how the rest is meant:
 *   1   segments lie behind a good header, and are not whole files
 *   2   lengths and checksums are put right on the way, so that what records say is tried, not only
 *       that they are whole
 *   4   several segments, each after u8 number, u16 length; otherwise the rest is the first one
 *   8   first comes a checkpoint, after u16 length
 *   16  a whole one: u16 log, u16 place in steps of 8, u16 of that what it relies on, u32 next
 *       sequence, and its body
 *   32  the core is started on it, too, takes from its queues, and leaves a checkpoint
 *   64  with little memory
 *
 * A start that refuses has changed nothing and says why.  After one that does not, another record
 * can be appended, and the next start sees all that this one saw, and that record.
 */
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/broker.h"
#include "core/fetch.h"
#include "core/keeper.h"
#include "core/memory.h"
#include "core/store/checkpoint.h"
#include "core/store/segment.h"
#include "tests/support/file_faulty.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define START 42u
#define SEGMENT_BYTES (32u * 1024)
#define DATA_BYTES_MAX (SEGMENT_BYTES - SEGMENT_HEADER_BYTES)
#define SEGMENTS_MAX 8u
#define WORKERS 2u
#define ROUNDS_MAX 1000
#define BUDGET_BYTES (64u * 1024 * 1024)
#define SMALL_BUDGET_BYTES 8192u

enum how {
    HOW_HEADER = 1,
    HOW_REPAIRED = 2,
    HOW_SEVERAL = 4,
    HOW_CHECKPOINT = 8,
    HOW_WHOLE_CHECKPOINT = 16,
    HOW_CORE = 32,
    HOW_SMALL_MEMORY = 64,
};

static struct sl_file_ops ops;

struct life { /* of the core, on one thread */
    struct broker *broker;
    struct commit_log *log;
    struct client client;
    uint64_t now_ms;
    struct sl_clock clock;
};

static enum sl_err count(void *context, const struct record *record, sl_lsn place)
{
    uint64_t *seen = context;
    const volatile uint8_t *body = record->body.at;

    SL_ASSERT(place.v % SEGMENT_BYTES >= SEGMENT_HEADER_BYTES);
    if (record->body.len != 0) /* it can be read to its end */
        (void)(body[0] + body[record->body.len - 1]);
    *seen += 1;
    return SL_OK;
}

static void repair(uint8_t *at, size_t len, uint64_t place)
{
    while (len >= RECORD_HEADER_BYTES) {
        struct record_header h;
        memcpy(&h, at, sizeof h);
        h.kind %= 48;
        h.flags %= 2;
        h.zero &= h.flags; /* rarely a later format */
        if (h.length < RECORD_HEADER_BYTES || h.length > len || h.length % 8 != 0)
            h.length = RECORD_HEADER_BYTES + h.length % 256 / 8 * 8;
        if (h.kind == RECORD_BATCH)
            h.length = RECORD_BATCH_BYTES;
        if (h.kind == RECORD_END)
            h.length = RECORD_END_BYTES;
        if (h.length > len)
            return;
        memcpy(at, &h, sizeof h);
        if (h.kind == RECORD_BATCH)
            memcpy(at + RECORD_HEADER_BYTES + 8, &(uint64_t){START}, 8);
        if (h.kind == RECORD_GROUP)
            repair(at + RECORD_HEADER_BYTES, h.length - RECORD_HEADER_BYTES,
                   place + RECORD_HEADER_BYTES);
        h.crc32c = record_checksum(at, h.length, START, (sl_lsn){place});
        memcpy(at, &h, sizeof h.crc32c);
        at += h.length;
        len -= h.length;
        place += h.length;
    }
}

static void put_segment(struct faulty_disk *disk, uint64_t base, struct sl_bytes in, unsigned how)
{
    char name[SEGMENT_NAME_ROOM];
    struct segment segment;
    uint8_t *bytes;

    if (in.len > DATA_BYTES_MAX)
        in.len = DATA_BYTES_MAX;
    segment_name(base, name);
    if ((how & HOW_HEADER) == 0) {
        faulty_disk_put(disk, name, in);
        return;
    }
    SL_ASSERT(segment_create(&ops, START, base, SEGMENT_BYTES, false, &segment) == SL_OK);
    bytes = malloc(in.len + 1);
    SL_ASSERT(bytes != NULL);
    if (in.len != 0)
        memcpy(bytes, in.at, in.len);
    if ((how & HOW_REPAIRED) != 0)
        repair(bytes, in.len, base + SEGMENT_HEADER_BYTES);
    SL_ASSERT(ops.write_at(segment.file, SEGMENT_HEADER_BYTES, &(struct iovec){bytes, in.len}, 1) ==
              SL_OK);
    free(bytes);
    segment_close(&ops, &segment);
}

static struct sl_bytes take_bytes(struct sl_bytes *rest, size_t n)
{
    struct sl_bytes bytes = {rest->at, n < rest->len ? n : rest->len};

    *rest = sl_bytes_skip(*rest, bytes.len);
    return bytes;
}

static uint64_t take_number(struct sl_bytes *rest, size_t n)
{
    struct sl_bytes bytes = take_bytes(rest, n);
    uint64_t value = 0;

    if (bytes.len != 0)
        memcpy(&value, bytes.at, bytes.len);
    return value;
}

static void put_segments(struct faulty_disk *disk, struct sl_bytes rest, unsigned how)
{
    if ((how & HOW_SEVERAL) == 0)
        put_segment(disk, 0, rest, how);
    for (unsigned is_there = 0; (how & HOW_SEVERAL) != 0 && rest.len != 0;) {
        uint64_t number = take_number(&rest, 1) % SEGMENTS_MAX;
        struct sl_bytes bytes = take_bytes(&rest, take_number(&rest, 2));
        if ((is_there & 1u << number) == 0)
            put_segment(disk, number * SEGMENT_BYTES, bytes, how);
        is_there |= 1u << number;
    }
}

static void put_checkpoint(struct faulty_disk *disk, struct sl_bytes in, unsigned how)
{
    struct checkpoint_writer *w;

    if ((how & HOW_WHOLE_CHECKPOINT) == 0) {
        faulty_disk_put(disk, CHECKPOINT_NAME, in);
        return;
    }
    uint64_t log = take_number(&in, 2);
    uint64_t from = take_number(&in, 2) * 8;
    uint64_t durable = from + take_number(&in, 2) * 8;
    uint64_t next = take_number(&in, 4);
    struct checkpoint_header header = {.start_number = log == 1 ? START + 1 : START,
                                       .from = {from},
                                       .durable = {durable},
                                       .next = {next},
                                       .time = 1000000};
    SL_ASSERT(checkpoint_begin(&ops, &w) == SL_OK);
    SL_ASSERT(checkpoint_write(w, in) == SL_OK);
    SL_ASSERT(checkpoint_end(w, &header) == SL_OK);
}

static uint64_t start_and_append(void)
{
    uint64_t seen = 0;
    uint64_t checked = 0;
    struct log_visitor visitor = {.record = count, .context = &seen};
    struct log_options options = {.files = ops, .segment_bytes = SEGMENT_BYTES};
    struct log_findings findings;
    struct commit_log *log;
    struct log_run run = {0};

    enum sl_err said = commit_log_check(
        &ops, &(struct log_visitor){.record = count, .context = &checked}, &findings);
    enum sl_err err = commit_log_open(&options, &visitor, &findings, &log);
    SL_ASSERT(err == said && seen == checked);
    if (err != SL_OK) {
        SL_ASSERT(err == SL_ECORRUPT && findings.problem[0] != '\0');
        return UINT64_MAX;
    }
    memset(log_run_add(&run, RECORD_MESSAGE, 0, false, 10), 1, 10);
    (void)commit_log_append(log, &run, 1, 0, NULL, NULL);
    SL_ASSERT(commit_log_flush(log) == SL_OK);
    commit_log_close(log);
    log_run_clear(&run);
    return seen;
}

/* ---- the core ---- */

static uint64_t tell_time(void *life)
{
    return ((struct life *)life)->now_ms;
}

static void wake_nobody(void *context, uint32_t worker)
{
    (void)context, (void)worker; /* all are stepped in turn */
}

static void announce(void *life)
{
    broker_on_durable(((struct life *)life)->broker);
}

/* False: it was refused. */
static bool begin_life(struct life *l, unsigned how)
{
    struct broker_options options = {
        .workers = WORKERS,
        .memory_budget_bytes = (how & HOW_SMALL_MEMORY) != 0 ? SMALL_BUDGET_BYTES : BUDGET_BYTES,
        .clock = &l->clock,
        .wake = wake_nobody};
    struct log_options log_options = {
        .files = ops, .segment_bytes = SEGMENT_BYTES, .announce = announce, .announce_context = l};
    struct log_findings findings = {0};

    *l = (struct life){.now_ms = 2000000, .clock = {tell_time, tell_time, l}};
    l->broker = broker_new(&options);
    SL_ASSERT(l->broker != NULL);
    struct log_visitor visitor = broker_recovery_begin(l->broker);
    enum sl_err err = commit_log_open(&log_options, &visitor, &findings, &l->log);
    if (err != SL_OK)
        l->log = NULL;
    enum sl_err end = broker_recovery_end(l->broker, l->log, findings.time);
    if (err == SL_OK)
        err = end;
    SL_ASSERT(err == SL_OK || err == SL_ECORRUPT);
    return err == SL_OK;
}

static void end_life(struct life *l, struct faulty_disk *disk)
{
    faulty_disk_fail_always(disk, FAULTY_ANY, SL_EIO);
    broker_free(l->broker);
    commit_log_close(l->log);
    faulty_disk_fail_always(disk, FAULTY_ANY, SL_OK);
    broker_thread_end();
    SL_ASSERT(memory_used() == 0);
}

static bool step(struct life *l)
{
    bool has_more = false;

    for (uint32_t i = 0; i < WORKERS; i++) {
        struct broker_worker *w = broker_worker_at(l->broker, i);
        broker_worker_refresh(w);
        broker_worker_hand_over(w);
        has_more |= broker_worker_run_shard(w);
        struct mail_chain mail = broker_worker_take_mail(w);
        while (mail.first != NULL) {
            struct mail *one = (struct mail *)mail.first;
            mail.first = one->node.next;
            mail_free(one);
        }
        broker_worker_balance(w);
    }
    has_more |= fetch_run(broker_fetch(l->broker));
    for (uint32_t i = 0; i < WORKERS; i++)
        has_more |= broker_worker_has_work(broker_worker_at(l->broker, i));
    return has_more;
}

static void settle(struct life *l)
{
    for (int i = 0; i < ROUNDS_MAX && step(l); i++) {
    }
    SL_ASSERT(commit_log_flush(l->log) == SL_OK);
    for (int i = 0; i < ROUNDS_MAX && step(l); i++) {
    }
}

static void take_some(struct life *l)
{
    static const char *const QUEUES[] = {"a", "b", "c"};

    broker_client_init(&l->client, broker_worker_at(l->broker, 0), (struct sl_handle){1, 1, 0});
    SL_ASSERT(broker_open_vhost(&l->client, sl_bytes_of("/")) == SL_OK);
    for (int n = 0; n < 3; n++) {
        for (size_t i = 0; i < sizeof QUEUES / sizeof QUEUES[0]; i++)
            broker_get(&l->client, 1, sl_bytes_of(QUEUES[i]), true);
        settle(l);
    }
    broker_purge_queue(&l->client, 1, sl_bytes_of("b"));
    settle(l);
}

static void keep(struct life *l)
{
    struct keeper *keeper = keeper_new(l->broker, l->log, &(struct keeper_options){.files = ops});

    SL_ASSERT(keeper != NULL);
    keeper_hurry(keeper);
    for (int i = 0; i < 50 && keeper_is_busy(keeper); i++) {
        SL_ASSERT(keeper_step(keeper, l->now_ms++) == SL_OK);
        settle(l);
    }
    keeper_free(keeper);
}

/* What one life makes of it, the next one accepts. */
static void live(struct faulty_disk *disk, unsigned how)
{
    struct life life;

    if (begin_life(&life, how)) {
        settle(&life);
        take_some(&life);
        keep(&life);
        broker_client_close(&life.client);
        settle(&life);
        end_life(&life, disk);
        SL_ASSERT(begin_life(&life, how));
        settle(&life);
    }
    end_life(&life, disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct faulty_disk *disk = faulty_disk_new();
    struct sl_bytes rest = {data + 1, size - 1};
    unsigned how = data[0];

    sl_log_set_level(SL_LOG_ERROR);
    ops = faulty_disk_ops(disk);
    if ((how & HOW_CHECKPOINT) != 0)
        put_checkpoint(disk, take_bytes(&rest, take_number(&rest, 2)), how);
    put_segments(disk, rest, how);
    if ((how & HOW_CORE) != 0) {
        live(disk, how);
    } else {
        uint64_t seen = start_and_append();
        if (seen != UINT64_MAX)
            SL_ASSERT(start_and_append() == seen + 1);
    }
    faulty_disk_free(disk);
    return 0;
}
