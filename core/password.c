#include "core/password.h"

#include "core/base/assert.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#define SALT_BYTES 4u /* RabbitMQ's */
#define SCRYPT_HEAD_BYTES 3u
#define SCRYPT_SALT_BYTES 16u
#define SCRYPT_HASH_BYTES 32u
#define SCRYPT_BYTES (SCRYPT_HEAD_BYTES + SCRYPT_SALT_BYTES + SCRYPT_HASH_BYTES)
#define SCRYPT_LOG_N 14u
#define SCRYPT_LOG_N_MAX 20u
#define SCRYPT_R 8u
#define SCRYPT_P 1u
#define SCRYPT_RP_MAX 16u
#define SCRYPT_MEMORY_MAX (256u * 1024 * 1024) /* that a hash which was brought in may ask for */

static const struct {
    const char *name;
    const char *other_name; /* short, as people say it */
    size_t bytes;
} FORMS[] = {
    [PASSWORD_NONE] = {"rabbit_password_hashing_sha256", "none", 0},
    [PASSWORD_SHA256] = {"rabbit_password_hashing_sha256", "sha256", SALT_BYTES + 32},
    [PASSWORD_SHA512] = {"rabbit_password_hashing_sha512", "sha512", SALT_BYTES + 64},
    [PASSWORD_SCRYPT] = {"sluice_scrypt", "scrypt", SCRYPT_BYTES},
};

#define FORMS_COUNT (sizeof FORMS / sizeof FORMS[0])

static void digest(enum password_form form, struct sl_bytes salt, struct sl_bytes password,
                   uint8_t *out);
static void scrypt(const uint8_t head[SCRYPT_HEAD_BYTES], struct sl_bytes salt,
                   struct sl_bytes password, uint8_t out[SCRYPT_HASH_BYTES]);
static bool is_sound(const struct password_hash *h);

void password_hash_make(struct password_hash *h, enum password_form form, struct sl_bytes password)
{
    *h = (struct password_hash){.form = (uint8_t)form, .len = (uint8_t)FORMS[form].bytes};
    if (password.len == 0)
        *h = (struct password_hash){.form = PASSWORD_NONE};
    if (h->form == PASSWORD_NONE)
        return;
    if (form == PASSWORD_SCRYPT) {
        memcpy(h->bytes, (const uint8_t[]){SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P}, SCRYPT_HEAD_BYTES);
        uint8_t *salt = h->bytes + SCRYPT_HEAD_BYTES;
        SL_ASSERT(RAND_bytes(salt, SCRYPT_SALT_BYTES) == 1);
        scrypt(h->bytes, (struct sl_bytes){salt, SCRYPT_SALT_BYTES}, password,
               salt + SCRYPT_SALT_BYTES);
        return;
    }
    SL_ASSERT(RAND_bytes(h->bytes, SALT_BYTES) == 1);
    digest(form, (struct sl_bytes){h->bytes, SALT_BYTES}, password, h->bytes + SALT_BYTES);
}

enum sl_err password_hash_read(struct password_hash *h, uint8_t form, struct sl_bytes bytes)
{
    *h = (struct password_hash){.form = form, .len = (uint8_t)bytes.len};
    if (form >= FORMS_COUNT || bytes.len != FORMS[form].bytes)
        return SL_ECORRUPT;
    if (bytes.len != 0)
        memcpy(h->bytes, bytes.at, bytes.len);
    return is_sound(h) ? SL_OK : SL_ECORRUPT;
}

enum sl_err password_hash_import(struct password_hash *h, struct sl_bytes algorithm,
                                 struct sl_bytes base64, struct text *why)
{
    uint8_t form = PASSWORD_SHA256;
    uint8_t room[PASSWORD_TEXT_BYTES_MAX];

    *h = (struct password_hash){.form = PASSWORD_NONE};
    if (base64.len == 0)
        return SL_OK;
    if (algorithm.len != 0)
        while (form < FORMS_COUNT && !sl_bytes_are(algorithm, FORMS[form].name) &&
               !sl_bytes_are(algorithm, FORMS[form].other_name))
            form++;
    if (form == FORMS_COUNT) {
        text_add(why, "the hashing algorithm '");
        text_add_bytes(why, algorithm);
        text_add(why, "' is not known here");
        return SL_EPRECOND;
    }
    /* EVP_DecodeBlock gives whole groups of three, padding included. */
    int n = base64.len >= sizeof room ? -1 : EVP_DecodeBlock(room, base64.at, (int)base64.len);
    for (size_t i = base64.len; n > 0 && i-- > 0 && base64.at[i] == '=';)
        n--;
    if (n < 0 || password_hash_read(h, form, (struct sl_bytes){room, (size_t)n}) != SL_OK) {
        *h = (struct password_hash){.form = PASSWORD_NONE};
        text_add(why, "the password hash is not of the form of %s", FORMS[form].name);
        return SL_EPRECOND;
    }
    return SL_OK;
}

