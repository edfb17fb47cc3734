/*
 * bench_tls.c - what encryption costs, by AMQP.
 *
 *   bench_tls HOST:PORT [-r ROUNDS] [-s SECONDS] [-p PID] stream TLS_HOST:PORT
 *       1 KiB persistent, one to one: plain and within TLS in turns
 *   bench_tls TLS_HOST:PORT [-r ROUNDS] [-s SECONDS] open [TLS_HOST:PORT...]
 *       16 clients, each again and again: connect, TLS 1.3 without resumption, log in,
 *       connection.open and connection.close; the places (of several brokers, say) in turns
 */
#include "tests/bench/stream.h"

#include "core/base/assert.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#define CLIENTS 16
#define PLACES_MAX 8

static const char usage[] = "HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID] "
                            "stream TLS_HOST:PORT | open [TLS_HOST:PORT...]";
static const char *const queue = "bench.tls";

struct bench {
    struct options options[PLACES_MAX]; /* of each place */
    SSL_CTX *rules;
};

struct opens {
    const struct options *options;
    SSL_CTX *rules;
    uint64_t until;
    _Atomic uint64_t count;
};

static SSL_CTX *make_rules(int lowest);
static struct pace stream(void *context, unsigned which);
static struct pace open_all(void *context, unsigned which);
static void *open_again_and_again(void *context);

int main(int count, char **arguments)
{
    static const char *const ways[] = {"plain", "TLS"};
    struct options o = read_options(count, arguments, usage);
    struct bench bench = {.options = {o}};
    const char *names[PLACES_MAX] = {arguments[o.others - 1]};
    unsigned places = 1;

    if (o.others >= count)
        give_up(usage);
    signal(SIGPIPE, SIG_IGN);
    for (int i = o.others + 1; i < count && places < PLACES_MAX; i++, places++) {
        bench.options[places] = o;
        bench.options[places].place = place_of(arguments[i]);
        names[places] = arguments[i];
    }
    if (strcmp(arguments[o.others], "stream") == 0 && places == 2) {
        bench.rules = make_rules(TLS1_2_VERSION);
        take_turns(&o, ways, 2, stream, &bench);
    } else if (strcmp(arguments[o.others], "open") == 0) {
        bench.rules = make_rules(TLS1_3_VERSION);
        take_turns(&o, names, places, open_all, &bench);
    } else {
        give_up(usage);
    }
    SSL_CTX_free(bench.rules);
    return 0;
}

static SSL_CTX *make_rules(int lowest)
{
    SSL_CTX *rules = SSL_CTX_new(TLS_client_method());

    SL_ASSERT(rules != NULL);
    SSL_CTX_set_verify(rules, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_read_ahead(rules, 1);
    SSL_CTX_set_default_read_buffer_len(rules, PEER_READ_BYTES);
    SSL_CTX_set_session_cache_mode(rules, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_min_proto_version(rules, lowest);
    return rules;
}

static struct pace stream(void *context, unsigned which)
{
    const struct bench *bench = context;
    const struct stream load = {.tls = which == 1 ? bench->rules : NULL,
                                .exchange = "",
                                .key = queue,
                                .queues = &queue,
                                .queue_count = 1,
                                .consumers = 1,
                                .body_bytes = 1024};
    struct peer *p = join(&bench->options[which], load.tls);

    declare_queue(p, queue, NULL, 0);
    purge_queue(p, queue);
    struct pace pace = run_stream(&bench->options[which], &load);
    delete_queue(p, queue);
    close_politely(p);
    return pace;
}

static struct pace open_all(void *context, unsigned which)
{
    const struct bench *bench = context;
    struct opens opens = {.options = &bench->options[which], .rules = bench->rules};
    pthread_t threads[CLIENTS];
    double used = processor_seconds_of(opens.options->pid);

    opens.until = now_ns() + (uint64_t)(opens.options->seconds * 1e9);
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, open_again_and_again, &opens);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    used = processor_seconds_of(opens.options->pid) - used;
    return (struct pace){(double)opens.count / opens.options->seconds,
                         used * 1e6 / (double)opens.count};
}

static void *open_again_and_again(void *context)
{
    struct opens *opens = context;

    while (now_ns() < opens->until) {
        struct peer *p = dial(&opens->options->place, opens->rules);

        log_in(p, opens->options->user, opens->options->password);
        close_politely(p);
        opens->count++;
    }
    return NULL;
}
