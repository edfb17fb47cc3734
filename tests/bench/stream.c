#include "tests/bench/stream.h"

#include "core/base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WINDOW 1000u
#define AT_ONCE 250u
#define ACK_EVERY 100u
#define PREFETCH 1000u
#define CONSUMERS_MAX 64
#define EVENTS 64
#define MESSAGE_ROOM 1024 /* beside the body */
#define HEADER_DIGITS 16
#define KEY_DIGITS 4
#define PATIENCE_NS 10000000000u

struct consumer {
    struct peer *peer;
    uint64_t tag; /* the newest */
    uint32_t unsettled;
};

struct run {
    const struct options *options;
    const struct stream *stream;
    uint64_t until;
    uint64_t first_value;
    struct consumer consumers[CONSUMERS_MAX];
    unsigned consumer_count;
    _Atomic uint64_t expected; /* deliveries; UINT64_MAX: not known yet */
    uint64_t got;
    uint64_t ended;
};

struct form { /* of a message in bytes */
    size_t len;
    size_t key_at;
    size_t value_at;
};

static void *publish(void *context);
static void *consume(void *context);
static void subscribe(struct peer *p, const char *queue);
static struct form encode(const struct stream *s, uint8_t *at, size_t room);
static void stamp(const struct run *run, uint8_t *at, const struct form *form, uint64_t number);
static void take_deliveries(struct run *run, struct consumer *c);
static void acknowledge(struct consumer *c);

struct pace run_stream(const struct options *o, const struct stream *stream)
{
    static uint64_t runs;
    struct run run = {.options = o, .stream = stream, .expected = UINT64_MAX};
    pthread_t threads[2];

    for (unsigned q = 0; q < stream->queue_count; q++) {
        for (unsigned i = 0; i < stream->consumers; i++) {
            SL_ASSERT(run.consumer_count < CONSUMERS_MAX);
            struct peer *p = join(o, stream->tls);
            subscribe(p, stream->queues[q]);
            run.consumers[run.consumer_count++].peer = p;
        }
    }
    run.first_value = now_ns() + ++runs; /* ids that no earlier run had */
    double used = processor_seconds_of(o->pid);
    uint64_t began = now_ns();
    run.until = began + (uint64_t)(o->seconds * 1e9);
    pthread_create(&threads[0], NULL, consume, &run);
    pthread_create(&threads[1], NULL, publish, &run);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    used = processor_seconds_of(o->pid) - used;
    for (unsigned i = 0; i < run.consumer_count; i++) {
        acknowledge(&run.consumers[i]);
        close_politely(run.consumers[i].peer);
    }
    if (run.got == 0)
        give_up("nothing was delivered");
    return (struct pace){(double)run.got * 1e9 / (double)(run.ended - began),
                         used * 1e6 / (double)run.got};
}

/* ---- publishing ---- */

static void *publish(void *context)
{
    struct run *run = context;
    const struct stream *s = run->stream;
    struct peer *p = join(run->options, s->tls);
    size_t room = s->body_bytes + MESSAGE_ROOM;
    uint8_t *frames = malloc(WINDOW * room);
    uint8_t word[64];
    struct frame f;
    uint64_t messages = s->messages != 0 ? s->messages : run->options->messages;
    uint64_t sent = 0;
    uint64_t confirmed = 0;
    bool is_over = false;

    SL_ASSERT(frames != NULL);
    write_whole(p);
    struct form form = encode(s, frames, room);
    for (uint32_t i = 1; i < WINDOW; i++)
        memcpy(frames + i * form.len, frames, form.len);
    struct sl_writer w = begin_method(word, sizeof word, 1, METHOD(85, 10));
    sl_write_u8(&w, 0);
    say(p, &w, word);
    expect(p, METHOD(85, 11), &f);
    while (!is_over || confirmed < sent) {
        is_over = is_over || (messages != 0 ? sent >= messages : now_ns() >= run->until);
        uint64_t slot = sent % WINDOW;
        uint64_t n = is_over ? 0 : WINDOW - (sent - confirmed);
        n = n > AT_ONCE ? AT_ONCE : n;
        n = n > WINDOW - slot ? WINDOW - slot : n;
        for (uint64_t i = 0; i < n; i++)
            stamp(run, frames + (slot + i) * form.len, &form, sent + i);
        send_all(p, frames + slot * form.len, n * form.len);
        sent += n;
        if (!fill_at_once(p) && n == 0 && confirmed < sent && !fill(p))
            give_up("the broker closed the connection");
        confirmed = take_confirms(p, confirmed);
    }
    run->expected = sent * s->queue_count;
    free(frames);
    close_politely(p);
    return NULL;
}

/* One publish in three frames. */
static struct form encode(const struct stream *s, uint8_t *at, size_t room)
{
    struct form form = {0};
    char key[256];
    struct sl_writer w = begin_method(at, room, 1, METHOD(60, 40));

