#include "gateway/log_thread.h"

#include "core/base/log.h"

#include <stdlib.h>
#include <unistd.h>

static void announce(void *context);
static void *flush_loop(void *context);
static void say_findings(const struct log_findings *f);

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
        log_thread_say_refusal(err, &findings, why);
    enum sl_err ended = broker_recovery_end(broker, t->log, findings.time);
    if (err == SL_OK)
        err = ended;
    if (err == SL_OK) { /* the marks that the start logged: who asks first finds things ready */
        enum sl_err flushed = commit_log_flush(t->log);
        (void)flushed; /* a failure comes again, on the log's own thread */
    }
    return err;
}

enum sl_err log_thread_start(struct log_thread *t)
{
    if (pthread_create(&t->flusher, NULL, flush_loop, t) != 0)
        return SL_EIO;
    t->is_started = true;
    (void)pthread_setname_np(t->flusher, "log");
    return SL_OK;
}

void log_thread_close(struct log_thread *t)
{
    if (t->is_started) {
        commit_log_stop(t->log);
        pthread_join(t->flusher, NULL);
        t->is_started = false;
        if (commit_log_flush(t->log) != SL_OK) /* a stop that lost something is not a clean one */
            log_thread_end_failed();
    }
    if (t->log != NULL)
        commit_log_close(t->log);
    t->log = NULL;
    if (t->has_files)
        file_posix_close(&t->files);
    t->has_files = false;
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
            log_thread_end_failed();
    }
    if (commit_log_has_failed(t->log)) /* the other thread found out */
        log_thread_end_failed();
    return NULL;
}

void log_thread_end_failed(void)
{
    sl_error("log.failed", "action=exit reason=\"a write or fdatasync failed; nothing more can be "
                           "confirmed, what was confirmed is safe\"");
    _exit(EXIT_FAILURE);
}

static void say_findings(const struct log_findings *f)
{
    sl_info("recovery.done", "segments=%llu bytes=%llu records=%llu next=%llu",
            (unsigned long long)f->segments, (unsigned long long)f->bytes,
            (unsigned long long)f->records, (unsigned long long)f->next.v);
    if (f->cut_bytes != 0)
        sl_warn("recovery.cut",
                "bytes=%llu reason=\"behind the last whole record: torn, or left over in a segment "
                "that "
                "is used again; nothing of it was confirmed\"",
                (unsigned long long)f->cut_bytes);
}

void log_thread_say_refusal(enum sl_err err, const struct log_findings *f, struct text *why)
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
