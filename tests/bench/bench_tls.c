/*
 * bench_tls.c - what encryption costs, by AMQP, against any broker on this machine.
 *
 *   bench_tls stream PLAIN_PORT TLS_PORT [ROUNDS [SECONDS]]
 *       1 KiB persistent, one publisher with a confirm window of 1,000, one consumer that
 *       acknowledges every 100: plain and within TLS in turns
 *   bench_tls open TLS_PORT[,TLS_PORT...] [ROUNDS [SECONDS]]
 *       16 clients: connect, TLS 1.3 without resumption, log in as guest, connection.open, close;
 *       the ports (of several brokers, say) in turns
 *
 * Prints medians.
 */
#include "core/base/assert.h"
#include "core/base/bytes.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 1000u
#define ACK_EVERY 100u
#define BODY_BYTES 1024u
#define CLIENTS 16
#define PORTS_MAX 8
#define ROUNDS_MAX 99
#define READ_BYTES (256u * 1024)

struct peer { /* a blocking connection */
    int fd;
    SSL *ssl; /* NULL: plain */
    uint8_t in[READ_BYTES];
    size_t begin;
    size_t end;
};

struct frame {
    uint8_t type;
    struct sl_reader body;
};

struct load {
    uint16_t port;
    bool is_tls;
    uint64_t until;
    _Atomic uint64_t count;
};

static SSL_CTX *rules;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void give_up(const char *what)
{
    fprintf(stderr, "bench_tls: %s\n", what);
    exit(1);
}

/* ---- bytes ---- */

static struct peer *dial(uint16_t port, bool is_tls)
{
    static const int on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct peer *p = calloc(1, sizeof *p);

    SL_ASSERT(p != NULL);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(p->fd, (struct sockaddr *)&at, sizeof at) != 0)
        give_up("nobody listens there");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!is_tls)
        return p;
    p->ssl = SSL_new(rules);
    SSL_set_fd(p->ssl, p->fd);
    if (SSL_connect(p->ssl) != 1)
        give_up("no handshake");
    return p;
}

static void hang_up(struct peer *p)
{
    if (p->ssl != NULL)
        SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
    close(p->fd);
    free(p);
}

static bool send_all(struct peer *p, const uint8_t *at, size_t len)
{
    while (len != 0) {
        size_t n = len < INT32_MAX ? len : INT32_MAX;
        ssize_t done = p->ssl != NULL ? SSL_write(p->ssl, at, (int)n)
                                      : send(p->fd, at, n, MSG_NOSIGNAL);
        if (done <= 0)
            return false;
        at += done;
        len -= (size_t)done;
    }
    return true;
}

static bool fill(struct peer *p)
{
    if (p->begin != 0)
        memmove(p->in, p->in + p->begin, p->end - p->begin);
    p->end -= p->begin;
    p->begin = 0;
    size_t room = sizeof p->in - p->end;
    ssize_t n = p->ssl != NULL ? SSL_read(p->ssl, p->in + p->end, (int)room)
                               : recv(p->fd, p->in + p->end, room, 0);
    p->end += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* The next whole frame that is there already. */
static bool next_frame(struct peer *p, struct frame *out)
{
    size_t left = p->end - p->begin;

    if (left < 8)
        return false;
    const uint8_t *at = p->in + p->begin;
    size_t len = sl_load_u32(at + 3);
    if (left < len + 8)
        return false;
    *out = (struct frame){at[0], sl_reader_of((struct sl_bytes){at + 7, len})};
    p->begin += len + 8;
    return true;
}

/* ---- AMQP ---- */

static uint32_t method_of(struct frame *f)
{
    return f->type == 1 ? sl_read_u32(&f->body) : 0;
}

static void expect(struct peer *p, uint16_t class, uint16_t method)
{
    for (;;) {
        struct frame f;

        while (!next_frame(p, &f))
            if (!fill(p))
                give_up("the broker closed the connection");
        uint32_t got = method_of(&f);
        if (got == ((uint32_t) class << 16 | method))
            return;
        if (got == (10u << 16 | 50) || got == (20u << 16 | 40))
            give_up("the broker refused");
    }
}

static struct sl_writer begin_method(uint8_t *room, size_t size, uint16_t channel, uint16_t class,
                                     uint16_t method)
{
    struct sl_writer w = {room, room + size, false};

    sl_write_u8(&w, 1);
    sl_write_u16(&w, channel);
    sl_write_u32(&w, 0);
    sl_write_u16(&w, class);
    sl_write_u16(&w, method);
    return w;
}

static size_t end_method(struct sl_writer *w, uint8_t *room)
{
    sl_store_u32(room + 3, (uint32_t)(w->pos - room - 7));
    sl_write_u8(w, 0xce);
    SL_ASSERT(!w->overflowed);
    return (size_t)(w->pos - room);
}

static void say(struct peer *p, struct sl_writer *w, uint8_t *room)
{
    if (!send_all(p, room, end_method(w, room)))
        give_up("the broker closed the connection");
}

static void log_in(struct peer *p)
{
    uint8_t room[512];

    send_all(p, (const uint8_t *)"AMQP\0\0\x09\1", 8);
    expect(p, 10, 10);
    struct sl_writer w = begin_method(room, sizeof room, 0, 10, 11);
    sl_write_u32(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL("PLAIN"));
    sl_write_long_string(&w, SL_BYTES_LITERAL("\0guest\0guest"));
    sl_write_short_string(&w, SL_BYTES_LITERAL("en_US"));
    say(p, &w, room);
    expect(p, 10, 30);
    w = begin_method(room, sizeof room, 0, 10, 31);
    sl_write_u16(&w, 2047);
    sl_write_u32(&w, 131072);
    sl_write_u16(&w, 0);
    say(p, &w, room);
    w = begin_method(room, sizeof room, 0, 10, 40);
    sl_write_short_string(&w, SL_BYTES_LITERAL("/"));
    sl_write_u16(&w, 0);
    say(p, &w, room);
    expect(p, 10, 41);
}

static void open_channel(struct peer *p)
{
    uint8_t room[128];
    struct sl_writer w = begin_method(room, sizeof room, 1, 20, 10);

    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, 20, 11);
}

