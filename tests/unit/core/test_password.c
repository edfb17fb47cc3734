#include "core/password.h"

#include "tests/support/unit.h"

static struct password_hash hash;
static char room[256];

static enum sl_err import(const char *algorithm, const char *base64)
{
    struct text why = text_on(room, sizeof room);

    return password_hash_import(&hash, sl_bytes_of(algorithm), sl_bytes_of(base64), &why);
}

static void what_is_no_hash_is_refused(void)
{
    CU_ASSERT_EQUAL(import("rabbit_password_hashing_md5", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30"),
                    SL_EPRECOND);
    CU_ASSERT_EQUAL(import("", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs3"), SL_EPRECOND);
    CU_ASSERT_EQUAL(import("", "not base64 at all!!!"), SL_EPRECOND);
    CU_ASSERT_EQUAL(import("", "AAAA"), SL_EPRECOND);
    CU_ASSERT_EQUAL(import("rabbit_password_hashing_sha512",
                           "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"),
                    SL_EPRECOND);
    CU_ASSERT_EQUAL(hash.form, PASSWORD_NONE);
}

static void a_costly_hash_that_asks_for_too_much_is_refused(void)
{
    uint8_t bytes[51] = {40, 8, 1};

    CU_ASSERT_EQUAL(password_hash_read(&hash, PASSWORD_SCRYPT, (struct sl_bytes){bytes, 51}),
                    SL_ECORRUPT);
    bytes[0] = 0;
    CU_ASSERT_EQUAL(password_hash_read(&hash, PASSWORD_SCRYPT, (struct sl_bytes){bytes, 51}),
                    SL_ECORRUPT);
}

/* Verifying it would end the process, or take gigabytes for each attempt. */
static void a_costly_hash_that_cannot_be_computed_is_refused(void)
{
    static const uint8_t HEADS[][3] = {{16, 1, 1}, {20, 1, 16}, {20, 16, 1}, {18, 16, 1}};
    uint8_t bytes[51] = {0};
    char text[PASSWORD_TEXT_BYTES_MAX];

    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        memcpy(bytes, HEADS[i], 3);
        hash = (struct password_hash){.form = PASSWORD_SCRYPT, .len = 51};
        memcpy(hash.bytes, bytes, 51);
        password_hash_export(&hash, text);
        CU_ASSERT_EQUAL(import("scrypt", text), SL_EPRECOND);
        CU_ASSERT(!password_verify(&hash, SL_BYTES_LITERAL("secret")));
    }
    bytes[0] = 17; /* what others recommend */
    bytes[1] = 8;
    bytes[2] = 1;
    CU_ASSERT_EQUAL(password_hash_read(&hash, PASSWORD_SCRYPT, (struct sl_bytes){bytes, 51}),
                    SL_OK);
}

/* As the documentation of RabbitMQ has it: password test12 with the salt 908DC60A. */
static void a_hash_of_rabbitmq_is_verified(void)
{
    CU_ASSERT_EQUAL(import("", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"), SL_OK);
    CU_ASSERT_EQUAL(hash.form, PASSWORD_SHA256);
    CU_ASSERT(password_verify(&hash, SL_BYTES_LITERAL("test12")));
    CU_ASSERT(!password_verify(&hash, SL_BYTES_LITERAL("test13")));
    CU_ASSERT(!password_verify(&hash, SL_BYTES_LITERAL("")));
}

static void every_form_comes_back_from_its_text(void)
{
    for (int form = PASSWORD_SHA256; form <= PASSWORD_SCRYPT; form++) {
        char text[PASSWORD_TEXT_BYTES_MAX];
        struct password_hash made;
        password_hash_make(&made, (enum password_form)form, SL_BYTES_LITERAL("secret"));
        password_hash_export(&made, text);
        CU_ASSERT_EQUAL(import(password_algorithm(&made), text), SL_OK);
        CU_ASSERT_EQUAL(memcmp(&made, &hash, sizeof hash), 0);
        CU_ASSERT(password_verify(&hash, SL_BYTES_LITERAL("secret")));
        CU_ASSERT(!password_verify(&hash, SL_BYTES_LITERAL("Secret")));
    }
}

static void no_hash_is_nobodys_password(void)
{
    CU_ASSERT_EQUAL(import("", ""), SL_OK);
    CU_ASSERT(!password_verify(&hash, SL_BYTES_LITERAL("")));
    password_hash_make(&hash, PASSWORD_SCRYPT, SL_BYTES_LITERAL(""));
    CU_ASSERT_EQUAL(hash.form, PASSWORD_NONE);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(what_is_no_hash_is_refused),
                                  UNIT(a_costly_hash_that_asks_for_too_much_is_refused),
                                  UNIT(a_costly_hash_that_cannot_be_computed_is_refused),
                                  UNIT(a_hash_of_rabbitmq_is_verified),
                                  UNIT(every_form_comes_back_from_its_text),
                                  UNIT(no_hash_is_nobodys_password),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/password", tests);
}
