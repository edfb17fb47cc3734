#include "tests/bench/load.h"

#include "core/base/assert.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 99
#define NAMES_MAX 8
#define QUEUE_ROOM 1024

static ssize_t receive(struct peer *p, int flags);
static void write_header(struct sl_writer *w, const char *name);
static uint64_t field_of(int pid, const char *file, const char *skip_to, int field);
static void print_medians(const char *const *names, unsigned count,
                          struct pace (*paces)[ROUNDS_MAX], int rounds);

void give_up(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

/* ---- what was asked ---- */

struct options read_options(int count, char **arguments, const char *usage)
{
    static char guest[] = "guest:guest";
    struct options o = {.rounds = 5, .seconds = 2, .only = -1};
    int letter;

    split_login(guest, &o.user, &o.password);
    while ((letter = getopt(count, arguments, "r:s:u:p:n:o:")) != -1) {
        if (letter == 'r')
            o.rounds = atoi(optarg);
        else if (letter == 's')
            o.seconds = strtod(optarg, NULL);
        else if (letter == 'u')
            split_login(optarg, &o.user, &o.password);
        else if (letter == 'p')
            o.pid = atoi(optarg);
        else if (letter == 'n')
            o.messages = strtoull(optarg, NULL, 10);
        else if (letter == 'o')
            o.only = atoi(optarg);
        else
            give_up(usage);
    }
    if (optind >= count || o.rounds < 1 || o.rounds > ROUNDS_MAX || o.seconds <= 0)
        give_up(usage);
    o.place = place_of(arguments[optind]);
    o.others = optind + 1;
    return o;
}

struct place place_of(const char *text)
{
    struct place place = {"127.0.0.1", ""};
    const char *colon = strrchr(text, ':');

    if (colon != NULL)
        snprintf(place.host, sizeof place.host, "%.*s", (int)(colon - text), text);
    snprintf(place.port, sizeof place.port, "%s", colon != NULL ? colon + 1 : text);
    return place;
}

void split_login(char *text, const char **user, const char **password)
{
    char *colon = strchr(text, ':');

    if (colon == NULL)
        give_up("a login is USER:PASSWORD");
    *colon = '\0';
    *user = text;
    *password = colon + 1;
}

/* ---- bytes ---- */

struct peer *dial(const struct place *place, SSL_CTX *tls)
{
    static const int on = 1;
    const struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct peer *p = malloc(sizeof *p); /* its room is not cleared: logins are many */
    struct addrinfo *at = NULL;

    SL_ASSERT(p != NULL);
    p->begin = p->end = 0;
    p->ssl = NULL;
    if (getaddrinfo(place->host, place->port, &wanted, &at) != 0)
        give_up("no such host");
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(p->fd, at->ai_addr, at->ai_addrlen) != 0)
        give_up("nobody listens there");
    freeaddrinfo(at);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls == NULL)
        return p;
    p->ssl = SSL_new(tls);
    SSL_set_fd(p->ssl, p->fd);
    if (SSL_connect(p->ssl) != 1)
        give_up("no handshake");
    return p;
}

void write_whole(struct peer *p)
{
    if (p->ssl == NULL)
        return;
    BIO *whole = BIO_new(BIO_f_buffer());
    BIO *socket = SSL_get_wbio(p->ssl);

    SL_ASSERT(whole != NULL && BIO_set_write_buffer_size(whole, PEER_WRITE_BYTES) == 1);
    BIO_up_ref(socket);
    SSL_set0_wbio(p->ssl, BIO_push(whole, socket));
}

void hang_up(struct peer *p)
{
    if (p->ssl != NULL)
        SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
    close(p->fd);
    free(p);
}

void send_all(struct peer *p, const uint8_t *at, size_t len)
{
    while (len != 0) {
        size_t n = len < INT32_MAX ? len : INT32_MAX;
        ssize_t done = p->ssl != NULL ? SSL_write(p->ssl, at, (int)n)
                                      : send(p->fd, at, n, MSG_NOSIGNAL);
        if (done <= 0)
            give_up("the broker closed the connection");
        at += done;
        len -= (size_t)done;
    }
    if (p->ssl != NULL && BIO_flush(SSL_get_wbio(p->ssl)) != 1)
        give_up("the broker closed the connection");
}

bool fill(struct peer *p)
{
    return receive(p, 0) > 0;
}