/* queue.declare (durable), queue.purge or queue.delete. */
static void on_queue(struct peer *p, uint16_t method)
{
    uint8_t room[128];
    struct sl_writer w = begin_method(room, sizeof room, 1, 50, method);

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL("bench_tls"));
    sl_write_u8(&w, method == 10 ? 2 : 0);
    if (method == 10)
        sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, 50, method + 1);
}

/* ---- the stream ---- */

/* One publish in three frames; gives its length. */
static size_t encode_publish(uint8_t *at)
{
    struct sl_writer w = begin_method(at, 256, 1, 60, 40);

    sl_write_u16(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL(""));
    sl_write_short_string(&w, SL_BYTES_LITERAL("bench_tls"));
    sl_write_u8(&w, 0);
    uint8_t *p = at + end_method(&w, at);
    w = (struct sl_writer){p, p + 64 + BODY_BYTES, false};
    sl_write_u8(&w, 2);
    sl_write_u16(&w, 1);
    sl_write_u32(&w, 15);
    sl_write_u32(&w, 60u << 16);
    sl_write_u64(&w, BODY_BYTES);
    sl_write_u16(&w, 0x1000); /* delivery-mode */
    sl_write_u8(&w, 2);
    sl_write_u8(&w, 0xce);
    sl_write_u8(&w, 3);
    sl_write_u16(&w, 1);
    sl_write_u32(&w, BODY_BYTES);
    memset(sl_write_room(&w, BODY_BYTES), 'x', BODY_BYTES);
    sl_write_u8(&w, 0xce);
    SL_ASSERT(!w.overflowed);
    return (size_t)(w.pos - at);
}

static void *publish(void *context)
{
    struct load *load = context;
    struct peer *p = dial(load->port, load->is_tls);
    uint8_t *frames = malloc((size_t)WINDOW * (BODY_BYTES + 512));
    uint8_t room[64];
    uint64_t sent = 0;
    uint64_t confirmed = 0;

    SL_ASSERT(frames != NULL);
    size_t len = encode_publish(frames);
    for (uint32_t i = 1; i < WINDOW; i++)
        memcpy(frames + i * len, frames, len);
    log_in(p);
    open_channel(p);
    struct sl_writer w = begin_method(room, sizeof room, 1, 85, 10);
    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, 85, 11);
    while (now_ns() < load->until || confirmed < sent) {
        struct frame f;
        uint64_t free_places = now_ns() < load->until ? WINDOW - (sent - confirmed) : 0;

        if (free_places != 0 && !send_all(p, frames, free_places * len))
            give_up("the broker closed the connection");
        sent += free_places;
        if (!fill(p))
            give_up("the broker closed the connection");
        while (next_frame(p, &f)) {
            if (method_of(&f) != (60u << 16 | 80))
                continue;
            uint64_t tag = sl_read_u64(&f.body);
            confirmed = sl_read_u8(&f.body) != 0 ? tag : confirmed + 1;
        }
    }
    free(frames);
    hang_up(p);
    return NULL;
}

static void acknowledge(struct peer *p, uint64_t tag)
{
    uint8_t room[64];
    struct sl_writer w = begin_method(room, sizeof room, 1, 60, 80);

    sl_write_u64(&w, tag);
    sl_write_u8(&w, 1);
    say(p, &w, room);
}

