#include "gateway/check_store.h"

#include "core/account_change.h"
#include "core/journal.h"
#include "core/policy_record.h"
#include "gateway/data_dir.h"
#include "gateway/log_thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct census { /* what --check-store counts */
    uint64_t kinds[256];
    uint64_t copies;
    uint64_t settled;
};

static enum sl_err count_record(void *context, const struct record *record, sl_lsn place);
static enum sl_err read_record(const struct record *record, struct journal_entry *e);
static void print_census(const struct census *census, const struct log_findings *f);

int check_store(const char *dir)
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
        log_thread_say_refusal(err, &findings, &why);
        fprintf(stderr, "sluice: %s\n", room);
    }
    file_posix_close(&files);
    close(lock);
    return err == SL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static enum sl_err count_record(void *context, const struct record *record, sl_lsn place)
{
    struct census *census = context;
    struct journal_entry e = {.number = 0};

    (void)place;
    SL_TRY(read_record(record, &e));
    if (record->kind < 256)
        census->kinds[record->kind]++;
    if (record->kind == RECORD_MESSAGE)
        census->copies += e.numbers.len / 8;
    if (record->kind == RECORD_SETTLED)
        census->settled += e.list_count;
    return SL_OK;
}

/* Whether it is of the form that its kind has; e is filled in where it is of the journal. */
static enum sl_err read_record(const struct record *record, struct journal_entry *e)
{
    struct account_change change;
    struct policy_definition policy;

    if (account_change_is(record->kind))
        return account_change_read(record, &change);
    if (policy_record_is(record->kind))
        return policy_record_read(record, &policy);
    return journal_read(record, e);
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
