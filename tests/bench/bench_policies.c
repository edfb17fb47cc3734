/*
 * bench_policies.c - what it costs that a policy over 10,000 queues changes, and whom it stops.
 *
 *   bench_policies HOST:PORT [-r ROUNDS] [-s SECONDS] [-n QUEUES] [-u USER:PASSWORD] ADMIN_SOCKET
 *
 * In turns: a thousand small transient messages a second, one at a time, from publisher to consumer,
 * and the time that each takes; the same while a policy that matches every queue is set again and
 * again, each time with another limit, the next one as soon as the last is answered.
 */
#include "tests/bench/load.h"

#include "core/base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define QUEUES 10000u
#define PERIOD_NS 1000000u
#define TIMES_MAX 1000000u
#define CHANGES_MAX 100000u
#define ROUNDS_MAX 64

struct times { /* in nanoseconds */
    uint64_t *at;
    size_t count;
    size_t room;
};

struct bench {
    struct options options;
    const char *socket;
    struct times changes; /* of all rounds */
    atomic_bool is_over;
    uint64_t limit; /* the policy's, another one each time */
};

struct round {
    double middle, high, longest; /* of messages, in microseconds */
};

static const char *const watched = "bench.policies";

static void declare_all(const struct bench *b, struct peer *p, bool is_end);
static struct round measure(struct bench *b, bool is_changing);
static void compare(const char *what, double values[2][ROUNDS_MAX], int rounds);
static void *change_again_and_again(void *context);
static void change_policy(struct bench *b);
static void send_one(struct peer *p);
static struct peer *subscribed(const struct bench *b);
static void wait_until(uint64_t ns);
static void note(struct times *t, uint64_t ns);
static double share(struct times *t, unsigned percent);
static double middle_of(double *values, int count);

int main(int count, char **arguments)
{
    static const char usage[] =
        "HOST:PORT [-r ROUNDS] [-s SECONDS] [-n QUEUES] [-u USER:PASSWORD] ADMIN_SOCKET";
    struct bench b = {.options = read_options(count, arguments, usage)};
    double middle[2][ROUNDS_MAX], high[2][ROUNDS_MAX];
    int rounds = b.options.rounds < ROUNDS_MAX ? b.options.rounds : ROUNDS_MAX;

    if (b.options.others >= count)
        give_up(usage);
    b.socket = arguments[b.options.others];
    b.changes = (struct times){calloc(CHANGES_MAX, sizeof(uint64_t)), 0, CHANGES_MAX};
    SL_ASSERT(b.changes.at != NULL);
    if (b.options.messages == 0)
        b.options.messages = QUEUES;
    struct peer *p = join(&b.options, NULL);
    declare_all(&b, p, false);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < 2; i++) {
            int which = round % 2 == 0 ? i : 1 - i;
            struct round r = measure(&b, which == 1);
            middle[which][round] = r.middle;
            high[which][round] = r.high;
            printf("round %d: %s: messages %.0f us, p99 %.0f us, longest %.0f us\n", round + 1,
                   which == 1 ? "policies change" : "nothing changes", r.middle, r.high, r.longest);
            fflush(stdout);
        }
    compare("p50", middle, rounds);
    compare("p99", high, rounds);
    printf("median: a change over %llu queues %.1f ms, longest of %zu %.1f ms\n",
           (unsigned long long)b.options.messages, share(&b.changes, 50) / 1000, b.changes.count,
           share(&b.changes, 100) / 1000);
    declare_all(&b, p, true);
    close_politely(p);
    free(b.changes.at);
    return 0;
}

static void declare_all(const struct bench *b, struct peer *p, bool is_end)
{
    char name[64];

    if (is_end)
        delete_queue(p, watched);
    else
        declare_queue(p, watched, NULL, 0);
    for (uint64_t i = 0; i < b->options.messages; i++) {
        snprintf(name, sizeof name, "bench.policies.%06llu", (unsigned long long)i);
        if (is_end)
            delete_queue(p, name);
        else
            declare_queue(p, name, NULL, 0);
    }
}

static struct round measure(struct bench *b, bool is_changing)
{
    struct times times = {calloc(TIMES_MAX, sizeof(uint64_t)), 0, TIMES_MAX};
    struct peer *publisher = join(&b->options, NULL);
    struct peer *consumer = subscribed(b);
    uint64_t until = now_ns() + (uint64_t)(b->options.seconds * 1e9);
    struct frame f;
    pthread_t thread;

