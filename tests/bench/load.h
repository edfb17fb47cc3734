/*
 * load.h - what the measuring programs share: blocking AMQP connections, and runs in turns.
 *
 * Every program takes HOST:PORT first, so that any broker can be put in its place, and
 *     -r ROUNDS   5       -s SECONDS   2 a run       -u USER:PASSWORD   guest:guest
 *     -p PID              the broker's process, for its processor time and memory
 *     -n MESSAGES         of a run of a stream, in place of seconds
 *     -o NUMBER           only this one of what is compared, from 0
 * What fails ends the program with a word on stderr: there is nothing to measure then.
 */
#ifndef SLUICE_TESTS_BENCH_LOAD_H
#define SLUICE_TESTS_BENCH_LOAD_H

#include "core/base/bytes.h"

#include <openssl/ssl.h>

#define PEER_READ_BYTES (256u * 1024)
#define PEER_WRITE_BYTES (512u * 1024)

struct place {
    char host[256];
    char port[8];
};

struct options {
    struct place place;
    const char *user;
    const char *password;
    int rounds;
    double seconds;
    uint64_t messages; /* of a run; 0: as many as go in the seconds */
    int only;          /* of what is compared; -1: all */
    int pid;           /* 0: not known */
    int others;        /* index of the first argument that is neither HOST:PORT nor an option */
};

/* A blocking connection. */
struct peer {
    int fd;
    SSL *ssl; /* NULL: plain */
    uint8_t in[PEER_READ_BYTES];
    size_t begin;
    size_t end;
};

struct frame {
    uint8_t type;
    struct sl_reader body;
};

/* What a run gave. */
struct pace {
    double per_second;
    double broker_us; /* of processor time for each; 0: not known */
};

/* Ends the program when they are wrong; usage is what may follow HOST:PORT. */
struct options read_options(int count, char **arguments, const char *usage);
/* HOST:PORT, or a port of this machine. */
struct place place_of(const char *text);
void split_login(char *text, const char **user, const char **password);
_Noreturn void give_up(const char *what);

/* ---- bytes ---- */

/* tls is NULL for a plain connection. */
struct peer *dial(const struct place *place, SSL_CTX *tls);
void hang_up(struct peer *p);
/* Within TLS: what is sent at once goes to the socket at once, as it does without. */
void write_whole(struct peer *p);
void send_all(struct peer *p, const uint8_t *at, size_t len);
/* Waits for more bytes; false at the end of the connection. */
bool fill(struct peer *p);
/* Takes what is there; false when there is nothing. */
bool fill_at_once(struct peer *p);
/* The next whole frame of what was read. */
bool next_frame(struct peer *p, struct frame *out);

/* ---- AMQP: everything on channel 1 ---- */

/* Class and method of a method frame, 0 of another. */
uint32_t method_of(struct frame *f);
#define METHOD(class, method) ((uint32_t)(class) << 16 | (method))

struct sl_writer begin_method(uint8_t *room, size_t size, uint16_t channel, uint32_t method);
size_t end_method(struct sl_writer *w, uint8_t *room);
void say(struct peer *p, struct sl_writer *w, uint8_t *room);
/* Reads on to this method; its arguments are in f. */
void expect(struct peer *p, uint32_t method, struct frame *f);

/* To connection.open-ok. */
void log_in(struct peer *p, const char *user, const char *password);
void close_politely(struct peer *p);
void open_channel(struct peer *p);
/* All three of the above but the closing. */
struct peer *join(const struct options *o, SSL_CTX *tls);
void declare_exchange(struct peer *p, const char *name, const char *kind);

struct argument { /* of a queue */
    const char *name;
    uint64_t value;
};
void declare_queue(struct peer *p, const char *name, const struct argument *arguments,
                   unsigned count);
void bind_queue(struct peer *p, const char *name, const char *exchange, const char *key);
void purge_queue(struct peer *p, const char *name);
void delete_queue(struct peer *p, const char *name);

/* Reads the confirms that are here already: the tag up to which everything is confirmed, given the
 * one before. */
uint64_t take_confirms(struct peer *p, uint64_t confirmed);

/* ---- measuring ---- */

uint64_t now_ns(void);
double processor_seconds_of(int pid);
uint64_t resident_bytes_of(int pid);

/* Each of the names in turns, rounds times, the order turned round every second time; prints every
 * run, then the medians, each with its share of the first. */
void take_turns(const struct options *o, const char *const *names, unsigned count,
                struct pace (*run)(void *context, unsigned which), void *context);

#endif
