#include "gateway/transport_tls.h"

#include "core/base/assert.h"
#include "gateway/tls_peer.h"
#include "gateway/tls_wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_BYTES (16u * 1024) /* the most that one record carries */

enum phase {
    PHASE_HANDSHAKE,
    PHASE_OPEN,
    PHASE_CLOSING, /* our close_notify waits for room in the socket */
    PHASE_CLOSED,  /* it is said, or cannot be: what comes is not looked at any more */
};

struct tls {
    SSL *ssl;
    struct tls_set *set;
    struct tls_wire wire; /* unused where the kernel encrypts */
    enum phase phase;
    bool is_blocked;     /* OpenSSL waits for the socket to take bytes */
    bool has_more;       /* reading stopped for want of room, not of bytes */
    enum sl_err stashed; /* met behind bytes that had to be handed over first */
    size_t unfinished;   /* bytes of a record that the socket has not taken */
    const char *reason;  /* of SL_EPROTO */
    struct peer_security security;
};

static enum sl_err tls_read(struct transport *t, uint8_t *into, size_t room, size_t *got);
static enum sl_err tls_writev(struct transport *t, const struct iovec *iov, int n, size_t *put);
static enum sl_err tls_flush(struct transport *t);
static void tls_shutdown(struct transport *t);
static bool tls_pending(const struct transport *t);
static const struct peer_security *tls_security(struct transport *t);
static const char *tls_reason(const struct transport *t);
static void tls_close(struct transport *t);

static const struct transport_ops OPS = {
    .read = tls_read,
    .writev = tls_writev,
    .flush = tls_flush,
    .shutdown = tls_shutdown,
    .pending = tls_pending,
    .security = tls_security,
    .reason = tls_reason,
    .close = tls_close,
};

struct cursor { /* over what is to be written */
    const struct iovec *iov;
    int left;
    size_t at; /* in the first */
};

static bool join(struct tls *s, int fd);
static enum sl_err write_records(struct transport *t, const struct iovec *iov, int n, size_t *put);
static enum sl_err read_record(struct transport *t, uint8_t *into, size_t room, size_t *got);
static bool end_handshake(struct transport *t);
static enum sl_err read_raw(struct transport *t, uint8_t *into, size_t room, size_t *got);
static enum sl_err judge(struct transport *t, int result);
static const char *why(struct tls *s);
static struct sl_bytes next_record(struct cursor *c, size_t wanted, uint8_t *scratch);
static void step(struct cursor *c, size_t n);

enum sl_err transport_tls_begin(struct transport *t, struct tls_context *context)
{
    struct tls *s = calloc(1, sizeof *s);

    if (s == NULL)
        return SL_ENOMEM;
    s->set = tls_context_take(context);
    s->ssl = tls_set_begin(s->set);
    if (s->ssl == NULL || !join(s, t->fd)) {
        SSL_free(s->ssl);
        tls_set_drop(s->set);
        free(s);
        ERR_clear_error();
        return SL_ENOMEM;
    }
    SSL_set_accept_state(s->ssl);
    *t = (struct transport){.ops = &OPS, .fd = t->fd, .state = s};
    return SL_OK;
}

/* As many records as there are and fit: OpenSSL gives one at a time. */
static enum sl_err tls_read(struct transport *t, uint8_t *into, size_t room, size_t *got)
{
    struct tls *s = t->state;
    enum sl_err err = s->stashed;
    size_t sum = 0;

    s->has_more = false;
    s->stashed = SL_OK;
    *got = 0;
    if (s->phase >= PHASE_CLOSING)
        return read_raw(t, into, room, got);
    s->is_blocked = false;
    while (err == SL_OK && sum < room) {
        size_t n = 0;

        err = read_record(t, into + sum, room - sum, &n);
        if (err == SL_OK && n == 0) /* a proper end, which stays where it is */
            break;
        sum += n;
    }
    (void)tls_flush(t); /* answers of a handshake; a socket that is gone says so by reading, too */
    if (sum == 0)
        return err;
    *got = sum;
    s->has_more = err != SL_EAGAIN;
    if (err != SL_EAGAIN)
        s->stashed = err;
    return SL_OK;
}

