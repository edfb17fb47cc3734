/*
 * bench_permissions.c - what it costs that a publisher may write to some names only.
 *
 *   bench_permissions HOST:PORT [-r ROUNDS] [-s SECONDS] [-p PID] BOUND:PASSWORD
 *
 * 16-byte transient messages to one consumer, in turns: by the user of -u, who may do everything,
 * and by BOUND, who has patterns; with one routing key, and with 64 in turns.  BOUND needs all
 * three permissions on names that begin with `bench.`, write and read on `amq.topic`, and topic
 * permissions on it.
 */
#include "tests/bench/stream.h"

#define KEYS 64u

static const char *const names[] = {"one key, all permitted", "one key, patterns",
                                    "64 keys, all permitted", "64 keys, patterns"};
static const char *const queue = "bench.permissions";

struct users {
    struct options free;
    struct options bound;
};

static struct pace run(void *context, unsigned which);

int main(int count, char **arguments)
{
    static const char usage[] =
        "HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID] BOUND:PASSWORD";
    struct users users;

    users.free = users.bound = read_options(count, arguments, usage);
    if (users.free.others >= count)
        give_up(usage);
    split_login(arguments[users.free.others], &users.bound.user, &users.bound.password);
    struct peer *p = join(&users.bound, NULL);
    declare_queue(p, queue, NULL, 0);
    bind_queue(p, queue, "amq.topic", "bench.key.#");
    purge_queue(p, queue);
    take_turns(&users.free, names, 4, run, &users);
    delete_queue(p, queue);
    close_politely(p);
    return 0;
}

static struct pace run(void *context, unsigned which)
{
    const struct users *users = context;
    const struct stream stream = {.exchange = "amq.topic",
                                  .key = "bench.key",
                                  .keys = which < 2 ? 1 : KEYS,
                                  .queues = &queue,
                                  .queue_count = 1,
                                  .consumers = 1,
                                  .body_bytes = 16,
                                  .is_transient = true};

    return run_stream(which % 2 == 0 ? &users->free : &users->bound, &stream);
}
