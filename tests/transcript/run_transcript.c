/*
 * run_transcript.c - plays transcripts: each scenario with what clients send in one piece, octet
 * by octet, and in random pieces.  What the server says must be the same.
 *
 *   run_transcript [--seed N] [--rounds N] [FILE...]
 *
 * Without files it plays all of tests/transcript/.  The seed is printed, so that a failure can
 * be played again.  The last line is "transcript: N passed, N failed", counted by scenarios.
 */
#include "core/base/log.h"
#include "core/base/random.h"
#include "tests/transcript/play.h"

#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 12

struct run {
    uint64_t seed;
    uint32_t rounds; /* of random pieces, per scenario */
    unsigned passed;
    unsigned failed;
};

static bool read_options(struct run *run, int argc, char **argv);
static void play_folder(struct run *run);
static void play_file(struct run *run, const char *path);
static void play_title(struct run *run, const char *path, const struct line *title,
                       const struct line *end);
static bool play_once(const struct line *title, const struct line *end, struct manner manner,
                      const char *path);

int main(int argc, char **argv)
{
    struct run run = {.seed = sl_random_u64(), .rounds = ROUNDS};

    if (!read_options(&run, argc, argv))
        return 2;
    sl_log_set_level(SL_LOG_ERROR); /* what these clients do is worth many a warning */
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %" PRIu64 "\n", run.seed);
    if (optind == argc)
        play_folder(&run);
    for (int i = optind; i < argc; i++)
        play_file(&run, argv[i]);
    printf("transcript: %u passed, %u failed\n", run.passed, run.failed);
    return run.passed == 0 || run.failed != 0;
}

static bool read_options(struct run *run, int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"seed", required_argument, NULL, 's'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (option == 's')
            run->seed = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            run->rounds = (uint32_t)strtoul(optarg, NULL, 10);
        else
            return false;
    }
    return true;
}

static void play_folder(struct run *run)
{
    glob_t found;

    if (glob(TRANSCRIPTS "/*/*.txt", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        play_file(run, found.gl_pathv[i]);
    globfree(&found);
}

static void play_file(struct run *run, const char *path)
{
    struct script script;

    script_read(&script, TRANSCRIPTS, path);
    const struct line *end = script.lines + script.count;
    if (script.wrong != NULL || script.count == 0 || strncmp(script.lines->text, "== ", 3) != 0) {
        printf("%s: %s\n", path,
               script.wrong != NULL ? script.wrong : "a transcript begins with == TITLE");
        run->failed++;
        end = script.lines;
    }
    for (const struct line *title = script.lines; title < end;) {
        const struct line *next = title + 1;

        while (next < end && strncmp(next->text, "== ", 3) != 0)
            next++;
        play_title(run, path, title, next);
        title = next;
    }
    script_free(&script);
}

static void play_title(struct run *run, const char *path, const struct line *title,
                       const struct line *end)
{
    bool has_passed = play_once(title, end, (struct manner){CUT_NOWHERE, 0}, path) &&
                      play_once(title, end, (struct manner){CUT_EVERYWHERE, 0}, path);

    for (uint32_t i = 0; i < run->rounds && has_passed; i++)
        has_passed = play_once(title, end, (struct manner){CUT_AT_RANDOM, run->seed + i}, path);
    if (has_passed)
        run->passed++;
    else
        run->failed++;
}

/* A report is shown only when it went wrong. */
static bool play_once(const struct line *title, const struct line *end, struct manner manner,
                      const char *path)
{
    static const char *const HOW[] = {"in one piece", "octet by octet", "in random pieces"};
    char *text = NULL;
    size_t len = 0;
    FILE *report = open_memstream(&text, &len);

    if (report == NULL)
        abort();
    bool has_passed = play_scenario(title + 1, end, manner, report);
    fclose(report);
    if (!has_passed) {
        printf("%s:%u: %s (%s", path, title->number, title->text + 3, HOW[manner.cutting]);
        if (manner.cutting == CUT_AT_RANDOM)
            printf(" of --seed %" PRIu64 " --rounds 1", manner.seed);
        printf(")\n%s", text);
    }
    free(text);
    return has_passed;
}