/* Nothing is encrypted while the socket has not taken what was. */
static enum sl_err tls_writev(struct transport *t, const struct iovec *iov, int n, size_t *put)
{
    enum sl_err err = SL_OK;

    *put = 0;
    if (t->wants_write && (err = tls_flush(t)) != SL_OK)
        return err;
    err = write_records(t, iov, n, put);
    enum sl_err flushed = tls_flush(t);
    if (flushed == SL_EIO)
        return SL_EIO;
    return err == SL_EAGAIN && *put != 0 ? SL_OK : err;
}

static enum sl_err tls_flush(struct transport *t)
{
    struct tls *s = t->state;
    enum sl_err err = tls_wire_flush(&s->wire);

    t->wants_write = err == SL_EAGAIN || s->is_blocked;
    return err;
}

static enum sl_err write_records(struct transport *t, const struct iovec *iov, int n, size_t *put)
{
    static _Thread_local uint8_t scratch[RECORD_BYTES];
    struct tls *s = t->state;
    struct cursor c = {iov, n, 0};
    enum sl_err err = SL_OK;

    if (s->phase != PHASE_OPEN)
        return SL_EIO;
    s->is_blocked = false;
    while (err == SL_OK && c.left != 0) {
        if (tls_wire_is_full() && (err = tls_wire_flush(&s->wire)) != SL_OK)
            break;
        size_t wanted = s->unfinished != 0 ? s->unfinished : RECORD_BYTES;
        struct sl_bytes record = next_record(&c, wanted, scratch);
        size_t done = 0;

        if (record.len == 0)
            break;
        ERR_clear_error();
        int result = SSL_write_ex(s->ssl, record.at, record.len, &done);
        if (result != 1 && (err = judge(t, result)) == SL_OK)
            err = SL_EIO;
        s->unfinished = err == SL_EAGAIN ? record.len : 0;
        *put += done;
        step(&c, done);
    }
    return err;
}

/* Our close_notify first: without it the peer cannot tell an end from a cut. */
static void tls_shutdown(struct transport *t)
{
    struct tls *s = t->state;

    if (s->phase == PHASE_CLOSED)
        return;
    bool is_said = SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN && !s->is_blocked;
    s->is_blocked = false;
    if (s->phase != PHASE_HANDSHAKE && !is_said) {
        ERR_clear_error();
        int result = SSL_shutdown(s->ssl);
        if (result < 0)
            (void)judge(t, result);
        s->phase = PHASE_CLOSING;
    }
    if (tls_flush(t) == SL_EAGAIN || s->is_blocked)
        return;
    s->phase = PHASE_CLOSED;
    (void)shutdown(t->fd, SHUT_WR);
}

static bool tls_pending(const struct transport *t)
{
    return ((const struct tls *)t->state)->has_more;
}

static const struct peer_security *tls_security(struct transport *t)
{
    struct tls *s = t->state;

    if (s->security.version == NULL) {
        s->security.version = SSL_get_version(s->ssl);
        s->security.cipher = SSL_get_cipher_name(s->ssl);
        s->security.certificate = tls_peer_certificate(s->ssl);
    }
    return &s->security;
}

static const char *tls_reason(const struct transport *t)
{
    const struct tls *s = t->state;

    return s->reason == NULL ? "" : s->reason;
}

/* Without a close_notify of ours the peer sees a cut, as it should when we broke off. */
static void tls_close(struct transport *t)
{
    struct tls *s = t->state;

    SSL_free(s->ssl);
    tls_set_drop(s->set);
    tls_wire_deinit(&s->wire);
    free((void *)s->security.certificate);
    free(s);
    close(t->fd);
    *t = (struct transport){.fd = -1};
}

