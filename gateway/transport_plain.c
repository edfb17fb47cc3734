#include "gateway/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static enum sl_err plain_read(struct transport *t, uint8_t *into, size_t room, size_t *got);
static enum sl_err plain_writev(struct transport *t, const struct iovec *iov, int n, size_t *put);
static enum sl_err plain_flush(struct transport *t);
static void plain_shutdown(struct transport *t);
static bool plain_pending(const struct transport *t);
static const struct peer_security *plain_security(struct transport *t);
static const char *plain_reason(const struct transport *t);
static void plain_close(struct transport *t);
static enum sl_err reason(void);

static const struct transport_ops OPS = {
    .read = plain_read,
    .writev = plain_writev,
    .flush = plain_flush,
    .shutdown = plain_shutdown,
    .pending = plain_pending,
    .security = plain_security,
    .reason = plain_reason,
    .close = plain_close,
};

struct transport transport_plain(int fd)
{
    return (struct transport){.ops = &OPS, .fd = fd};
}

static enum sl_err plain_read(struct transport *t, uint8_t *into, size_t room, size_t *got)
{
    ssize_t n = recv(t->fd, into, room, 0);

    if (n < 0)
        return reason();
    *got = (size_t)n;
    return SL_OK;
}

static enum sl_err plain_writev(struct transport *t, const struct iovec *iov, int n, size_t *put)
{
    ssize_t done = writev(t->fd, iov, n); /* SIGPIPE is ignored */

    if (done < 0)
        return reason();
    *put = (size_t)done;
    return SL_OK;
}

static enum sl_err plain_flush(struct transport *t)
{
    (void)t;
    return SL_OK;
}

static void plain_shutdown(struct transport *t)
{
    (void)shutdown(t->fd, SHUT_WR); /* a peer that is gone already is no news here */
}

static bool plain_pending(const struct transport *t)
{
    (void)t;
    return false;
}

static const struct peer_security *plain_security(struct transport *t)
{
    (void)t;
    return NULL;
}

static const char *plain_reason(const struct transport *t)
{
    (void)t;
    return "";
}

static void plain_close(struct transport *t)
{
    close(t->fd);
    t->fd = -1;
}

static enum sl_err reason(void)
{
    return errno == EAGAIN || errno == EINTR ? SL_EAGAIN : SL_EIO;
}