bool fill_at_once(struct peer *p)
{
    if (p->ssl == NULL)
        return receive(p, MSG_DONTWAIT) > 0;
    /* A record that has begun to arrive is waited for. */
    char first;
    if (!SSL_has_pending(p->ssl) && recv(p->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        return false;
    return receive(p, 0) > 0;
}

static ssize_t receive(struct peer *p, int flags)
{
    if (p->begin != 0)
        memmove(p->in, p->in + p->begin, p->end - p->begin);
    p->end -= p->begin;
    p->begin = 0;
    size_t room = sizeof p->in - p->end;
    ssize_t n = p->ssl != NULL ? SSL_read(p->ssl, p->in + p->end, (int)room)
                               : recv(p->fd, p->in + p->end, room, flags);
    p->end += n > 0 ? (size_t)n : 0;
    return n;
}

bool next_frame(struct peer *p, struct frame *out)
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

uint32_t method_of(struct frame *f)
{
    return f->type == 1 ? sl_read_u32(&f->body) : 0;
}

struct sl_writer begin_method(uint8_t *room, size_t size, uint16_t channel, uint32_t method)
{
    struct sl_writer w = {room, room + size, false};

    sl_write_u8(&w, 1);
    sl_write_u16(&w, channel);
    sl_write_u32(&w, 0);
    sl_write_u32(&w, method);
    return w;
}

size_t end_method(struct sl_writer *w, uint8_t *room)
{
    sl_store_u32(room + 3, (uint32_t)(w->pos - room - 7));
    sl_write_u8(w, 0xce);
    SL_ASSERT(!w->overflowed);
    return (size_t)(w->pos - room);
}

void say(struct peer *p, struct sl_writer *w, uint8_t *room)
{
    send_all(p, room, end_method(w, room));
}

void expect(struct peer *p, uint32_t method, struct frame *f)
{
    for (;;) {
        while (!next_frame(p, f))
            if (!fill(p))
                give_up("the broker closed the connection");
        uint32_t got = method_of(f);
        if (got == method)
            return;
        if (got == METHOD(10, 50) || got == METHOD(20, 40)) {
            (void)sl_read_u16(&f->body);
            struct sl_bytes why = sl_read_short_string(&f->body);
            fprintf(stderr, "%.*s\n", (int)why.len, (const char *)why.at);
            give_up("the broker refused");
        }
    }
}

void log_in(struct peer *p, const char *user, const char *password)
{
    uint8_t room[1024];
    char plain[512];
    struct frame f;

    send_all(p, (const uint8_t *)"AMQP\0\0\x09\1", 8);
    expect(p, METHOD(10, 10), &f);
    struct sl_writer w = begin_method(room, sizeof room, 0, METHOD(10, 11));
    sl_write_u32(&w, 0);
    sl_write_short_string(&w, SL_BYTES_LITERAL("PLAIN"));
    int len = snprintf(plain, sizeof plain, "%c%s%c%s", 0, user, 0, password);
    sl_write_long_string(&w, (struct sl_bytes){(const uint8_t *)plain, (size_t)len});
    sl_write_short_string(&w, SL_BYTES_LITERAL("en_US"));
    say(p, &w, room);
    expect(p, METHOD(10, 30), &f);
    size_t both = 0; /* tune-ok and open in one packet, as client libraries have it */
    w = begin_method(room, sizeof room, 0, METHOD(10, 31));
    sl_write_u16(&w, 2047);
    sl_write_u32(&w, 131072);
    sl_write_u16(&w, 0);
    both = end_method(&w, room);
    w = begin_method(room + both, sizeof room - both, 0, METHOD(10, 40));
    sl_write_short_string(&w, SL_BYTES_LITERAL("/"));
    sl_write_u16(&w, 0);
    both += end_method(&w, room + both);
    send_all(p, room, both);
    expect(p, METHOD(10, 41), &f);
}

uint64_t take_confirms(struct peer *p, uint64_t confirmed)
{
    struct frame f;

    while (next_frame(p, &f)) {
        uint32_t method = method_of(&f);

        if (method == METHOD(60, 120) || method == METHOD(20, 40) || method == METHOD(10, 50))
            give_up("the broker refused a message");
        if (method != METHOD(60, 80))
            continue;
        uint64_t tag = sl_read_u64(&f.body);
        confirmed = sl_read_u8(&f.body) != 0 ? tag : confirmed + 1;
    }
    return confirmed;
}

void close_politely(struct peer *p)
{
    uint8_t room[64];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 0, METHOD(10, 50));

    sl_write_u16(&w, 200);
    sl_write_u8(&w, 0);
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(10, 51), &f);
    hang_up(p);
}

void open_channel(struct peer *p)
{
    uint8_t room[64];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(20, 10));

    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(20, 11), &f);
}

struct peer *join(const struct options *o, SSL_CTX *tls)
{
    struct peer *p = dial(&o->place, tls);

    log_in(p, o->user, o->password);
    open_channel(p);
    return p;
}

