/*
 * From where a log is to be read: from its checkpoint, or from the first segment.
 *
 * Segments below the place that the checkpoint says are nobody's concern here: some may be gone.
 * A checkpoint that is damaged is no loss while the whole log is there.
 */
#include "core/base/log.h"
#include "core/store/recovery.h"

#include <stdio.h>
#include <stdlib.h>

static enum sl_err without_checkpoint(const struct segment_set *set, struct recovery_start *start,
                                      struct log_findings *findings);
static enum sl_err with_checkpoint(const struct segment_set *set, struct recovery_start *start,
                                   struct log_findings *findings);
static enum sl_err compare_start_numbers(const struct segment_set *set,
                                         const struct recovery_start *start,
                                         struct log_findings *findings);
static enum sl_err refuse(struct log_findings *findings, const char *why);

enum sl_err recovery_find_start(const struct segment_set *set, struct recovery_start *start,
                                struct log_findings *findings)
{
    *start = (struct recovery_start){0};
    enum sl_err err = checkpoint_read(set->files, &start->header, &start->body, &start->len);
    switch (err) {
    case SL_OK: start->has_checkpoint = true; return with_checkpoint(set, start, findings);
    case SL_ECORRUPT: start->is_damaged = true; return without_checkpoint(set, start, findings);
    case SL_ENOENT: return without_checkpoint(set, start, findings);
    case SL_ENOTIMPL:
        return refuse(findings, "it is of another format version; read it with the version of this "
                                "program that wrote it");
    default: return err;
    }
}

void recovery_start_deinit(struct recovery_start *start)
{
    free(start->body);
    start->body = NULL;
}

static enum sl_err without_checkpoint(const struct segment_set *set, struct recovery_start *start,
                                      struct log_findings *findings)
{
    if (start->is_damaged && (set->count == 0 || set->segments[0].base != 0))
        return refuse(findings, "it is damaged, and the log does not go back to its beginning "
                                "any more; put the file, or the whole directory, back from a copy");
    if (start->is_damaged)
        sl_warn("log.checkpoint", "state=damaged action=read-all reason=\"%s\"",
                "the log is there from its beginning, so nothing is lost");
    if (set->count != 0 && set->segments[0].base != 0) {
        snprintf(findings->problem, sizeof findings->problem,
                 "the first segment of the log is missing (it begins with %016llx.log), and there "
                 "is no checkpoint to go on from: put either, or the whole directory, back from "
                 "a copy; nothing was changed",
                 (unsigned long long)set->segments[0].base);
        return SL_ECORRUPT;
    }
    return SL_OK;
}

static enum sl_err with_checkpoint(const struct segment_set *set, struct recovery_start *start,
                                   struct log_findings *findings)
{
    sl_lsn from = start->header.from;
    char why[256];

    /* The log may end just there, in a file that was cut and not made longer yet. */
    if (!segment_set_find(set, from, &start->first) ||
        from.v - set->segments[start->first].base > set->segments[start->first].size) {
        snprintf(why, sizeof why,
                 "the log is to be read from place %llu on, and no segment holds that place; put "
                 "the segment, or the whole directory, back from a copy",
                 (unsigned long long)from.v);
        return refuse(findings, why);
    }
    return compare_start_numbers(set, start, findings);
}

static enum sl_err compare_start_numbers(const struct segment_set *set,
                                         const struct recovery_start *start,
                                         struct log_findings *findings)
{
    struct segment segment;
    uint64_t start_number = 0;
    uint32_t version;

    SL_TRY(segment_open(set->files, set->segments[start->first].base, &segment));
    enum sl_err err = segment_read_header(set->files, &segment, &start_number, &version);
    segment_close(set->files, &segment);
    if (err == SL_OK && start_number != start->header.start_number)
        return refuse(findings, "it belongs to another log than the segments; put back the one "
                                "that was there, or the whole directory, from a copy");
    /* What is wrong with the segment is told when it is read. */
    return err == SL_ECORRUPT || err == SL_ENOTIMPL ? SL_OK : err;
}

static enum sl_err refuse(struct log_findings *findings, const char *why)
{
    snprintf(findings->problem, sizeof findings->problem, "file %s: %s; nothing was changed",
             CHECKPOINT_NAME, why);
    return SL_ECORRUPT;
}
