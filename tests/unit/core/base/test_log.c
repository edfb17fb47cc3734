#include "core/base/log.h"

#include "tests/support/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CAPTURE_BYTES (1 << 20)

static char captured[CAPTURE_BYTES];
static int saved_stderr;
static FILE *capture_file;
static uint64_t fake_now_ms;

static uint64_t fake_ms(void *self)
{
    (void)self;
    return fake_now_ms;
}

static const struct sl_clock fake_clock = {fake_ms, fake_ms, NULL};

static void capture_start(void)
{
    fake_now_ms = 1000000;
    sl_log_set_clock(&fake_clock);
    sl_log_set_level(SL_LOG_INFO);
    capture_file = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture_file), STDERR_FILENO);
}

static const char *capture_end(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t n = pread(fileno(capture_file), captured, sizeof captured - 1, 0);
    captured[n < 0 ? 0 : n] = '\0';
    fclose(capture_file);
    sl_log_set_clock(&sl_clock_system);
    return captured;
}

static int lines_in(const char *text)
{
    int lines = 0;

    while ((text = strchr(text, '\n')) != NULL) {
        text++;
        lines++;
    }
    return lines;
}

static void a_level_that_is_not_wanted_is_silent(void)
{
    capture_start();
    sl_debug("x", "y=%d", 1);
    sl_log_peer(SL_LOG_DEBUG, "x", "y=%d", 1);
    CU_ASSERT_STRING_EQUAL(capture_end(), "");
}

static void an_unknown_level_is_refused(void)
{
    enum sl_log_level level = SL_LOG_INFO;

    CU_ASSERT_EQUAL(sl_log_level_parse("loud", &level), SL_ENOENT);
    CU_ASSERT_EQUAL(sl_log_level_parse("", &level), SL_ENOENT);
    CU_ASSERT_EQUAL(level, SL_LOG_INFO);
    CU_ASSERT_EQUAL(sl_log_level_parse("warn", &level), SL_OK);
    CU_ASSERT_EQUAL(level, SL_LOG_WARN);
}

static void a_peer_cannot_begin_a_line_of_its_own(void)
{
    capture_start();
    sl_info("event", "name=%s", "a\n1970 error fake\r\x1b");
    const char *text = capture_end();
    CU_ASSERT_EQUAL(lines_in(text), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "name=a?1970 error fake??\n"));
}

static void a_line_that_is_too_long_is_cut_and_still_ends(void)
{
    static char long_text[10000];

    memset(long_text, 'x', sizeof long_text - 1);
    capture_start();
    sl_info("event", "text=%s", long_text);
    const char *text = capture_end();
    CU_ASSERT_EQUAL(lines_in(text), 1);
    CU_ASSERT_TRUE(strlen(text) <= 2048);
    CU_ASSERT_EQUAL(text[strlen(text) - 1], '\n');
}

static void peers_get_a_burst_and_then_one_line_a_second(void)
{
    capture_start();
    for (int i = 0; i < 1000; i++)
        sl_log_peer(SL_LOG_INFO, "peer.bad", "n=%d", i);
    sl_info("own.line", "n=%d", 1); /* our own are not counted */
    fake_now_ms += 999;
    sl_log_peer(SL_LOG_INFO, "peer.bad", "n=%d", 1000);
    fake_now_ms += 1;
    sl_log_peer(SL_LOG_INFO, "peer.bad", "n=%d", 1001);
    sl_log_peer(SL_LOG_INFO, "peer.bad", "n=%d", 1002);
    const char *text = capture_end();
    CU_ASSERT_EQUAL(lines_in(text), 22);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "n=19\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "n=20\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "own.line n=1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "peer.bad left_out=981 n=1001\n"));
}

static void a_line_says_when_how_bad_what_and_more(void)
{
    capture_start();
    fake_now_ms = 1795233906789;
    sl_warn("queue.full", "queue=%s depth=%d", "q", 7);
    CU_ASSERT_STRING_EQUAL(capture_end(),
                           "2026-11-21T04:05:06.789Z warn  queue.full queue=q depth=7\n");
}

static void *log_lines(void *name)
{
    for (int i = 0; i < 500; i++)
        sl_info("thread.line", "who=%s end=yes", (const char *)name);
    return NULL;
}

static void lines_of_threads_do_not_mix(void)
{
    pthread_t threads[2];
    char names[2][200];

    capture_start();
    for (int i = 0; i < 2; i++) {
        memset(names[i], 'a' + i, sizeof names[i] - 1);
        names[i][sizeof names[i] - 1] = '\0';
        pthread_create(&threads[i], NULL, log_lines, names[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    char *text = (char *)capture_end();
    int whole = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        for (int i = 0; i < 2; i++)
            whole += strstr(line, names[i]) != NULL && strstr(line, " end=yes") != NULL;
    CU_ASSERT_EQUAL(whole, 1000);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_level_that_is_not_wanted_is_silent),
                                  UNIT(an_unknown_level_is_refused),
                                  UNIT(a_peer_cannot_begin_a_line_of_its_own),
                                  UNIT(a_line_that_is_too_long_is_cut_and_still_ends),
                                  UNIT(peers_get_a_burst_and_then_one_line_a_second),
                                  UNIT(a_line_says_when_how_bad_what_and_more),
                                  UNIT(lines_of_threads_do_not_mix),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/base/log", tests);
}
