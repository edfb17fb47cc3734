#include "gateway/config.h"

#include "core/base/log.h"
#include "tests/support/scratch.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <unistd.h>

static struct config config;
static char room[512];
static struct text why;
static char path[SCRATCH_BYTES];

static void begin(void)
{
    config_init(&config);
    why = text_on(room, sizeof room);
}

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(content, file);
    fclose(file);
}

/* Reads a file and says what is wrong with it, from behind the path on. */
static const char *complaint(const char *content)
{
    begin();
    write_file(content);
    enum sl_err err = config_read_file(&config, path, &why);
    config_deinit(&config);
    return err == SL_OK ? "" : why.at + strlen(path);
}

static enum sl_err read_arguments(struct config_request *request, char *one, char *two, char *three)
{
    static char name[] = "sluice";
    char *arguments[] = {name, one, two, three, NULL};
    int count = 1;

    while (arguments[count] != NULL)
        count++;
    return config_read_arguments(&config, count, arguments, request, &why);
}

static void a_bad_line_is_named_with_its_number(void)
{
    CU_ASSERT_STRING_EQUAL(complaint("[listen]\n\namqp-port = 5x\n"),
                           ":3: amqp-port: '5x' is not a number of 0 to 65535");
    CU_ASSERT_STRING_EQUAL(complaint("; hello\n[listen]\nport = 5\n"),
                           ":3: there is no setting 'port'");
    CU_ASSERT_STRING_EQUAL(complaint("[stomp]\namqp-port = 5\n"),
                           ":2: amqp-port belongs under [listen]");
    CU_ASSERT_STRING_EQUAL(complaint("[listen]\nwhat is this\namqp-port = x\n"),
                           ":2: not a section, a comment or name = value");
    CU_ASSERT_STRING_EQUAL(complaint("[listen]\nstomp-port = 1\n   amqp-port = x\n"),
                           ":3: amqp-port: 'x' is not a number of 0 to 65535");
}

static void the_nearest_name_is_told_and_only_when_it_is_near(void)
{
    CU_ASSERT_STRING_EQUAL(complaint("[listen]\namqp-prot = 5\n"),
                           ":2: there is no setting 'amqp-prot'; did you mean amqp-port?");
    CU_ASSERT_STRING_EQUAL(complaint("[process]\nlog_level = info\n"),
                           ":2: there is no setting 'log_level'; did you mean log-level?");
    CU_ASSERT_PTR_EQUAL(setting_nearest("memorybudget"), setting_find("memory-budget"));
    CU_ASSERT_PTR_EQUAL(setting_nearest("bimd"), setting_find("bind"));
    CU_ASSERT_PTR_NULL(setting_nearest(""));
    CU_ASSERT_PTR_NULL(setting_nearest("sing"));
    CU_ASSERT_PTR_NULL(setting_nearest("something-quite-different"));
    CU_ASSERT_PTR_NULL(setting_nearest("a-name-that-is-so-long-that-no-setting-could-ever-be-it-"
                                       "and-it-goes-on-and-on"));
}

static void numbers_out_of_bounds_or_shape_are_refused(void)
{
    static const char *const BAD[] = {
        "", "-1", "+1", " 1", "1 ", "65536", "0x10", "1k", "99999999999999999999999"};

    begin();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        CU_ASSERT_EQUAL(config_set(&config, setting_find("amqp-port"), BAD[i], &why), SL_ESYNTAX);
    CU_ASSERT_EQUAL(config.amqp_port, 5672);
    CU_ASSERT_EQUAL(config_set(&config, setting_find("message-bytes-max"), "1gg", &why),
                    SL_ESYNTAX);
    CU_ASSERT_EQUAL(
        config_set(&config, setting_find("memory-budget"), "18446744073709551615g", &why),
        SL_ESYNTAX);
    CU_ASSERT_EQUAL(config_set(&config, setting_find("log-level"), "loud", &why), SL_ESYNTAX);
    CU_ASSERT_EQUAL(config_set(&config, setting_find("stomp-trailing-lf"), "maybe", &why),
                    SL_ESYNTAX);
    config_deinit(&config);
}

static void an_unknown_flag_or_missing_value_is_refused(void)
{
    struct config_request request;
    char unknown[] = "--no-such-thing";
    char bare[] = "hello";
    char last[] = "--amqp-port";

    begin();
    CU_ASSERT_EQUAL(read_arguments(&request, unknown, NULL, NULL), SL_ESYNTAX);
    CU_ASSERT_EQUAL(read_arguments(&request, bare, NULL, NULL), SL_ESYNTAX);
    CU_ASSERT_EQUAL(read_arguments(&request, last, NULL, NULL), SL_ESYNTAX);
    config_deinit(&config);
}

static void a_missing_file_is_an_error(void)
{
    struct config_request request;
    char flag[] = "--config=/nowhere/at/all";

    begin();
    CU_ASSERT_EQUAL(read_arguments(&request, flag, NULL, NULL), SL_EIO);
    config_deinit(&config);
}

static void a_file_that_cannot_be_read_is_not_an_empty_one(void)
{
    begin();
    CU_ASSERT_EQUAL(config_read_file(&config, "/", &why), SL_EIO);
    CU_ASSERT_STRING_EQUAL(why.at, "/: Is a directory");
    config_deinit(&config);
}

