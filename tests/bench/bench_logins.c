/*
 * bench_logins.c - how many clients a second come in by name and password.
 *
 *   bench_logins HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID] [STOMP_HOST:PORT]
 *
 * 16 clients, each again and again: AMQP from the connection to connection.open-ok and
 * connection.close-ok; STOMP from CONNECT to CONNECTED and the RECEIPT of DISCONNECT.
 */
#include "tests/bench/load.h"

#include "core/base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CLIENTS 16

static const char *const names[] = {"AMQP", "STOMP"};

struct logins {
    struct options options;
    struct place stomp;
    bool is_stomp;
    uint64_t until;
    _Atomic uint64_t count;
};

static struct pace run(void *context, unsigned which);
static void *log_in_again_and_again(void *context);
static void come_and_go_by_stomp(const struct logins *logins);
static void expect_text(struct peer *p, const char *text);

int main(int count, char **arguments)
{
    static const char usage[] =
        "HOST:PORT [-r ROUNDS] [-s SECONDS] [-u USER:PASSWORD] [-p PID] [STOMP_HOST:PORT]";
    struct logins logins = {.options = read_options(count, arguments, usage)};
    int others = logins.options.others;

    if (others < count)
        logins.stomp = place_of(arguments[others]);
    struct peer *first = join(&logins.options, NULL); /* whose password is verified at length */
    close_politely(first);
    take_turns(&logins.options, names, others < count ? 2 : 1, run, &logins);
    return 0;
}

static struct pace run(void *context, unsigned which)
{
    struct logins *logins = context;
    pthread_t threads[CLIENTS];
    double used = processor_seconds_of(logins->options.pid);

    logins->is_stomp = which == 1;
    logins->count = 0;
    logins->until = now_ns() + (uint64_t)(logins->options.seconds * 1e9);
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, log_in_again_and_again, logins);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    used = processor_seconds_of(logins->options.pid) - used;
    return (struct pace){(double)logins->count / logins->options.seconds,
                         used * 1e6 / (double)logins->count};
}

static void *log_in_again_and_again(void *context)
{
    struct logins *logins = context;
    const struct options *o = &logins->options;

    while (now_ns() < logins->until) {
        if (logins->is_stomp) {
            come_and_go_by_stomp(logins);
        } else {
            struct peer *p = dial(&o->place, NULL);
            log_in(p, o->user, o->password);
            close_politely(p);
        }
        logins->count++;
    }
    return NULL;
}

static void come_and_go_by_stomp(const struct logins *logins)
{
    static const char bye[] = "DISCONNECT\nreceipt:1\n\n";
    struct peer *p = dial(&logins->stomp, NULL);
    char connect[512];

    int len = snprintf(connect, sizeof connect,
                       "CONNECT\naccept-version:1.2\nhost:/\nlogin:%s\npasscode:%s\n\n%c",
                       logins->options.user, logins->options.password, 0);
    send_all(p, (const uint8_t *)connect, (size_t)len);
    expect_text(p, "CONNECTED");
    send_all(p, (const uint8_t *)bye, sizeof bye);
    expect_text(p, "RECEIPT");
    hang_up(p);
}

/* One frame, with no frame behind it. */
static void expect_text(struct peer *p, const char *text)
{
    do {
        if (!fill(p))
            give_up("the broker closed the connection");
    } while (memchr(p->in + p->begin, 0, p->end - p->begin) == NULL);
    if (memmem(p->in + p->begin, p->end - p->begin, text, strlen(text)) == NULL)
        give_up("the broker refused");
    p->begin = p->end;
}
