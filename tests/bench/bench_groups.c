/*
 * bench_groups.c - what it costs that messages of one key stay in order.
 *
 *   bench_groups HOST:PORT [-r ROUNDS] [-s SECONDS] [-p PID]
 *
 * 1 KiB persistent messages through one queue with four consumers, in turns: with a header that
 * means nothing, and as groups with 1, 100 and 10,000 keys.
 */
#include "tests/bench/stream.h"

#define CONSUMERS 4u

static const char *const names[] = {"no groups", "one group", "100 groups", "10,000 groups"};
static const uint64_t keys[] = {100, 1, 100, 10000};
static const char *const queue = "bench.groups";

static struct pace run(void *context, unsigned which);

int main(int count, char **arguments)
{
    struct options o = read_options(
        count, arguments, "HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID]");

    take_turns(&o, names, 4, run, &o);
    return 0;
}

/* A queue of its own each time: nobody has groups from before. */
static struct pace run(void *context, unsigned which)
{
    const struct options *o = context;
    const struct stream stream = {.exchange = "",
                                  .key = queue,
                                  .header = which == 0 ? "x-other-id" : "x-group-id",
                                  .values = keys[which],
                                  .queues = &queue,
                                  .queue_count = 1,
                                  .consumers = CONSUMERS,
                                  .body_bytes = 1024};
    struct peer *p = join(o, NULL);

    declare_queue(p, queue, NULL, 0);
    purge_queue(p, queue);
    struct pace pace = run_stream(o, &stream);
    delete_queue(p, queue);
    close_politely(p);
    return pace;
}
