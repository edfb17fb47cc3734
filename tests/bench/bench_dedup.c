/*
 * bench_dedup.c - what it costs that no queue takes the same id twice.
 *
 *   bench_dedup HOST:PORT [-r ROUNDS] [-s SECONDS] [-p PID] [IDS]
 *
 * 1 KiB persistent, one to one, in turns: without ids, with ids that the queue does not look at,
 * and with new ids into a queue whose window is full at IDS (a million).  With the PID of the
 * broker also what one id takes of its resident memory: what it grew by while the window filled,
 * after the same messages had gone through another queue.
 */
#include "tests/bench/stream.h"

#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REST_NS 2000000000l
#define REST_LOOKS 20
#define WINDOW_MS 3600000
#define HEADER "x-deduplication-header"

enum { BARE, OFF, ON };
static const char *const names[] = {"no ids", "ids, no window", "ids, window full"};
static const char *const queues[] = {"bench.bare", "bench.off", "bench.on"};

static void prepare(const struct options *o, uint64_t ids);
static struct pace run(void *context, unsigned which);
static void fill_window(const struct options *o, uint64_t ids);
static uint64_t at_rest(int pid);
static void clean_up(const struct options *o);

int main(int count, char **arguments)
{
    struct options o = read_options(
        count, arguments, "HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID] [IDS]");
    uint64_t ids = o.others < count ? strtoull(arguments[o.others], NULL, 10) : 1000000;

    prepare(&o, ids);
    fill_window(&o, ids);
    take_turns(&o, names, 3, run, &o);
    clean_up(&o);
    return 0;
}

static void prepare(const struct options *o, uint64_t ids)
{
    const struct argument window[] = {{"x-cache-size", ids}, {"x-dedup-window-ms", WINDOW_MS}};
    struct peer *p = join(o, NULL);

    for (unsigned i = BARE; i <= ON; i++) {
        declare_queue(p, queues[i], window, i == ON ? 2 : 0);
        purge_queue(p, queues[i]);
    }
    close_politely(p);
}

static struct pace run(void *context, unsigned which)
{
    const struct stream stream = {.exchange = "",
                                  .key = queues[which],
                                  .header = which == BARE ? NULL : HEADER,
                                  .queues = &queues[which],
                                  .queue_count = 1,
                                  .consumers = 1,
                                  .body_bytes = 1024};

    return run_stream(context, &stream);
}

static void fill_window(const struct options *o, uint64_t ids)
{
    uint64_t resident[2];

    for (unsigned i = 0; i < 2; i++) {
        const struct stream stream = {.exchange = "",
                                      .key = queues[OFF + i],
                                      .header = HEADER,
                                      .queues = &queues[OFF + i],
                                      .queue_count = 1,
                                      .consumers = 1,
                                      .body_bytes = 16,
                                      .messages = ids};
        (void)run_stream(o, &stream);
        resident[i] = at_rest(o->pid);
    }
    if (o->pid != 0)
        printf("memory: %.1f bytes an id (%.1f MiB before, %.1f MiB with %llu ids)\n",
               ((double)resident[1] - (double)resident[0]) / (double)ids,
               (double)resident[0] / 1048576, (double)resident[1] / 1048576,
               (unsigned long long)ids);
}

/* The least of two seconds: what a checkpoint takes for its while is none of the window's. */
static uint64_t at_rest(int pid)
{
    const struct timespec pause = {.tv_nsec = REST_NS / REST_LOOKS};
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < REST_LOOKS && pid != 0; i++) {
        uint64_t now = resident_bytes_of(pid);
        least = now < least ? now : least;
        nanosleep(&pause, NULL);
    }
    return least;
}

static void clean_up(const struct options *o)
{
    struct peer *p = join(o, NULL);

    for (unsigned i = BARE; i <= ON; i++)
        delete_queue(p, queues[i]);
    close_politely(p);
}
