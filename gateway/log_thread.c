#include "gateway/log_thread.h"

#include "core/base/log.h"
#include "core/journal.h"
#include "gateway/data_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PREPARE_EVERY_MS 10

struct census { /* what --check-store counts */
    uint64_t kinds[256];
    uint64_t copies;
    uint64_t settled;
};

static void announce(void *context);
static void *flush_loop(void *context);
static void end_failed(void) __attribute__((noreturn));
static void *prepare_loop(void *context);
static void say_findings(const struct log_findings *f);
static void say_refusal(enum sl_err err, const struct log_findings *f, struct text *why);
static enum sl_err count_record(void *context, const struct record *record, sl_lsn place);
static void print_census(const struct census *census, const struct log_findings *f);

enum sl_err log_thread_open(struct log_thread *t, const char *dir, struct broker *broker,
                            struct text *why)
{
    struct log_options options = {.announce = announce, .announce_context = broker};
    struct log_findings findings;

    *t = (struct log_thread){.broker = broker};
    if (file_posix_open(dir, &t->files) != SL_OK) {
        text_add(why, "cannot open the data directory %s", dir);
        return SL_EIO;
    }
    t->has_files = true;
    options.files = t->files;
    struct log_visitor visitor = broker_recovery_begin(broker);
    enum sl_err err = commit_log_open(&options, &visitor, &findings, &t->log);
    if (err == SL_OK)
        say_findings(&findings);
    else
        say_refusal(err, &findings, why);
    enum sl_err ended = broker_recovery_end(broker, t->log, findings.time);
    if (err == SL_OK)
        err = ended;
    return err;
}

enum sl_err log_thread_start(struct log_thread *t)
{
    if (pthread_create(&t->flusher, NULL, flush_loop, t) != 0)
        return SL_EIO;
    if (pthread_create(&t->preparer, NULL, prepare_loop, t) != 0) {
        commit_log_stop(t->log);
        pthread_join(t->flusher, NULL);
        return SL_EIO;
    }
    t->is_started = true;
    (void)pthread_setname_np(t->flusher, "log");
    (void)pthread_setname_np(t->preparer, "log-prepare");
    return SL_OK;
}

void log_thread_close(struct log_thread *t)
{
    if (t->is_started) {
        atomic_store(&t->stop, true);
        commit_log_stop(t->log);
        pthread_join(t->flusher, NULL);
        pthread_join(t->preparer, NULL);
        t->is_started = false;
        if (commit_log_flush(t->log) != SL_OK) /* a stop that lost something is not a clean one */
            end_failed();
    }
    if (t->log != NULL)
        commit_log_close(t->log);
    t->log = NULL;
    if (t->has_files)
        file_posix_close(&t->files);
    t->has_files = false;
}

int log_thread_check_store(const char *dir)
{
    struct sl_file_ops files;
    struct log_findings findings;
    struct census census = {0};
    struct log_visitor visitor = {.record = count_record, .context = &census};
    char room[1024];
    struct text why = text_on(room, sizeof room);
    int lock;

    if (access(dir, R_OK | X_OK) != 0) {
        fprintf(stderr, "sluice: cannot read %s\n", dir);
        return EXIT_FAILURE;
    }
    if (data_dir_lock(dir, &lock, &why) != SL_OK || file_posix_open(dir, &files) != SL_OK) {
        fprintf(stderr, "sluice: %s\n", room[0] == '\0' ? "cannot open the directory" : room);
        return EXIT_FAILURE;
    }
    enum sl_err err = commit_log_check(&files, &visitor, &findings);
    if (err == SL_OK)
        print_census(&census, &findings);
    else {
        say_refusal(err, &findings, &why);
        fprintf(stderr, "sluice: %s\n", room);
    }
    file_posix_close(&files);
    close(lock);
    return err == SL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void announce(void *context)
{
    broker_on_durable(context);
}

static void *flush_loop(void *context)
{
    struct log_thread *t = context;

    while (commit_log_wait(t->log)) {
        enum sl_err err = commit_log_flush(t->log);
        if (err != SL_OK && err != SL_EFULL) /* without room it is tried again */
            end_failed();
    }
    if (commit_log_has_failed(t->log)) /* the other thread found out */
        end_failed();
    return NULL;
}

static void end_failed(void)
{
    sl_error("log.failed", "action=exit reason=\"a write or fdatasync failed; nothing more can be "
                           "confirmed, what was confirmed is safe\"");
    _exit(EXIT_FAILURE);
}

static void *prepare_loop(void *context)
{
    static const struct timespec pause = {0, PREPARE_EVERY_MS * 1000000L};
    struct log_thread *t = context;
    bool was_full = false;

    while (!atomic_load(&t->stop)) {
        bool is_full = commit_log_prepare(t->log) == SL_EFULL;
        if (is_full && !was_full)
            sl_warn("disk.full", "action=\"publishers are held\"");
        else if (was_full && !is_full)
            sl_info("disk.freed", "action=\"publishers go on\"");
        was_full = is_full;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void say_findings(const struct log_findings *f)
{
    sl_info("recovery.done", "segments=%llu bytes=%llu records=%llu next=%llu",
            (unsigned long long)f->segments, (unsigned long long)f->bytes,
            (unsigned long long)f->records, (unsigned long long)f->next.v);
    if (f->cut_bytes != 0)
        sl_warn("recovery.cut", "bytes=%llu reason=\"the tail was not durable\"",
                (unsigned long long)f->cut_bytes);
}

static void say_refusal(enum sl_err err, const struct log_findings *f, struct text *why)
{
    if (f->problem[0] != '\0')
        text_add(why, "%s", f->problem);
    else
        text_add(why, "the log cannot be opened: %s",
                 err == SL_EFULL      ? "no room on the disk"
                 : err == SL_ENOMEM   ? "out of memory"
                 : err == SL_ECORRUPT ? "a record that cannot be read"
                                      : "the disk failed");
}

static enum sl_err count_record(void *context, const struct record *record, sl_lsn place)
{
    struct census *census = context;
    struct journal_entry e;

    (void)place;
    SL_TRY(journal_read(record, &e));
    if (record->kind < 256)
        census->kinds[record->kind]++;
    if (record->kind == RECORD_MESSAGE)
        census->copies += e.numbers.len / 8;
    if (record->kind == RECORD_SETTLED)
        census->settled += e.list_count;
    return SL_OK;
}

static void print_census(const struct census *census, const struct log_findings *f)
{
    printf("segments %llu\nbytes %llu\nrecords %llu\n", (unsigned long long)f->segments,
           (unsigned long long)f->bytes, (unsigned long long)f->records);
    printf("messages %llu\ncopies in queues %llu\nsettled %llu\n",
           (unsigned long long)census->kinds[RECORD_MESSAGE], (unsigned long long)census->copies,
           (unsigned long long)census->settled);
    printf("queues declared %llu, deleted %llu\n",
           (unsigned long long)census->kinds[RECORD_DECLARE_QUEUE],
           (unsigned long long)census->kinds[RECORD_DELETE_QUEUE]);
    if (f->cut_bytes != 0)
        printf("torn tail %llu bytes, to be cut at the next start\n",
               (unsigned long long)f->cut_bytes);
    puts("the store is good");
}