const char *password_algorithm(const struct password_hash *h)
{
    return FORMS[h->form].name;
}

void password_hash_export(const struct password_hash *h, char out[PASSWORD_TEXT_BYTES_MAX])
{
    out[0] = '\0';
    if (h->len != 0)
        EVP_EncodeBlock((unsigned char *)out, h->bytes, h->len);
}

bool password_is_costly(const struct password_hash *h)
{
    return h->form == PASSWORD_SCRYPT;
}

bool password_verify(const struct password_hash *h, struct sl_bytes password)
{
    uint8_t hash[64];

    if (h->form == PASSWORD_NONE || password.len == 0 || password.len > PASSWORD_BYTES_MAX)
        return false;
    if (h->form == PASSWORD_SCRYPT) {
        const uint8_t *salt = h->bytes + SCRYPT_HEAD_BYTES;
        scrypt(h->bytes, (struct sl_bytes){salt, SCRYPT_SALT_BYTES}, password, hash);
        return CRYPTO_memcmp(hash, salt + SCRYPT_SALT_BYTES, SCRYPT_HASH_BYTES) == 0;
    }
    digest((enum password_form)h->form, (struct sl_bytes){h->bytes, SALT_BYTES}, password, hash);
    return CRYPTO_memcmp(hash, h->bytes + SALT_BYTES, h->len - SALT_BYTES) == 0;
}

void password_waste_time(struct sl_bytes password)
{
    static const uint8_t head[] = {SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P};
    uint8_t hash[SCRYPT_HASH_BYTES];

    if (password.len > PASSWORD_BYTES_MAX)
        password.len = PASSWORD_BYTES_MAX;
    scrypt(head, SL_BYTES_LITERAL("0123456789abcdef"), password, hash);
}

static void digest(enum password_form form, struct sl_bytes salt, struct sl_bytes password,
                   uint8_t *out)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    const EVP_MD *md = form == PASSWORD_SHA512 ? EVP_sha512() : EVP_sha256();

    SL_ASSERT(c != NULL && EVP_DigestInit_ex(c, md, NULL) == 1 &&
              EVP_DigestUpdate(c, salt.at, salt.len) == 1 &&
              EVP_DigestUpdate(c, password.at, password.len) == 1 &&
              EVP_DigestFinal_ex(c, out, NULL) == 1);
    EVP_MD_CTX_free(c);
}

static void scrypt(const uint8_t head[SCRYPT_HEAD_BYTES], struct sl_bytes salt,
                   struct sl_bytes password, uint8_t out[SCRYPT_HASH_BYTES])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *c = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    uint64_t n = 1ull << head[0];
    uint32_t r = head[1];
    uint32_t p = head[2];
    uint64_t memory_max = 2 * 128 * n * r + 128ull * r * p + 65536;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_PASSWORD,
            (void *)(uintptr_t)(password.len == 0 ? (const uint8_t *)"" : password.at),
            password.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.at,
                                          salt.len),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_max),
        OSSL_PARAM_construct_end(),
    };

    SL_ASSERT(c != NULL && EVP_KDF_derive(c, out, SCRYPT_HASH_BYTES, params) == 1);
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
}

static bool is_sound(const struct password_hash *h)
{
    if (h->form != PASSWORD_SCRYPT)
        return true;
    unsigned log_n = h->bytes[0];
    unsigned r = h->bytes[1];
    unsigned p = h->bytes[2];
    bool is_within = log_n >= 1 && log_n <= SCRYPT_LOG_N_MAX && r >= 1 && r <= SCRYPT_RP_MAX &&
                     p >= 1 && p <= SCRYPT_RP_MAX;
    /* RFC 7914: N is below 2^(128 * r / 8). */
    return is_within && log_n < 16 * r && (128ull * r << log_n) <= SCRYPT_MEMORY_MAX;
}
