/*
 * Both ends in one thread, over a socket pair with little room: what the gateway's end promises
 * to a connection.
 */
#include "gateway/transport_tls.h"

#include "gateway/cert_login.h"
#include "tests/support/scratch.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[SCRATCH_BYTES];
static char cert_file[2 * SCRATCH_BYTES];
static char key_file[2 * SCRATCH_BYTES];
static char other_file[2 * SCRATCH_BYTES];
static struct tls_settings settings;
static struct tls_context *context;
static struct transport ours;
static SSL_CTX *rules;
static SSL *theirs;
static char room[512];
static struct text why;

/* ---- certificates ---- */

static void add(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

static X509 *sign_itself(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Acme, Inc", -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"sh\xc3\xb6p", -1,
                               -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    add(cert, NID_subject_alt_name,
        "DNS:a.example,email:shop@example,DNS:b.example,IP:192.0.2.1,IP:2001:db8::1,URI:urn:x");
    X509_sign(cert, key, EVP_sha256());
    return cert;
}

static void write_pair(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = sign_itself(key);
    FILE *to = fopen(cert_path, "w");

    PEM_write_X509(to, cert);
    fclose(to);
    umask(077);
    to = fopen(key_path, "w");
    PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
    fclose(to);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* ---- the bench ---- */

static void begin(const char *verify)
{
    why = text_on(room, sizeof room);
    settings = (struct tls_settings){cert_file, key_file, cert_file, "",    verify, 10,
                                     "1.2",     "",       "",        false, ""};
    CU_ASSERT_EQUAL_FATAL(tls_context_open(&context, &settings, &why), SL_OK);
}

static void connect_both(void)
{
    static const int small = 4096;
    int pair[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    ours = transport_plain(pair[0]);
    CU_ASSERT_EQUAL_FATAL(transport_tls_begin(&ours, context), SL_OK);
    rules = SSL_CTX_new(TLS_client_method());
    theirs = SSL_new(rules);
    SSL_set_fd(theirs, pair[1]);
}

static enum sl_err read_ours(size_t want, size_t *got)
{
    static uint8_t into[1 << 18];

    return ours.ops->read(&ours, into, want, got);
}

static bool shake(void)
{
    for (int i = 0; i < 100; i++) {
        size_t got;
        bool is_done = SSL_connect(theirs) == 1;
        enum sl_err err = read_ours(100, &got);

        if (err != SL_EAGAIN)
            return false;
        if (is_done && i > 1)
            return true;
    }
    return false;
}

static void part(void)
{
    if (ours.fd >= 0)
        ours.ops->close(&ours);
    int fd = SSL_get_fd(theirs);
    SSL_free(theirs);
    if (fd >= 0)
        close(fd);
    SSL_CTX_free(rules);
}

static void finish(void)
{
    part();
    tls_context_close(context);
}

/* ---- promises ---- */

static void a_handshake_that_is_none_is_refused_with_the_reason(void)
{
    size_t got;

    begin("off");
    connect_both();
    CU_ASSERT_EQUAL(write(SSL_get_fd(theirs), "\x16\x03\x01\0\5\1\xff\xff\xff\xff", 10), 10);
    CU_ASSERT_EQUAL(read_ours(100, &got), SL_EPROTO);
    CU_ASSERT_STRING_NOT_EQUAL(ours.ops->reason(&ours), "");
    finish();
}

static void a_cut_is_an_error_and_an_end_is_not(void)
{
    size_t got;

    for (int is_cut = 0; is_cut < 2; is_cut++) {
        begin("off");
        connect_both();
        CU_ASSERT_TRUE_FATAL(shake());
        CU_ASSERT_EQUAL(SSL_write(theirs, "hello", 5), 5);
        if (!is_cut)
            SSL_shutdown(theirs);
        shutdown(SSL_get_fd(theirs), SHUT_WR);
        CU_ASSERT_EQUAL(read_ours(100, &got), SL_OK);
        CU_ASSERT_EQUAL(got, 5);
        CU_ASSERT_TRUE(ours.ops->pending(&ours)); /* the news that the socket has told already */
        CU_ASSERT_EQUAL(read_ours(100, &got), is_cut ? SL_EIO : SL_OK);
        CU_ASSERT_TRUE(is_cut || got == 0);
        finish();
    }
}

static void what_is_left_of_a_record_is_said_to_be_pending(void)
{
    static uint8_t out[3000];
    size_t got;

    begin("off");
    connect_both();
    CU_ASSERT_TRUE_FATAL(shake());
    CU_ASSERT_FALSE(ours.ops->pending(&ours));
    CU_ASSERT_EQUAL(SSL_write(theirs, out, sizeof out), (int)sizeof out);
    CU_ASSERT_EQUAL(read_ours(1000, &got), SL_OK);
    CU_ASSERT_EQUAL(got, 1000);
    CU_ASSERT_TRUE(ours.ops->pending(&ours));
    CU_ASSERT_EQUAL(read_ours(sizeof out, &got), SL_OK);
    CU_ASSERT_EQUAL(got, 2000);
    CU_ASSERT_FALSE(ours.ops->pending(&ours));
    CU_ASSERT_EQUAL(read_ours(1000, &got), SL_EAGAIN);
    finish();
}

/* The caller gathers anew after every partial write, in other pieces than before. */
static void pieces_arrive_in_order_however_the_socket_takes_them(void)
{
    enum { BYTES = 400000 };
    static uint8_t out[BYTES];
    static uint8_t in[BYTES];
    size_t put = 0;
    size_t got = 0;
    unsigned state = 7;

    for (int i = 0; i < BYTES; i++)
        out[i] = (uint8_t)rand_r(&state);
    begin("off");
    connect_both();
    CU_ASSERT_TRUE_FATAL(shake());
    for (int turn = 0; turn < 100000 && got < BYTES; turn++) {
        struct iovec iov[8];
        int n = 0;
        size_t taken = 0;
        size_t at = put;

        for (; n < 8 && at < BYTES; n++) {
            size_t len = (size_t)rand_r(&state) % (turn % 2 ? 40000 : 900);
            len = len < BYTES - at ? len : BYTES - at;
            iov[n] = (struct iovec){out + at, len};
            at += len;
        }
        if (at - put >= 65536 || at == BYTES) { /* never less than was offered before */
            enum sl_err err = ours.ops->writev(&ours, iov, n, &taken);
            CU_ASSERT_TRUE(err == SL_OK || err == SL_EAGAIN);
            put += taken;
        }
        int r = SSL_read(theirs, in + got, BYTES - (int)got);
        got += r > 0 ? (size_t)r : 0;
    }
    CU_ASSERT_EQUAL(got, BYTES);
    CU_ASSERT_EQUAL(memcmp(in, out, BYTES), 0);
    finish();
}

static void our_end_is_said_before_the_socket_is_closed(void)
{
    char byte;

    begin("off");
    connect_both();
    CU_ASSERT_TRUE_FATAL(shake());
    ours.ops->shutdown(&ours);
    CU_ASSERT_EQUAL(SSL_read(theirs, &byte, 1), 0);
    CU_ASSERT_EQUAL(SSL_get_error(theirs, 0), SSL_ERROR_ZERO_RETURN);
    finish();
}

static bool is_name(struct sl_bytes got, const char *wanted)
{
    return sl_bytes_are(got, wanted);
}

static void a_verified_certificate_gives_its_names(void)
{
    begin("required");
    connect_both();
    SSL_use_certificate_chain_file(theirs, cert_file);
    SSL_use_PrivateKey_file(theirs, key_file, SSL_FILETYPE_PEM);
    CU_ASSERT_TRUE_FATAL(shake());
    const struct peer_security *s = ours.ops->security(&ours);
    CU_ASSERT_STRING_EQUAL(s->version, "TLSv1.3");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->certificate);
    const struct peer_certificate *c = s->certificate;
    CU_ASSERT_TRUE(is_name(c->distinguished_name, "CN=sh\xc3\xb6p,O=Acme\\, Inc"));
    CU_ASSERT_TRUE(is_name(c->common_name, "sh\xc3\xb6p"));
    CU_ASSERT_EQUAL(c->not_after.len, 20);
    static const struct {
        enum peer_name_kind kind;
        const char *name;
    } NAMES[] = {{PEER_NAME_DNS, "a.example"},  {PEER_NAME_EMAIL, "shop@example"},
                 {PEER_NAME_DNS, "b.example"},  {PEER_NAME_IP, "192.0.2.1"},
                 {PEER_NAME_IP, "2001:db8::1"}, {PEER_NAME_URI, "urn:x"}};
    CU_ASSERT_EQUAL_FATAL(c->names_count, 6);
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(c->names[i].kind, NAMES[i].kind);
        CU_ASSERT_TRUE(is_name(c->names[i].name, NAMES[i].name));
    }
    finish();
}

static void a_user_is_named_as_the_settings_say(void)
{
    static const struct {
        const char *from;
        const char *kind;
        uint32_t index;
        const char *name;
    } ROWS[] = {{"distinguished_name", "dns", 0, "CN=sh\xc3\xb6p,O=Acme\\, Inc"},
                {"common_name", "dns", 5, "sh\xc3\xb6p"},
                {"subject_alternative_name", "dns", 1, "b.example"},
                {"subject_alternative_name", "dns", 2, NULL},
                {"subject_alternative_name", "email", 0, "shop@example"},
                {"subject_alternative_name", "ip", 1, "2001:db8::1"}};
    struct cert_login login;

    begin("required");
    connect_both();
    CU_ASSERT_EQUAL(cert_login_parse("face", "dns", 0, &login, &why), SL_ESYNTAX);
    CU_ASSERT_EQUAL(cert_login_parse("common_name", "face", 0, &login, &why), SL_ESYNTAX);
    SSL_use_certificate_chain_file(theirs, cert_file);
    SSL_use_PrivateKey_file(theirs, key_file, SSL_FILETYPE_PEM);
    CU_ASSERT_TRUE_FATAL(shake());
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        CU_ASSERT_EQUAL(cert_login_parse(ROWS[i].from, ROWS[i].kind, ROWS[i].index, &login, &why),
                        SL_OK);
        char *name = cert_login_name(&login, ours.ops->security(&ours));
        if (ROWS[i].name == NULL)
            CU_ASSERT_PTR_NULL(name)
        else
            CU_ASSERT_STRING_EQUAL(name, ROWS[i].name);
        free(name);
    }
    CU_ASSERT_PTR_NULL(cert_login_name(&login, NULL)); /* a plain connection */
    finish();
}

