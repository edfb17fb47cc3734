#include "gateway/tls_peer.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct room { /* behind the struct that is allocated; a first round only counts */
    uint8_t *at;
    size_t used;
};

static size_t fill(struct peer_certificate *out, struct peer_name *names, struct room *room,
                   X509 *cert);
static struct sl_bytes distinguished_name(struct room *room, const X509_NAME *name);
static struct sl_bytes common_name(struct room *room, const X509_NAME *name);
static struct sl_bytes end_of_time(struct room *room, const X509 *cert);
static uint32_t add_names(struct peer_name *names, struct room *room, X509 *cert);
static bool read_name(const GENERAL_NAME *from, struct room *room, struct peer_name *out);
static struct sl_bytes ip_text(struct room *room, const ASN1_OCTET_STRING *ip);
static struct sl_bytes utf8(struct room *room, const ASN1_STRING *text);
static struct sl_bytes keep(struct room *room, const void *at, size_t len);

struct peer_certificate *tls_peer_certificate(const SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    struct peer_certificate first;
    struct room room = {NULL, 0};

    if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
        return NULL;
    size_t bytes = fill(&first, NULL, &room, cert);
    if (first.names_count > SL_PEER_NAMES_MAX)
        return NULL;
    size_t names = first.names_count * sizeof(struct peer_name);
    struct peer_certificate *p = malloc(sizeof *p + names + bytes);
    if (p == NULL)
        return NULL;
    struct peer_name *at = (struct peer_name *)(p + 1);
    room = (struct room){(uint8_t *)at + names, 0};
    SL_ASSERT(fill(p, at, &room, cert) == bytes);
    return p;
}

bool tls_peer_has_expired(const SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);

    return cert != NULL && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

static size_t fill(struct peer_certificate *out, struct peer_name *names, struct room *room,
                   X509 *cert)
{
    *out = (struct peer_certificate){
        .distinguished_name = distinguished_name(room, X509_get_subject_name(cert)),
        .common_name = common_name(room, X509_get_subject_name(cert)),
        .issuer = distinguished_name(room, X509_get_issuer_name(cert)),
        .not_after = end_of_time(room, cert),
        .names = names,
    };
    out->names_count = add_names(names, room, cert);
    return room->used;
}

static struct sl_bytes distinguished_name(struct room *room, const X509_NAME *name)
{
    struct sl_bytes out = {NULL, 0};
    BIO *to = BIO_new(BIO_s_mem());
    char *text;

    SL_ASSERT(to != NULL);
    if (X509_NAME_print_ex(to, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        long len = BIO_get_mem_data(to, &text);
        out = keep(room, text, len > 0 ? (size_t)len : 0);
    }
    BIO_free(to);
    return out;
}

static struct sl_bytes common_name(struct room *room, const X509_NAME *name)
{
    int last = -1;

    for (int at; (at = X509_NAME_get_index_by_NID(name, NID_commonName, last)) >= 0;)
        last = at;
    if (last < 0)
        return (struct sl_bytes){NULL, 0};
    return utf8(room, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
}

static struct sl_bytes end_of_time(struct room *room, const X509 *cert)
{
    struct tm tm;
    char text[40];

    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return (struct sl_bytes){NULL, 0};
    return keep(room, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm));
}

/* Counts only, when there is no place for them. */
static uint32_t add_names(struct peer_name *names, struct room *room, X509 *cert)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    uint32_t count = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        struct peer_name name;

        if (!read_name(sk_GENERAL_NAME_value(all, i), room, &name))
            continue;
        if (names != NULL)
            names[count] = name;
        count++;
    }
    GENERAL_NAMES_free(all);
    return count;
}

static bool read_name(const GENERAL_NAME *from, struct room *room, struct peer_name *out)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(from, &type);

    switch (type) {
    case GEN_DNS: *out = (struct peer_name){PEER_NAME_DNS, utf8(room, value)}; break;
    case GEN_EMAIL: *out = (struct peer_name){PEER_NAME_EMAIL, utf8(room, value)}; break;
    case GEN_URI: *out = (struct peer_name){PEER_NAME_URI, utf8(room, value)}; break;
    case GEN_IPADD: *out = (struct peer_name){PEER_NAME_IP, ip_text(room, value)}; break;
    default: return false;
    }
    return out->name.len != 0;
}

static struct sl_bytes ip_text(struct room *room, const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(ip);
    const unsigned char *at = ASN1_STRING_get0_data(ip);

    if ((len != 4 && len != 16) ||
        inet_ntop(len == 4 ? AF_INET : AF_INET6, at, text, sizeof text) == NULL)
        return (struct sl_bytes){NULL, 0};
    return keep(room, text, strlen(text));
}

static struct sl_bytes utf8(struct room *room, const ASN1_STRING *text)
{
    struct sl_bytes out = {NULL, 0};
    unsigned char *at = NULL;
    int len = ASN1_STRING_to_UTF8(&at, text);

    if (len > 0 && memchr(at, '\0', (size_t)len) == NULL)
        out = keep(room, at, (size_t)len);
    OPENSSL_free(at);
    return out;
}

/* Something for the first round too, so that what is empty is known by its length. */
static struct sl_bytes keep(struct room *room, const void *at, size_t len)
{
    static const uint8_t COUNTED[1];
    uint8_t *to = room->at == NULL ? NULL : room->at + room->used;

    if (to != NULL)
        memcpy(to, at, len);
    room->used += len;
    return (struct sl_bytes){to == NULL ? COUNTED : to, len};
}