static void *consume(void *context)
{
    static const struct timeval patience = {1, 0};
    struct load *load = context;
    struct peer *p = dial(load->port, load->is_tls);
    uint8_t room[128];

    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    log_in(p);
    open_channel(p);
    struct sl_writer w = begin_method(room, sizeof room, 1, 60, 10);
    sl_write_u32(&w, 0);
    sl_write_u16(&w, WINDOW);
    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, 60, 11);
    w = begin_method(room, sizeof room, 1, 60, 20);
    sl_write_u16(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL("bench_tls"));
    sl_write_short_string(&w, SL_BYTES_LITERAL("c"));
    sl_write_u8(&w, 0);
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, 60, 21);
    while (now_ns() < load->until) {
        struct frame f;

        while (next_frame(p, &f)) {
            if (method_of(&f) != (60u << 16 | 60))
                continue;
            (void)sl_read_short_string(&f.body);
            uint64_t tag = sl_read_u64(&f.body);
            load->count++;
            if (tag % ACK_EVERY == 0)
                acknowledge(p, tag);
        }
        if (!fill(p)) /* nothing came for a while */
            break;
    }
    hang_up(p);
    return NULL;
}

static double stream(uint16_t port, bool is_tls, double seconds)
{
    struct load load = {.port = port, .is_tls = is_tls};
    struct peer *p = dial(port, is_tls);
    pthread_t threads[2];

    log_in(p);
    open_channel(p);
    on_queue(p, 10);
    on_queue(p, 30);
    load.until = now_ns() + (uint64_t)(seconds * 1e9);
    pthread_create(&threads[0], NULL, consume, &load);
    pthread_create(&threads[1], NULL, publish, &load);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    on_queue(p, 40);
    hang_up(p);
    return (double)load.count / seconds;
}

/* ---- opening ---- */

static void *open_again_and_again(void *context)
{
    struct load *load = context;

    while (now_ns() < load->until) {
        struct peer *p = dial(load->port, true);

        log_in(p);
        hang_up(p);
        load->count++;
    }
    return NULL;
}

static double opens(uint16_t port, double seconds)
{
    struct load load = {.port = port, .until = now_ns() + (uint64_t)(seconds * 1e9)};
    pthread_t threads[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, open_again_and_again, &load);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    return (double)load.count / seconds;
}

/* ---- rounds ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

static void run_stream(uint16_t plain, uint16_t tls, int rounds, double seconds)
{
    double values[2][ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        values[0][i] = stream(plain, false, seconds);
        values[1][i] = stream(tls, true, seconds);
        printf("round %d: plain %.0f/s, TLS %.0f/s\n", i + 1, values[0][i], values[1][i]);
        fflush(stdout);
    }
    double in_clear = median(values[0], rounds);
    double inside = median(values[1], rounds);
    printf("stream: plain %.0f/s, TLS %.0f/s, %.2f of plain\n", in_clear, inside,
           inside / in_clear);
}

static void run_opens(const char *ports, int rounds, double seconds)
{
    double values[PORTS_MAX][ROUNDS_MAX];
    uint16_t port[PORTS_MAX];
    int count = 0;

    for (const char *at = ports; at != NULL && count < PORTS_MAX; at = strchr(at, ',')) {
        at += *at == ',';
        port[count++] = (uint16_t)strtoul(at, NULL, 10);
    }
    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < count; k++)
            values[k][i] = opens(port[k], seconds);
    for (int k = 0; k < count; k++)
        printf("open on %u: %.0f/s\n", port[k], median(values[k], rounds));
}

int main(int count, char **arguments)
{
    bool is_stream = count >= 4 && strcmp(arguments[1], "stream") == 0;
    bool is_open = count >= 3 && strcmp(arguments[1], "open") == 0;
    int at = is_stream ? 4 : 3;

    if (!is_stream && !is_open)
        give_up("stream PLAIN_PORT TLS_PORT | open TLS_PORT[,...]   [ROUNDS [SECONDS]]");
    int rounds = count > at ? atoi(arguments[at]) : 5;
    double seconds = count > at + 1 ? strtod(arguments[at + 1], NULL) : 2;
    signal(SIGPIPE, SIG_IGN);
    rules = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(rules, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_read_ahead(rules, 1);
    SSL_CTX_set_default_read_buffer_len(rules, READ_BYTES);
    SSL_CTX_set_session_cache_mode(rules, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_min_proto_version(rules, is_open ? TLS1_3_VERSION : TLS1_2_VERSION);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    if (is_stream)
        run_stream((uint16_t)atoi(arguments[2]), (uint16_t)atoi(arguments[3]), rounds, seconds);
    else
        run_opens(arguments[2], rounds, seconds);
    return 0;
}
