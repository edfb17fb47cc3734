/*
 * bench_delayed.c - many messages that wait, and how late they come.
 *
 *   bench_delayed HOST:PORT [-n MESSAGES] [-s SECONDS] [-p PID]
 *
 * Persistent messages of 200 bytes to an exchange of type x-delayed-message, a million, or what is
 * due in SECONDS below one: in any order they become due 10,000 a second, once all are published.
 * Prints how fast they were published, what memory the broker has while all wait, and by how much
 * they come later than asked for.
 */
#include "core/base/assert.h"
#include "tests/bench/load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXCHANGE "bench.later"
#define QUEUE "bench.delayed"
#define MESSAGES 1000000u
#define PER_SECOND 10000u
#define PUBLISHED_PER_SECOND 40000u /* slower than any machine worth measuring */
#define BODY_BYTES 200u
#define AT_ONCE 100u
#define WINDOW 10000u
#define NS_PER_MS 1000000u

struct run {
    const struct options *options;
    uint64_t count;
    uint64_t base_ns; /* the first is due */
    uint32_t *late_us;
    uint64_t got;
};

static void prepare(const struct run *run);
static void publish(struct run *run);
static uint64_t due_of(const struct run *run, uint64_t number);
static size_t write_message(uint8_t *at, size_t room, uint32_t delay_ms, uint64_t due_ns);
static void *consume(void *context);
static void take(struct run *run, struct frame *f);
static void report(struct run *run);
static int by_value(const void *a, const void *b);

int main(int count, char **arguments)
{
    struct options o =
        read_options(count, arguments, "HOST:PORT [-n MESSAGES] [-s SECONDS] [-p PID]");
    struct run run = {.options = &o};
    pthread_t consumer;

    run.count = o.messages != 0 ? o.messages
                : o.seconds < 1 ? (uint64_t)(o.seconds * PER_SECOND)
                                : MESSAGES;
    run.late_us = calloc(run.count, sizeof *run.late_us);
    SL_ASSERT(run.late_us != NULL);
    prepare(&run);
    run.base_ns = now_ns() + run.count * 1000000000ull / PUBLISHED_PER_SECOND + 1000000000ull;
    pthread_create(&consumer, NULL, consume, &run);
    publish(&run);
    pthread_join(consumer, NULL);
    report(&run);
    free(run.late_us);
    return 0;
}

static void prepare(const struct run *run)
{
    struct peer *p = join(run->options, NULL);
    uint8_t room[256];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(40, 10));

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL(EXCHANGE));
    sl_write_short_string(&w, SL_BYTES_LITERAL("x-delayed-message"));
    sl_write_u8(&w, 2); /* durable */
    sl_write_u32(&w, 1 + 14 + 1 + 4 + 6);
    sl_write_short_string(&w, SL_BYTES_LITERAL("x-delayed-type"));
    sl_write_u8(&w, 'S');
    sl_write_long_string(&w, SL_BYTES_LITERAL("direct"));
    say(p, &w, room);
    expect(p, METHOD(40, 11), &f);
    declare_queue(p, QUEUE, NULL, 0);
    purge_queue(p, QUEUE);
    bind_queue(p, QUEUE, EXCHANGE, QUEUE);
    close_politely(p);
}

/* In any order: a large odd step goes through all of a power of two. */
static uint64_t due_of(const struct run *run, uint64_t number)
{
    uint64_t shuffled = number * 7368787ull % run->count;

    return run->base_ns + shuffled * (1000000000ull / PER_SECOND);
}