    snprintf(key, sizeof key, s->keys != 0 ? "%s.%0*d" : "%s", s->key, KEY_DIGITS, 0);
    sl_write_u16(&w, 0);
    sl_write_short_string(&w, sl_bytes_of(s->exchange));
    sl_write_short_string(&w, sl_bytes_of(key));
    form.key_at = (size_t)(w.pos - at) - KEY_DIGITS;
    sl_write_u8(&w, 0);
    end_method(&w, at);
    uint8_t *header = w.pos;
    sl_write_u8(&w, 2);
    sl_write_u16(&w, 1);
    sl_write_u32(&w, 0);
    sl_write_u32(&w, 60u << 16);
    sl_write_u64(&w, s->body_bytes);
    sl_write_u16(&w, s->header != NULL ? 0x3000 : 0x1000); /* headers, delivery-mode */
    if (s->header != NULL) {
        sl_write_u32(&w, (uint32_t)strlen(s->header) + 6 + HEADER_DIGITS);
        sl_write_short_string(&w, sl_bytes_of(s->header));
        sl_write_u8(&w, 'S');
        sl_write_long_string(&w, SL_BYTES_LITERAL("0000000000000000"));
        form.value_at = (size_t)(w.pos - at) - HEADER_DIGITS;
    }
    sl_write_u8(&w, s->is_transient ? 1 : 2);
    sl_store_u32(header + 3, (uint32_t)(w.pos - header - 7));
    sl_write_u8(&w, 0xce);
    sl_write_u8(&w, 3);
    sl_write_u16(&w, 1);
    sl_write_u32(&w, (uint32_t)s->body_bytes);
    memset(sl_write_room(&w, s->body_bytes), 'x', s->body_bytes);
    sl_write_u8(&w, 0xce);
    SL_ASSERT(!w.overflowed);
    form.len = (size_t)(w.pos - at);
    return form;
}

static void stamp(const struct run *run, uint8_t *at, const struct form *form, uint64_t number)
{
    const struct stream *s = run->stream;

    if (s->header != NULL) {
        uint64_t value = s->values != 0 ? number % s->values : run->first_value + number;

        for (int i = HEADER_DIGITS - 1; i >= 0; i--, value >>= 4)
            at[form->value_at + (size_t)i] = (uint8_t) "0123456789abcdef"[value & 15];
    }
    if (s->keys != 0) {
        unsigned key = (unsigned)(number % s->keys);

        for (int i = KEY_DIGITS - 1; i >= 0; i--, key /= 10)
            at[form->key_at + (size_t)i] = (uint8_t)('0' + key % 10);
    }
}

/* ---- consuming ---- */

static void subscribe(struct peer *p, const char *queue)
{
    uint8_t room[512];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(60, 10));

    sl_write_u32(&w, 0);
    sl_write_u16(&w, PREFETCH);
    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(60, 11), &f);
    w = begin_method(room, sizeof room, 1, METHOD(60, 20));
    sl_write_u16(&w, 0);
    sl_write_short_string(&w, sl_bytes_of(queue));
    sl_write_short_string(&w, SL_BYTES_LITERAL("c"));
    sl_write_u8(&w, 0);
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(60, 21), &f);
}

static void *consume(void *context)
{
    struct run *run = context;
    struct epoll_event events[EVENTS];
    int poll = epoll_create1(EPOLL_CLOEXEC);

    for (unsigned i = 0; i < run->consumer_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &run->consumers[i]};

        epoll_ctl(poll, EPOLL_CTL_ADD, run->consumers[i].peer->fd, &event);
        take_deliveries(run, &run->consumers[i]);
    }
    run->ended = now_ns();
    while (run->consumer_count != 0 && run->got < run->expected) {
        int n = epoll_wait(poll, events, EVENTS, 10);
        uint64_t before = run->got;

        for (int i = 0; i < n; i++)
            take_deliveries(run, events[i].data.ptr);
        if (run->got != before)
            run->ended = now_ns();
        else if (now_ns() - run->ended > PATIENCE_NS)
            give_up("messages are missing");
    }
    close(poll);
    return NULL;
}

static void take_deliveries(struct run *run, struct consumer *c)
{
    struct frame f;

    do {
        (void)fill_at_once(c->peer);
        while (next_frame(c->peer, &f)) {
            if (method_of(&f) != METHOD(60, 60))
                continue;
            (void)sl_read_short_string(&f.body);
            c->tag = sl_read_u64(&f.body);
            run->got++;
            if (++c->unsettled == ACK_EVERY)
                acknowledge(c);
        }
    } while (c->peer->ssl != NULL && SSL_has_pending(c->peer->ssl));
}

static void acknowledge(struct consumer *c)
{
    uint8_t room[64];
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(60, 80));

    if (c->unsettled == 0)
        return;
    sl_write_u64(&w, c->tag);
    sl_write_u8(&w, 1);
    say(c->peer, &w, room);
    c->unsettled = 0;
}