void declare_exchange(struct peer *p, const char *name, const char *kind)
{
    uint8_t room[QUEUE_ROOM];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(40, 10));

    write_header(&w, name);
    sl_write_short_string(&w, sl_bytes_of(kind));
    sl_write_u8(&w, 2); /* durable */
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(40, 11), &f);
}

void declare_queue(struct peer *p, const char *name, const struct argument *arguments,
                   unsigned count)
{
    uint8_t room[QUEUE_ROOM];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(50, 10));

    write_header(&w, name);
    sl_write_u8(&w, 2); /* durable */
    uint8_t *table = w.pos;
    sl_write_u32(&w, 0);
    for (unsigned i = 0; i < count; i++) {
        sl_write_short_string(&w, sl_bytes_of(arguments[i].name));
        sl_write_u8(&w, 'l');
        sl_write_u64(&w, arguments[i].value);
    }
    sl_store_u32(table, (uint32_t)(w.pos - table - 4));
    say(p, &w, room);
    expect(p, METHOD(50, 11), &f);
}

void bind_queue(struct peer *p, const char *name, const char *exchange, const char *key)
{
    uint8_t room[QUEUE_ROOM];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(50, 20));

    write_header(&w, name);
    sl_write_short_string(&w, sl_bytes_of(exchange));
    sl_write_short_string(&w, sl_bytes_of(key));
    sl_write_u8(&w, 0);
    sl_write_u32(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(50, 21), &f);
}

void purge_queue(struct peer *p, const char *name)
{
    uint8_t room[QUEUE_ROOM];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(50, 30));

    write_header(&w, name);
    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(50, 31), &f);
}

void delete_queue(struct peer *p, const char *name)
{
    uint8_t room[QUEUE_ROOM];
    struct frame f;
    struct sl_writer w = begin_method(room, sizeof room, 1, METHOD(50, 40));

    write_header(&w, name);
    sl_write_u8(&w, 0);
    say(p, &w, room);
    expect(p, METHOD(50, 41), &f);
}

/* The reserved short integer, and a name. */
static void write_header(struct sl_writer *w, const char *name)
{
    sl_write_u16(w, 0);
    sl_write_short_string(w, sl_bytes_of(name));
}

/* ---- measuring ---- */

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double processor_seconds_of(int pid)
{
    uint64_t ticks = field_of(pid, "stat", ")", 12) + field_of(pid, "stat", ")", 13);

    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

uint64_t resident_bytes_of(int pid)
{
    return field_of(pid, "status", "VmRSS:", 0) * 1024;
}

/* The number that stands so many words behind the first one after skip_to. */
static uint64_t field_of(int pid, const char *file, const char *skip_to, int field)
{
    char path[64];
    char text[4096];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return 0;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    char *rest = NULL;
    char *at = strstr(text, skip_to);
    if (at == NULL)
        return 0;
    for (at = strtok_r(at + strlen(skip_to), " \t\n", &rest); at != NULL && field > 0; field--)
        at = strtok_r(NULL, " \t\n", &rest);
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

void take_turns(const struct options *o, const char *const *names, unsigned count,
                struct pace (*run)(void *context, unsigned which), void *context)
{
    struct pace paces[NAMES_MAX][ROUNDS_MAX];

    SL_ASSERT(count <= NAMES_MAX);
    for (int round = 0; round < o->rounds; round++) {
        for (unsigned i = 0; i < count; i++) {
            unsigned which = round % 2 == 0 ? i : count - 1 - i;

            if (o->only >= 0 && which != (unsigned)o->only)
                continue;
            paces[which][round] = run(context, which);
            printf("round %d: %s: %.0f/s", round + 1, names[which], paces[which][round].per_second);
            if (o->pid != 0)
                printf(", broker %.3f us each", paces[which][round].broker_us);
            printf("\n");
            fflush(stdout);
        }
    }
    if (o->only < 0)
        print_medians(names, count, paces, o->rounds);
}

static int by_pace(const void *a, const void *b)
{
    const struct pace *x = a;
    const struct pace *y = b;

    return (x->per_second > y->per_second) - (x->per_second < y->per_second);
}

static void print_medians(const char *const *names, unsigned count,
                          struct pace (*paces)[ROUNDS_MAX], int rounds)
{
    double first = 0;

    for (unsigned i = 0; i < count; i++) {
        qsort(paces[i], (size_t)rounds, sizeof paces[i][0], by_pace);
        struct pace middle = paces[i][rounds / 2];
        if (i == 0)
            first = middle.per_second;
        printf("median: %s: %.0f/s, %.2f of %s", names[i], middle.per_second,
               middle.per_second / first, names[0]);
        if (middle.broker_us > 0)
            printf(", broker %.3f us each", middle.broker_us);
        printf("\n");
    }
}