    SL_ASSERT(times.at != NULL);
    b->is_over = false;
    if (is_changing)
        pthread_create(&thread, NULL, change_again_and_again, b);
    for (uint64_t next = now_ns(); next < until; next += PERIOD_NS) {
        wait_until(next);
        uint64_t began = now_ns();
        send_one(publisher);
        expect(consumer, METHOD(60, 60), &f);
        note(&times, now_ns() - began);
        if (now_ns() > next + PERIOD_NS)
            next = now_ns() - PERIOD_NS; /* what was missed is not caught up with */
    }
    b->is_over = true;
    if (is_changing)
        pthread_join(thread, NULL);
    close_politely(publisher);
    close_politely(consumer);
    struct round r = {share(&times, 50), share(&times, 99), share(&times, 100)};
    free(times.at);
    return r;
}

static void compare(const char *what, double values[2][ROUNDS_MAX], int rounds)
{
    double still = middle_of(values[0], rounds);
    double changing = middle_of(values[1], rounds);

    printf("median: %s %.0f us, while policies change %.0f us, %.2f of it\n", what, still, changing,
           changing / still);
}

static void *change_again_and_again(void *context)
{
    struct bench *b = context;

    while (!b->is_over) {
        uint64_t began = now_ns();
        change_policy(b);
        note(&b->changes, now_ns() - began);
    }
    return NULL;
}

static void change_policy(struct bench *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char body[256], request[512], answer[1024];
    size_t got = 0;
    ssize_t n;

    int len = snprintf(body, sizeof body,
                       "{\"pattern\": \"^bench\\\\.policies\\\\.\", \"apply-to\": \"queues\", "
                       "\"definition\": {\"max-length\": %llu, \"message-ttl\": %llu}}",
                       (unsigned long long)(1000 + b->limit), (unsigned long long)(b->limit + 1));
    int size = snprintf(request, sizeof request,
                        "PUT /api/policies/%%2F/bench HTTP/1.1\r\nHost: localhost\r\n"
                        "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
                        len, body);
    b->limit = (b->limit + 1) % 1000;
    if (strlen(b->socket) >= sizeof address.sun_path)
        give_up("the path of the administration's socket is too long");
    memcpy(address.sun_path, b->socket, strlen(b->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("administration is not there");
    if (write(fd, request, (size_t)size) != size)
        give_up("administration did not read");
    while (got < sizeof answer - 1 && (n = read(fd, answer + got, sizeof answer - 1 - got)) > 0)
        got += (size_t)n;
    answer[got] = '\0';
    if (strncmp(answer, "HTTP/1.1 20", 11) != 0)
        give_up("the policy was refused");
    close(fd);
}

/* Behind the policy's queues stands one that it does not match. */
static void send_one(struct peer *p)
{
    static const uint8_t content[] = {2, 0, 1, 0, 0, 0,    14, 0, 60, 0, 0, 0, 0, 0,   0,   0,
                                      0, 0, 1, 0, 0, 0xce, 3,  0, 1,  0, 0, 0, 1, 'x', 0xce};
    uint8_t room[256];
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(60, 40));

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, sl_bytes_of(""));
    sl_write_short_string(&w, sl_bytes_of(watched));
    sl_write_u8(&w, 0);
    size_t len = end_method(&w, room);
    SL_ASSERT(len + sizeof content <= sizeof room);
    memcpy(room + len, content, sizeof content);
    send_all(p, room, len + sizeof content);
}

static struct peer *subscribed(const struct bench *b)
{
    struct peer *p = join(&b->options, NULL);
    uint8_t room[256];
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(60, 20));
    struct frame f;

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, sl_bytes_of(watched));
    sl_write_short_string(&w, sl_bytes_of(""));
    sl_write_u8(&w, 2); /* no acknowledgements */
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(60, 21), &f);
    return p;
}

static void wait_until(uint64_t ns)
{
    struct timespec when = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static void note(struct times *t, uint64_t ns)
{
    if (t->count < t->room)
        t->at[t->count++] = ns;
}

static int by_length(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* In microseconds: as long as this share of them takes at most. */
static double share(struct times *t, unsigned percent)
{
    if (t->count == 0)
        return 0;
    qsort(t->at, t->count, sizeof t->at[0], by_length);
    return (double)t->at[(t->count - 1) * percent / 100] / 1000;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double middle_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof values[0], by_value);
    return count == 0 ? 0 : values[count / 2];
}
