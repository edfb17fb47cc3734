#include "core/base/log.h"

#include "core/base/text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 2048u
#define PEER_BURST 20u         /* lines that may come at once */
#define PEER_INTERVAL_MS 1000u /* then one in this time */

static const char *const LEVEL_NAMES[] = {"error", "warn", "info", "debug"};

static _Atomic int level_max = SL_LOG_INFO;
static _Atomic(const struct sl_clock *) log_clock = &sl_clock_system;
static _Atomic uint64_t peer_due_ms; /* when the allowance of peers' lines is whole again */
static _Atomic uint64_t peer_left_out;

static bool is_wanted(enum sl_log_level level);
static bool peer_may_write(void);
static void write_line(enum sl_log_level level, const char *event, uint64_t left_out,
                       const char *fields, va_list arguments);
static void add_time(struct text *line);
static void make_one_line(struct text *line, size_t from);

void sl_log_set_level(enum sl_log_level level)
{
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

void sl_log_set_clock(const struct sl_clock *clock)
{
    atomic_store(&log_clock, clock);
    atomic_store(&peer_due_ms, 0);
    atomic_store(&peer_left_out, 0);
}

enum sl_err sl_log_level_parse(const char *name, enum sl_log_level *level)
{
    for (int i = SL_LOG_ERROR; i <= SL_LOG_DEBUG; i++)
        if (strcmp(name, LEVEL_NAMES[i]) == 0) {
            *level = (enum sl_log_level)i;
            return SL_OK;
        }
    return SL_ENOENT;
}

void sl_log_write(enum sl_log_level level, const char *event, const char *fields, ...)
{
    va_list arguments;

    if (!is_wanted(level))
        return;
    va_start(arguments, fields);
    write_line(level, event, 0, fields, arguments);
    va_end(arguments);
}

void sl_log_peer(enum sl_log_level level, const char *event, const char *fields, ...)
{
    va_list arguments;

    if (!is_wanted(level))
        return;
    if (!peer_may_write()) {
        atomic_fetch_add_explicit(&peer_left_out, 1, memory_order_relaxed);
        return;
    }
    uint64_t left_out = atomic_exchange_explicit(&peer_left_out, 0, memory_order_relaxed);
    va_start(arguments, fields);
    write_line(level, event, left_out, fields, arguments);
    va_end(arguments);
}

static bool is_wanted(enum sl_log_level level)
{
    return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

/* A bucket that holds PEER_BURST lines and gains one per interval, kept as the one number that
 * says when it is full again, so that it needs no lock. */
static bool peer_may_write(void)
{
    uint64_t now = sl_clock_monotonic_ms(atomic_load(&log_clock));
    uint64_t due = atomic_load(&peer_due_ms);
    uint64_t next;

    do {
        next = (due > now ? due : now) + PEER_INTERVAL_MS;
        if (next > now + (uint64_t)PEER_BURST * PEER_INTERVAL_MS)
            return false;
    } while (!atomic_compare_exchange_weak(&peer_due_ms, &due, next));
    return true;
}

/* One write per line, so lines of several threads never mix. */
static void write_line(enum sl_log_level level, const char *event, uint64_t left_out,
                       const char *fields, va_list arguments)
{
    char room[LINE_BYTES_MAX];
    struct text line = text_on(room, sizeof room - 1); /* one byte for the newline */

    add_time(&line);
    text_add(&line, " %-5s %s ", LEVEL_NAMES[level], event);
    if (left_out != 0)
        text_add(&line, "left_out=%llu ", (unsigned long long)left_out);
    size_t from = line.len;
    int n = vsnprintf(line.at + line.len, line.room - line.len, fields, arguments);
    if (n > 0)
        line.len += (size_t)n < line.room - line.len ? (size_t)n : line.room - line.len - 1;
    make_one_line(&line, from);
    room[line.len] = '\n';
    /* Nobody can be told that the log cannot be written. */
    if (write(STDERR_FILENO, room, line.len + 1) < 0)
        return;
}

static void add_time(struct text *line)
{
    uint64_t ms = sl_clock_wall_ms(atomic_load(&log_clock));
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;

    gmtime_r(&seconds, &t);
    text_add(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
             t.tm_hour, t.tm_min, t.tm_sec, (unsigned)(ms % 1000));
}

/* Whatever a peer put into a field, it does not begin a line of its own. */
static void make_one_line(struct text *line, size_t from)
{
    for (size_t i = from; i < line->len; i++)
        if ((unsigned char)line->at[i] < 0x20 || line->at[i] == 0x7f)
            line->at[i] = '?';
}
