/*
 * bench_log.c - how fast the commit log takes and syncs records, alone.
 *
 *   bench_log [DIR [SECONDS]]     DIR holds no log: what is made there is removed again
 *
 * One and two threads append runs of records, a third flushes, a fourth prepares segments.  In
 * the window form one thread appends a single record and waits until it is durable.
 */
#include "core/base/assert.h"
#include "core/store/commit_log.h"
#include "core/store/segment.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define RUN_BYTES (64u * 1024) /* what one read from a socket makes, about */

struct bench {
    struct commit_log *log;
    size_t body;
    unsigned run;  /* records */
    int announced; /* eventfd; -1: nobody waits for each run to be durable */
    uint64_t until;
    atomic_bool is_over;
    _Atomic uint64_t records;
    _Atomic uint64_t appends;
    _Atomic uint64_t append_ns; /* in commit_log_append, lock and wake included */
    uint64_t flushes;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *append_records(void *context)
{
    struct bench *b = context;
    struct log_run run = {0};
    uint64_t appends = 0;
    uint64_t spent = 0;

    while (now_ns() < b->until) {
        for (unsigned i = 0; i < b->run; i++)
            memset(log_run_add(&run, RECORD_MESSAGE, i, false, b->body), 'x', b->body);
        uint64_t from = now_ns();
        struct log_place place = commit_log_append(b->log, &run, b->run, 0, NULL, NULL);
        spent += now_ns() - from;
        appends++;
        uint64_t count;
        while (b->announced >= 0 && !sl_lsn_reached(commit_log_durable(b->log), place.end))
            SL_ASSERT(read(b->announced, &count, sizeof count) == sizeof count);
        while (commit_log_is_behind(b->log))
            usleep(100);
    }
    atomic_fetch_add(&b->records, appends * b->run);
    atomic_fetch_add(&b->appends, appends);
    atomic_fetch_add(&b->append_ns, spent);
    log_run_clear(&run);
    return NULL;
}

static void announce(void *context)
{
    const struct bench *b = context;

    if (b->announced >= 0)
        SL_ASSERT(write(b->announced, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
}

static void *flush_batches(void *context)
{
    struct bench *b = context;

    for (; commit_log_wait(b->log); b->flushes++)
        SL_ASSERT(commit_log_flush(b->log) == SL_OK);
    return NULL;
}

static void *prepare_segments(void *context)
{
    struct bench *b = context;

    for (; !atomic_load(&b->is_over); usleep(1000))
        SL_ASSERT(commit_log_prepare(b->log) == SL_OK);
    return NULL;
}

static void remove_segment(void *context, const char *name)
{
    struct sl_file_ops *files = context;
    uint64_t base;

    if (segment_parse_name(name, &base)) /* the directory may hold other things */
        SL_ASSERT(files->remove(files->self, name) == SL_OK);
}

static void note_segment(void *context, const char *name)
{
    uint64_t base;

    *(bool *)context |= segment_parse_name(name, &base);
}

static void measure(struct sl_file_ops *files, unsigned threads, size_t body, unsigned run,
                    bool waits, unsigned seconds)
{
    struct bench b = {.body = body, .run = run, .announced = -1};
    struct log_options options = {.files = *files, .announce = announce, .announce_context = &b};
    struct log_findings findings;
    pthread_t ids[4];

    if (waits)
        b.announced = eventfd(0, 0);
    SL_ASSERT(commit_log_open(&options, &(struct log_visitor){0}, &findings, &b.log) == SL_OK);
    uint64_t from = now_ns();
    b.until = from + seconds * 1000000000ull;
    pthread_create(&ids[2], NULL, flush_batches, &b);
    pthread_create(&ids[3], NULL, prepare_segments, &b);
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, append_records, &b);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    atomic_store(&b.is_over, true);
    commit_log_stop(b.log);
    pthread_join(ids[2], NULL);
    pthread_join(ids[3], NULL);
    double took = (double)(now_ns() - from) / 1e9; /* until the last one is durable */
    double records = (double)atomic_load(&b.records);
    double flushes = (double)b.flushes;
    printf("%u thread%s, %5zu B, %4u a run%s: %9.0f records/s %7.1f MB/s %6.0f syncs/s "
           "%7.0f records/sync  append %4.0f ns\n",
           threads, threads == 1 ? " " : "s", body, run, waits ? ", waiting" : "", records / took,
           records / took * (double)record_length(body) / 1e6, flushes / took, records / flushes,
           (double)b.append_ns / (double)b.appends);
    commit_log_close(b.log);
    if (waits)
        close(b.announced);
    SL_ASSERT(files->list(files->self, remove_segment, files) == SL_OK);
}

int main(int argc, char **argv)
{
    char path[SCRATCH_BYTES];
    const char *dir = argc > 1 ? argv[1] : mkdtemp(scratch_name(path, "bench-log"));
    unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
    struct sl_file_ops files;

    if (dir == NULL || seconds == 0 || file_posix_open(dir, &files) != SL_OK) {
        fprintf(stderr, "usage: bench_log [DIR [SECONDS]]\n");
        return 2;
    }
    bool has_log = false;
    if (files.list(files.self, note_segment, &has_log) != SL_OK || has_log) {
        fprintf(stderr, "bench_log: %s holds a log\n", dir);
        return 2;
    }
    for (unsigned threads = 1; threads <= 2; threads++) {
        measure(&files, threads, 16, RUN_BYTES / record_length(16), false, seconds);
        measure(&files, threads, 1024, RUN_BYTES / record_length(1024), false, seconds);
    }
    measure(&files, 1, 1024, 1, true, seconds);
    file_posix_close(&files);
    if (argc <= 1)
        rmdir(path);
    return 0;
}
