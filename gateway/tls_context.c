#include "gateway/tls_context.h"

#include "core/base/assert.h"
#include "core/base/log.h"
#include "gateway/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATES_MAX 64
#define PATH_MAX_BYTES 1024

struct tls_set {
    _Atomic uint32_t users; /* connections, and the context while it is the one of now */
    int keylog_fd;          /* -1: none */
    uint32_t count;
    SSL_CTX *each[CERTIFICATES_MAX]; /* one for each certificate */
};

struct tls_context {
    pthread_mutex_t lock; /* over now; taken once per handshake */
    struct tls_set *now;
};

static struct tls_set *read_set(const struct tls_settings *s, struct text *why);
static bool add_all(struct tls_set *set, const struct tls_settings *s, struct text *why);
static bool open_keylog(struct tls_set *set, const char *path, struct text *why);
static void on_secret(const SSL *ssl, const char *line);
static int on_server_name(SSL *ssl, int *alert, void *context);

enum sl_err tls_context_open(struct tls_context **out, const struct tls_settings *settings,
                             struct text *why)
{
    struct tls_context *t = calloc(1, sizeof *t);

    SL_ASSERT(t != NULL);
    t->now = read_set(settings, why);
    if (t->now == NULL) {
        free(t);
        return SL_ESYNTAX;
    }
    SL_ASSERT(pthread_mutex_init(&t->lock, NULL) == 0);
    *out = t;
    return SL_OK;
}

enum sl_err tls_context_reload(struct tls_context *t, const struct tls_settings *settings,
                               struct text *why)
{
    struct tls_set *set = read_set(settings, why);

    if (set == NULL)
        return SL_ESYNTAX;
    pthread_mutex_lock(&t->lock);
    struct tls_set *before = t->now;
    t->now = set;
    pthread_mutex_unlock(&t->lock);
    tls_set_drop(before);
    return SL_OK;
}

void tls_context_close(struct tls_context *t)
{
    if (t == NULL)
        return;
    tls_set_drop(t->now);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

struct tls_set *tls_context_take(struct tls_context *t)
{
    pthread_mutex_lock(&t->lock);
    struct tls_set *set = t->now;
    atomic_fetch_add_explicit(&set->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(&t->lock);
    return set;
}

void tls_set_drop(struct tls_set *set)
{
    if (atomic_fetch_sub(&set->users, 1) != 1)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        SSL_CTX_free(set->each[i]);
    if (set->keylog_fd >= 0)
        close(set->keylog_fd);
    free(set);
}

SSL *tls_set_begin(struct tls_set *set)
{
    return SSL_new(set->each[0]);
}

static struct tls_set *read_set(const struct tls_settings *s, struct text *why)
{
    struct tls_set *set = calloc(1, sizeof *set);

    SL_ASSERT(set != NULL);
    set->users = 1;
    set->keylog_fd = -1;
    if (open_keylog(set, s->keylog, why) && add_all(set, s, why))
        return set;
    tls_set_drop(set);
    return NULL;
}

static bool add_all(struct tls_set *set, const struct tls_settings *s, struct text *why)
{
    const char *certs = s->cert;
    const char *keys = *s->key == '\0' ? s->cert : s->key;
    char cert[PATH_MAX_BYTES];
    char key[PATH_MAX_BYTES];

    while (set->count < CERTIFICATES_MAX && tls_files_next(&certs, cert, sizeof cert)) {
        if (!tls_files_next(&keys, key, sizeof key)) {
            text_add(why, "tls-key names no key for %s", cert);
            return false;
        }
        SSL_CTX *ctx = tls_files_read(s, cert, key, why);
        if (ctx == NULL)
            return false;
        set->each[set->count++] = ctx;
        SSL_CTX_set_app_data(ctx, set);
        SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
        SSL_CTX_set_tlsext_servername_arg(ctx, set);
        if (set->keylog_fd >= 0)
            SSL_CTX_set_keylog_callback(ctx, on_secret);
    }
    if (set->count != 0 && !tls_files_next(&certs, cert, sizeof cert) &&
        !tls_files_next(&keys, key, sizeof key))
        return true;
    text_add(why, "tls-cert and tls-key name no certificate, or more than %u, or more keys",
             CERTIFICATES_MAX);
    return false;
}

static bool open_keylog(struct tls_set *set, const char *path, struct text *why)
{
    if (*path == '\0')
        return true;
    set->keylog_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (set->keylog_fd < 0) {
        text_add(why, "tls-keylog-file %s: %s", path, strerror(errno));
        return false;
    }
    sl_warn("tls.keylog", "file=%s warning=\"whoever reads it reads every connection\"", path);
    return true;
}

static void on_secret(const SSL *ssl, const char *line)
{
    struct tls_set *set = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char room[512];
    struct text text = text_on(room, sizeof room);

    text_add(&text, "%s\n", line);
    if (write(set->keylog_fd, text.at, text.len) < 0)
        sl_log_peer(SL_LOG_WARN, "tls.keylog", "reason=write");
}

/* The first certificate that has the name; else it stays the first of all. */
static int on_server_name(SSL *ssl, int *alert, void *context)
{
    struct tls_set *set = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (uint32_t i = 0; name != NULL && i < set->count; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(set->each[i]), name, 0, 0, NULL) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, set->each[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}
