#include "gateway/tls_wire.h"

#include "core/base/assert.h"

#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FULL_BYTES (128u * 1024) /* leaves room for two records */

static _Thread_local struct { /* of the connection that is being served */
    size_t used;
    uint8_t bytes[TLS_WIRE_BYTES];
} batch;

static BIO_METHOD *method;

static void make_method(void);
static int on_write(BIO *bio, const char *at, int len);
static long on_control(BIO *bio, int command, long number, void *pointer);
static enum sl_err send_some(int fd, const uint8_t *at, size_t len, size_t *sent);
static enum sl_err keep(struct tls_wire *w, const uint8_t *at, size_t len);

BIO *tls_wire_bio(struct tls_wire *w)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    SL_ASSERT(pthread_once(&once, make_method) == 0);
    BIO *bio = BIO_new(method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, w);
    BIO_set_init(bio, 1);
    return bio;
}

bool tls_wire_is_full(void)
{
    return batch.used >= FULL_BYTES;
}

enum sl_err tls_wire_flush(struct tls_wire *w)
{
    enum sl_err err = SL_OK;
    size_t sent = 0;

    if (w->left != NULL) {
        err = send_some(w->fd, w->left + w->begin, w->end - w->begin, &sent);
        w->begin += sent;
        if (w->begin == w->end)
            tls_wire_deinit(w);
    }
    sent = 0;
    if (err == SL_OK)
        err = send_some(w->fd, batch.bytes, batch.used, &sent);
    if (err == SL_EAGAIN && sent != batch.used)
        err = keep(w, batch.bytes + sent, batch.used - sent);
    batch.used = 0;
    return err;
}

void tls_wire_deinit(struct tls_wire *w)
{
    free(w->left);
    w->left = NULL;
    w->begin = w->end = 0;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "sluice");
    SL_ASSERT(method != NULL);
    BIO_meth_set_write(method, on_write);
    BIO_meth_set_ctrl(method, on_control);
}

static int on_write(BIO *bio, const char *at, int len)
{
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    if ((size_t)len > sizeof batch.bytes - batch.used) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(batch.bytes + batch.used, at, (size_t)len);
    batch.used += (size_t)len;
    return len;
}

/* A handshake asks for a flush after each of its turns; ours comes when OpenSSL returns. */
static long on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static enum sl_err send_some(int fd, const uint8_t *at, size_t len, size_t *sent)
{
    while (*sent < len) {
        ssize_t n = send(fd, at + *sent, len - *sent, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? SL_EAGAIN : SL_EIO;
        *sent += (size_t)n;
    }
    return SL_OK;
}

/* Behind what is left already.  Writers stop while something is left, so only the few words of
 * a handshake or an end come on top. */
static enum sl_err keep(struct tls_wire *w, const uint8_t *at, size_t len)
{
    size_t before = w->end - w->begin;
    uint8_t *room = before + len > 2 * TLS_WIRE_BYTES ? NULL : malloc(before + len);

    if (room == NULL)
        return SL_EIO;
    if (before != 0)
        memcpy(room, w->left + w->begin, before);
    memcpy(room + before, at, len);
    free(w->left);
    *w = (struct tls_wire){w->fd, room, 0, before + len};
    return SL_EAGAIN;
}