static void who_shows_none_has_no_names(void)
{
    begin("optional");
    connect_both();
    CU_ASSERT_TRUE_FATAL(shake());
    CU_ASSERT_PTR_NULL(ours.ops->security(&ours)->certificate);
    finish();
}

static void a_reload_is_for_new_connections_and_a_bad_one_for_nobody(void)
{
    struct tls_settings bad;

    begin("off");
    connect_both();
    settings.cert = other_file;
    CU_ASSERT_EQUAL(tls_context_reload(context, &settings, &why), SL_ESYNTAX); /* another's key */
    bad = settings;
    bad.cert = "/nonexistent/file";
    CU_ASSERT_EQUAL(tls_context_reload(context, &bad, &why), SL_ESYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(room, "/nonexistent/file"));
    settings.cert = settings.key = "";
    CU_ASSERT_EQUAL(tls_context_reload(context, &settings, &why), SL_ESYNTAX);
    settings.cert = cert_file;
    settings.key = key_file;
    settings.version = "1.3";
    CU_ASSERT_EQUAL(tls_context_reload(context, &settings, &why), SL_OK);
    SSL_set_max_proto_version(theirs, TLS1_2_VERSION);
    CU_ASSERT_TRUE(shake()); /* it began under the old rules */
    part();
    connect_both();
    SSL_set_max_proto_version(theirs, TLS1_2_VERSION);
    CU_ASSERT_FALSE(shake());
    finish();
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_handshake_that_is_none_is_refused_with_the_reason),
        UNIT(a_cut_is_an_error_and_an_end_is_not),
        UNIT(what_is_left_of_a_record_is_said_to_be_pending),
        UNIT(pieces_arrive_in_order_however_the_socket_takes_them),
        UNIT(our_end_is_said_before_the_socket_is_closed),
        UNIT(a_verified_certificate_gives_its_names),
        UNIT(a_user_is_named_as_the_settings_say),
        UNIT(who_shows_none_has_no_names),
        UNIT(a_reload_is_for_new_connections_and_a_bad_one_for_nobody),
        CU_TEST_INFO_NULL,
    };

    if (mkdtemp(scratch_name(directory, "tls")) == NULL)
        return 1;
    snprintf(cert_file, sizeof cert_file, "%s/cert.pem", directory);
    snprintf(key_file, sizeof key_file, "%s/key.pem", directory);
    snprintf(other_file, sizeof other_file, "%s/other.pem", directory);
    write_pair(other_file, key_file); /* whose key is then lost */
    write_pair(cert_file, key_file);
    int status = unit_run("gateway/transport_tls", tests);
    unlink(cert_file);
    unlink(key_file);
    unlink(other_file);
    rmdir(directory);
    return status;
}
