/*
 * bench_clusters.c - what it costs that a topic's receivers are clusters of instances.
 *
 *   bench_clusters HOST:PORT [-r ROUNDS] [-s SECONDS] [-p PID]
 *
 * 1 KiB persistent messages, in turns: a fan-out to ten plain queues with a consumer each; the same
 * with three consumers each; ten clusters of three instances on one topic.  Prints deliveries a
 * second.  Each cluster's queue is bound by hand too, which other brokers need.
 */
#include "tests/bench/stream.h"

#include <stdio.h>

#define QUEUES 10u
#define INSTANCES 3u
#define TOPIC "bench.topic"

enum { PLAIN, SHARED, CLUSTERS };
static const char *const names[] = {"ten queues", "ten queues, three consumers each",
                                    "ten clusters of three"};
static const char *const exchanges[] = {"bench.fan", "bench.fan.shared", "amq.topic"};
static char queue_names[3][QUEUES][64];
static const char *queues[3][QUEUES];

static void prepare(const struct options *o);
static struct pace run(void *context, unsigned which);
static void clean_up(const struct options *o);

int main(int count, char **arguments)
{
    struct options o = read_options(
        count, arguments, "HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID]");

    for (unsigned q = 0; q < QUEUES; q++) {
        snprintf(queue_names[PLAIN][q], sizeof queue_names[0][0], "bench.plain.%u", q);
        snprintf(queue_names[SHARED][q], sizeof queue_names[0][0], "bench.shared.%u", q);
        snprintf(queue_names[CLUSTERS][q], sizeof queue_names[0][0], "/topic/" TOPIC "@c%u", q);
        for (unsigned i = PLAIN; i <= CLUSTERS; i++)
            queues[i][q] = queue_names[i][q];
    }
    prepare(&o);
    take_turns(&o, names, 3, run, &o);
    clean_up(&o);
    return 0;
}

static void prepare(const struct options *o)
{
    struct peer *p = join(o, NULL);

    for (unsigned i = PLAIN; i <= CLUSTERS; i++) {
        if (i != CLUSTERS)
            declare_exchange(p, exchanges[i], "fanout");
        for (unsigned q = 0; q < QUEUES; q++) {
            declare_queue(p, queues[i][q], NULL, 0);
            bind_queue(p, queues[i][q], exchanges[i], TOPIC);
            purge_queue(p, queues[i][q]);
        }
    }
    close_politely(p);
}

static struct pace run(void *context, unsigned which)
{
    const struct stream stream = {.exchange = exchanges[which],
                                  .key = TOPIC,
                                  .queues = queues[which],
                                  .queue_count = QUEUES,
                                  .consumers = which == PLAIN ? 1 : INSTANCES,
                                  .body_bytes = 1024};

    return run_stream(context, &stream);
}

static void clean_up(const struct options *o)
{
    struct peer *p = join(o, NULL);

    for (unsigned i = PLAIN; i <= CLUSTERS; i++)
        for (unsigned q = 0; q < QUEUES; q++)
            delete_queue(p, queues[i][q]);
    close_politely(p);
}
