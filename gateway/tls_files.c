#include "gateway/tls_files.h"

#include "core/base/log.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_MAX_BYTES 1024
#define CLIENT_CHAIN_BYTES_MAX (32u * 1024) /* of a peer who has not said yet who it is */
#define TICKET_SECONDS 7200
#define READ_BUFFER_BYTES (64u * 1024) /* records that one system call brings; kept while in use */

/* What Mozilla calls intermediate, without finite fields: no CBC, no RSA key exchange. */
#define CIPHERS_FOR_1_2                                                                            \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_FOR_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static bool set_rules(SSL_CTX *ctx, const struct tls_settings *s, struct text *why);
static bool set_versions(SSL_CTX *ctx, const struct tls_settings *s, struct text *why);
static bool set_ciphers(SSL_CTX *ctx, const struct tls_settings *s, struct text *why);
static bool set_certificate(SSL_CTX *ctx, const char *cert, const char *key, struct text *why);
static bool set_verification(SSL_CTX *ctx, const struct tls_settings *s, struct text *why);
static bool add_authorities(SSL_CTX *ctx, const char *list, struct text *why);
static bool add_revocations(SSL_CTX *ctx, const char *list, struct text *why);
static bool is_private(const char *key, struct text *why);
static void tell(SSL_CTX *ctx, const char *path);
static bool fail(struct text *why, const char *setting, const char *value);
static int no_password(char *room, int size, int is_writing, void *context);

SSL_CTX *tls_files_read(const struct tls_settings *settings, const char *cert, const char *key,
                        struct text *why)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (ctx == NULL) {
        text_add(why, "out of memory");
        return NULL;
    }
    if (set_rules(ctx, settings, why) && set_certificate(ctx, cert, key, why) &&
        set_verification(ctx, settings, why)) {
        tell(ctx, cert);
        return ctx;
    }
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return NULL;
}

bool tls_files_next(const char **list, char *room, size_t size)
{
    const char *at = *list + strspn(*list, ", \t");
    size_t len = strcspn(at, ",");

    *list = at + len;
    while (len != 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (len == 0 || len >= size)
        return false;
    memcpy(room, at, len);
    room[len] = '\0';
    return true;
}

static bool set_rules(SSL_CTX *ctx, const struct tls_settings *s, struct text *why)
{
    static const unsigned char ID[] = "sluice";

    SSL_CTX_set_security_level(ctx, 2); /* RSA from 2048 bits on, no SHA-1 */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (s->kernel)
        SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER_BYTES);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_BYTES_MAX);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, TICKET_SECONDS);
    SSL_CTX_set_session_id_context(ctx, ID, sizeof ID - 1);
    return set_versions(ctx, s, why) && set_ciphers(ctx, s, why);
}

static bool set_versions(SSL_CTX *ctx, const struct tls_settings *s, struct text *why)
{
    bool is_1_3 = strcmp(s->version, "1.3") == 0;

    if (!is_1_3 && strcmp(s->version, "1.2") != 0) {
        text_add(why, "tls-version '%s' is neither 1.2 nor 1.3", s->version);
        return false;
    }
    return SSL_CTX_set_min_proto_version(ctx, is_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1;
}

static bool set_ciphers(SSL_CTX *ctx, const struct tls_settings *s, struct text *why)
{
    const char *ciphers = *s->ciphers == '\0' ? CIPHERS_FOR_1_2 : s->ciphers;
    const char *suites = *s->suites == '\0' ? SUITES_FOR_1_3 : s->suites;

    if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1)
        return fail(why, "tls-ciphers", ciphers);
    if (SSL_CTX_set_ciphersuites(ctx, suites) != 1)
        return fail(why, "tls-ciphersuites", suites);
    return true;
}

static bool set_certificate(SSL_CTX *ctx, const char *cert, const char *key, struct text *why)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail(why, "tls-cert", cert);
    if (!is_private(key, why))
        return false;
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return fail(why, "tls-key", key);
    return true;
}

static bool set_verification(SSL_CTX *ctx, const struct tls_settings *s, struct text *why)
{
    bool is_required = strcmp(s->verify, "required") == 0;

    if (!is_required && strcmp(s->verify, "optional") != 0) {
        if (strcmp(s->verify, "off") == 0)
            return true;
        text_add(why, "tls-verify '%s' is none of off, optional, required", s->verify);
        return false;
    }
    if (*s->ca == '\0') {
        text_add(why, "tls-verify %s needs tls-ca", s->verify);
        return false;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    SSL_CTX_set_verify_depth(ctx, (int)s->depth);
    return add_authorities(ctx, s->ca, why) && add_revocations(ctx, s->crl, why);
}

/* Their names are told to clients, who choose their certificate by it. */
static bool add_authorities(SSL_CTX *ctx, const char *list, struct text *why)
{
    char path[PATH_MAX_BYTES];
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

    while (names != NULL && tls_files_next(&list, path, sizeof path)) {
        if (SSL_CTX_load_verify_locations(ctx, path, NULL) == 1 &&
            SSL_add_file_cert_subjects_to_stack(names, path) == 1)
            continue;
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(why, "tls-ca", path);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    return true;
}

/* With one list, every authority of a chain must have one: a revoked one in between counts. */
static bool add_revocations(SSL_CTX *ctx, const char *list, struct text *why)
{
    char path[PATH_MAX_BYTES];
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    bool is_any = false;

    while (tls_files_next(&list, path, sizeof path)) {
        X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

        if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0)
            return fail(why, "tls-crl", path);
        is_any = true;
    }
    if (is_any)
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return true;
}

/* Keys that everybody can read are no secret. */
static bool is_private(const char *key, struct text *why)
{
    struct stat st;

    if (stat(key, &st) != 0) {
        text_add(why, "tls-key %s: %s", key, strerror(errno));
        return false;
    }
    if ((st.st_mode & S_IRWXO) == 0)
        return true;
    text_add(why, "tls-key %s: everybody may open it (mode %o); chmod 640 or 600", key,
             (unsigned)(st.st_mode & 07777));
    return false;
}

static void tell(SSL_CTX *ctx, const char *path)
{
    X509 *cert = SSL_CTX_get0_certificate(ctx);
    char subject[256] = "";
    int days = 0;
    int seconds = 0;

    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    (void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert));
    sl_log_write(days < 0 || seconds < 0 ? SL_LOG_WARN : SL_LOG_INFO, "tls.certificate",
                 "file=%s subject=\"%s\" days_left=%d", path, subject, days);
}

/* The innermost reason: "no such file", "no start line", "key values mismatch". */
static bool fail(struct text *why, const char *setting, const char *value)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_SYSTEM_ERROR(error) ? NULL : ERR_reason_error_string(error);

    if (ERR_SYSTEM_ERROR(ERR_peek_error()))
        reason = strerror(ERR_GET_REASON(ERR_peek_error()));
    text_add(why, "%s %s: %s", setting, value, reason == NULL ? "cannot be read" : reason);
    return false;
}

/* OpenSSL would ask at a terminal. */
static int no_password(char *room, int size, int is_writing, void *context)
{
    (void)room, (void)size, (void)is_writing, (void)context;
    return -1;
}