/* The kernel can only encrypt what OpenSSL writes into the socket itself. */
static bool join(struct tls *s, int fd)
{
    s->wire.fd = fd;
    if (SSL_get_options(s->ssl) & SSL_OP_ENABLE_KTLS)
        return SSL_set_fd(s->ssl, fd) == 1;
    BIO *to = tls_wire_bio(&s->wire);
    if (to == NULL)
        return false;
    SSL_set0_wbio(s->ssl, to);
    return SSL_set_rfd(s->ssl, fd) == 1;
}

/* SL_OK with no bytes: the peer said properly that there are no more. */
static enum sl_err read_record(struct transport *t, uint8_t *into, size_t room, size_t *got)
{
    struct tls *s = t->state;

    ERR_clear_error();
    int result = SSL_read_ex(s->ssl, into, room, got);
    if (s->phase == PHASE_HANDSHAKE && SSL_is_init_finished(s->ssl) && !end_handshake(t))
        return SL_EPROTO;
    if (result == 1)
        return SL_OK;
    *got = 0;
    return judge(t, result);
}

/* A ticket outlives what it was given for. */
static bool end_handshake(struct transport *t)
{
    struct tls *s = t->state;

    s->phase = PHASE_OPEN;
    if (!SSL_session_reused(s->ssl) || !tls_peer_has_expired(s->ssl))
        return true;
    s->reason = "certificate has expired";
    return false;
}

/* After our last word: the bytes only leave the socket, so that its close is no reset. */
static enum sl_err read_raw(struct transport *t, uint8_t *into, size_t room, size_t *got)
{
    struct tls *s = t->state;

    if (s->phase == PHASE_CLOSING)
        tls_shutdown(t);
    ssize_t n = recv(t->fd, into, room, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? SL_EAGAIN : SL_EIO;
    *got = (size_t)n;
    return SL_OK;
}

/* SL_OK: the peer said properly that it sends no more. */
static enum sl_err judge(struct transport *t, int result)
{
    struct tls *s = t->state;

    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN: return SL_OK;
    case SSL_ERROR_WANT_READ: return SL_EAGAIN;
    case SSL_ERROR_WANT_WRITE: s->is_blocked = true; return SL_EAGAIN;
    case SSL_ERROR_SSL:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return SL_EIO; /* cut off */
        s->reason = why(s);
        return SL_EPROTO;
    default: return SL_EIO;
    }
}

static const char *why(struct tls *s)
{
    unsigned long error = ERR_peek_error();
    long verdict = SSL_get_verify_result(s->ssl);

    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    const char *text = ERR_reason_error_string(error);
    return text == NULL ? "unknown" : text;
}

/* Large pieces go as they lie, small ones are put together.  A record that the socket did not
 * take before must be offered once more with the same length. */
static struct sl_bytes next_record(struct cursor *c, size_t wanted, uint8_t *scratch)
{
    struct cursor from = *c;
    size_t len = 0;

    while (from.left != 0 && from.at == from.iov->iov_len)
        from = (struct cursor){from.iov + 1, from.left - 1, 0};
    if (from.left == 0)
        return (struct sl_bytes){NULL, 0};
    size_t first = from.iov->iov_len - from.at;
    if (first >= wanted || from.left == 1)
        return (struct sl_bytes){(const uint8_t *)from.iov->iov_base + from.at,
                                 first < wanted ? first : wanted};
    for (; from.left != 0 && len < wanted; from = (struct cursor){from.iov + 1, from.left - 1, 0}) {
        size_t n = from.iov->iov_len - from.at;

        n = n < wanted - len ? n : wanted - len;
        memcpy(scratch + len, (const uint8_t *)from.iov->iov_base + from.at, n);
        len += n;
    }
    return (struct sl_bytes){scratch, len};
}

static void step(struct cursor *c, size_t n)
{
    while (c->left != 0 && n >= c->iov->iov_len - c->at) {
        n -= c->iov->iov_len - c->at;
        *c = (struct cursor){c->iov + 1, c->left - 1, 0};
    }
    c->at += n;
}