static void publish(struct run *run)
{
    struct peer *p = join(run->options, NULL);
    size_t room = AT_ONCE * (BODY_BYTES + 256);
    uint8_t *out = malloc(room);
    uint8_t word[64];
    uint64_t confirmed = 0;
    struct frame f;
    struct sl_writer w = begin_method(word, sizeof word, 1, METHOD(85, 10));

    SL_ASSERT(out != NULL);
    sl_write_u8(&w, 0);
    say(p, &w, word);
    expect(p, METHOD(85, 11), &f);
    uint64_t began = now_ns();
    for (uint64_t sent = 0; confirmed < run->count;) {
        size_t len = 0;
        uint64_t now = now_ns();
        for (uint32_t i = 0; i < AT_ONCE && sent < run->count && sent - confirmed < WINDOW; i++) {
            uint64_t due = due_of(run, sent++);
            uint64_t ms = due > now ? (due - now) / NS_PER_MS : 0;
            len += write_message(out + len, room - len, (uint32_t)ms, now + ms * NS_PER_MS);
        }
        if (len != 0)
            send_all(p, out, len);
        if (!fill_at_once(p) && len == 0 && confirmed < run->count && !fill(p))
            give_up("the broker closed the connection");
        confirmed = take_confirms(p, confirmed);
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    printf("published          %12.0f a second\n", (double)run->count / seconds);
    if (run->options->pid != 0)
        printf("resident           %12.1f MiB while %llu wait\n",
               (double)resident_bytes_of(run->options->pid) / (1024 * 1024),
               (unsigned long long)(run->count - run->got));
    fflush(stdout);
    free(out);
    close_politely(p);
}

/* The body begins with when it is due. */
static size_t write_message(uint8_t *at, size_t room, uint32_t delay_ms, uint64_t due_ns)
{
    struct sl_writer w = begin_method(at, room, 1, METHOD(60, 40));

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL(EXCHANGE));
    sl_write_short_string(&w, SL_BYTES_LITERAL(QUEUE));
    sl_write_u8(&w, 0);
    end_method(&w, at);
    sl_write_u8(&w, 2);
    sl_write_u16(&w, 1);
    sl_write_u32(&w, 2 + 2 + 8 + 2 + 4 + 8 + 5 + 1);
    sl_write_u32(&w, 60u << 16);
    sl_write_u64(&w, BODY_BYTES);
    sl_write_u16(&w, 0x3000); /* headers, delivery-mode */
    sl_write_u32(&w, 8 + 5);
    sl_write_short_string(&w, SL_BYTES_LITERAL("x-delay"));
    sl_write_u8(&w, 'I');
    sl_write_u32(&w, delay_ms);
    sl_write_u8(&w, 2);
    sl_write_u8(&w, 0xce);
    sl_write_u8(&w, 3);
    sl_write_u16(&w, 1);
    sl_write_u32(&w, BODY_BYTES);
    uint8_t *body = sl_write_room(&w, BODY_BYTES);
    SL_ASSERT(body != NULL);
    memset(body, 'x', BODY_BYTES);
    sl_store_u64(body, due_ns);
    sl_write_u8(&w, 0xce);
    SL_ASSERT(!w.overflowed);
    return (size_t)(w.pos - at);
}

static void *consume(void *context)
{
    struct run *run = context;
    struct peer *p = join(run->options, NULL);
    uint8_t room[256];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(60, 20));

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL(QUEUE));
    sl_write_short_string(&w, SL_BYTES_LITERAL("c"));
    sl_write_u8(&w, 2); /* no acknowledgements */
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(60, 21), &f);
    while (run->got < run->count) {
        if (!fill(p))
            give_up("the broker closed the connection");
        while (next_frame(p, &f))
            take(run, &f);
    }
    close_politely(p);
    return NULL;
}

static void take(struct run *run, struct frame *f)
{
    uint64_t now = now_ns();

    if (f->type != 3 || run->got == run->count)
        return;
    uint64_t due = sl_read_u64(&f->body);
    run->late_us[run->got++] = now > due ? (uint32_t)((now - due) / 1000) : 0;
}

static void report(struct run *run)
{
    static const double SHARES[] = {0.5, 0.99, 0.999, 1};

    qsort(run->late_us, run->count, sizeof run->late_us[0], by_value);
    for (size_t i = 0; i < sizeof SHARES / sizeof *SHARES; i++) {
        uint64_t at = (uint64_t)((double)(run->count - 1) * SHARES[i]);
        printf("late, %5.1f %%      %12.1f ms\n", SHARES[i] * 100, run->late_us[at] / 1000.0);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}