static void the_file_overrides_defaults_and_flags_override_the_file(void)
{
    struct config_request request;
    char port[] = "--amqp-port";
    char number[] = "7";
    char file[2 * SCRATCH_BYTES];

    begin();
    snprintf(file, sizeof file, "--config=%s", path);
    write_file("# ours\n[listen]\namqp-port = 6\nstomp-port = 8 ; inline\n[process]\n"
               "  log-level = debug\n[limits]\nmessage-bytes-max = 2m\n[amqp]\n"
               "amqp-frame-bytes-max = 8K\n[stomp]\nstomp-hide-server = on\n");
    CU_ASSERT_EQUAL(read_arguments(&request, port, number, file), SL_OK);
    CU_ASSERT_EQUAL(config.amqp_port, 7);
    CU_ASSERT_EQUAL(config.stomp_port, 8);
    CU_ASSERT_EQUAL(config.log_level, SL_LOG_DEBUG);
    CU_ASSERT_EQUAL(config.protocol.message_bytes_max, 2u << 20);
    CU_ASSERT_EQUAL(config.protocol.amqp_frame_bytes_max, 8192);
    CU_ASSERT_TRUE(config.protocol.stomp_hide_server);
    CU_ASSERT_STRING_EQUAL(config.protocol.server_product, "RabbitMQ");
    config_deinit(&config);
}

static void requests_take_no_value(void)
{
    struct config_request request;
    char help[] = "--help";
    char version[] = "--version";

    begin();
    CU_ASSERT_EQUAL(read_arguments(&request, help, version, NULL), SL_OK);
    CU_ASSERT_TRUE(request.wants_help);
    CU_ASSERT_TRUE(request.wants_version);
    CU_ASSERT_FALSE(request.wants_settings);
    config_deinit(&config);
}

static void docs_settings_is_what_the_table_prints(void)
{
    static char printed[65536];
    static char written[65536];
    char docs[1024];
    FILE *to = fmemopen(printed, sizeof printed, "w");
    const char *root_end = strstr(__FILE__, "tests/unit/gateway/");

    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root_end);
    config_print_settings(to);
    fclose(to);
    snprintf(docs, sizeof docs, "%.*sdocs/settings.md", (int)(root_end - __FILE__), __FILE__);
    FILE *from = fopen(docs, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    written[fread(written, 1, sizeof written - 1, from)] = '\0';
    fclose(from);
    CU_ASSERT_STRING_EQUAL(printed, written);
}

/* The library below takes 200 bytes of a line. */
static void a_long_line_is_read_whole(void)
{
    char content[4000];
    char value[1001];
    int number;

    memset(value, 'v', 1000);
    value[1000] = '\0';
    snprintf(content, sizeof content,
             "# %s amqp-port = 7\n  ; %s = 7\n[tls]\n  tls-cert=%s   ; and that\n[listen]\n", value,
             value, value);
    begin();
    write_file(content);
    CU_ASSERT_EQUAL(config_read_file(&config, path, &why), SL_OK);
    CU_ASSERT_STRING_EQUAL(config.tls.cert, value);
    CU_ASSERT_EQUAL(config.amqp_port, 5672);
    config_deinit(&config);

    snprintf(content, sizeof content, "[tls]\ntls-cert = %s\nsing = 1\n", value);
    CU_ASSERT_STRING_EQUAL(complaint(content), ":3: there is no setting 'sing'");
    snprintf(content, sizeof content, "[tls]\n%s\n", value);
    CU_ASSERT_STRING_EQUAL(complaint(content), ":2: not a section, a comment or name = value");
    snprintf(content, sizeof content, "[tls]\n%s = 1\n", value);
    CU_ASSERT_STRING_EQUAL(complaint(content), ":2: not a section, a comment or name = value");
    snprintf(content, sizeof content, "[tls]\n[%s\n", value);
    CU_ASSERT_EQUAL(sscanf(complaint(content), ":%d: not a section", &number), 1);
    CU_ASSERT_EQUAL(number, 2);
    snprintf(content, sizeof content, "[listen]\namqp-port = 5%s\n", value);
    CU_ASSERT_EQUAL(sscanf(complaint(content), ":%d: amqp-port: '5vvv", &number), 1);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_bad_line_is_named_with_its_number),
        UNIT(the_nearest_name_is_told_and_only_when_it_is_near),
        UNIT(numbers_out_of_bounds_or_shape_are_refused),
        UNIT(an_unknown_flag_or_missing_value_is_refused),
        UNIT(a_missing_file_is_an_error),
        UNIT(a_file_that_cannot_be_read_is_not_an_empty_one),
        UNIT(the_file_overrides_defaults_and_flags_override_the_file),
        UNIT(requests_take_no_value),
        UNIT(a_long_line_is_read_whole),
        UNIT(docs_settings_is_what_the_table_prints),
        CU_TEST_INFO_NULL,
    };
    int fd = mkstemp(scratch_name(path, "config"));
    int status = unit_run("gateway/config", tests);

    close(fd);
    unlink(path);
    return status;
}
