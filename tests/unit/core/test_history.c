#include "core/history.h"

#include "core/base/limits.h"
#include "tests/support/properties_maker.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct table_maker table;
static char words[256];

static struct message *make(const char *key, struct sl_bytes properties, size_t body)
{
    struct message *msg = message_new(sl_bytes_of("h"), sl_bytes_of(key), properties, body);
    uint8_t *bytes = calloc(1, body + 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    CU_ASSERT_EQUAL_FATAL(message_append(&msg, (struct sl_bytes){bytes, body}), SL_OK);
    free(bytes);
    return msg;
}

static void note(struct history_set *set, const char *key, size_t body)
{
    struct message *msg = make(key, properties_none, body);

    history_set_note(set, msg);
    message_unref(msg);
}

/* The keys of what is noted, in one word. */
static const char *keys(struct history *h)
{
    static char room[256];
    struct text to = text_on(room, sizeof room);
    struct message **messages;
    uint32_t count = history_messages(h, &messages);

    room[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        text_add_bytes(&to, message_key(messages[i]));
        message_unref(messages[i]);
    }
    free(messages);
    return room;
}

static enum sl_err read_length(struct sl_bytes arguments, uint32_t *length)
{
    struct text reason = text_on(words, sizeof words);

    return history_length_read(arguments, length, &reason);
}

static void a_length_is_a_number_above_0(void)
{
    uint32_t length;

    CU_ASSERT_EQUAL(read_length(table_of_number(&table, "x-recent-history-length", 0), &length),
                    SL_EPRECOND);
    CU_ASSERT_STRING_EQUAL(words, "Invalid argument 0, 'x-recent-history-length' must be a "
                                  "positive integer");
    CU_ASSERT_EQUAL(read_length(table_of_number(&table, "x-recent-history-length", -1), &length),
                    SL_EPRECOND);
    CU_ASSERT_EQUAL(read_length(table_of_string(&table, "x-recent-history-length", "9"), &length),
                    SL_EPRECOND);
    CU_ASSERT_EQUAL(read_length((struct sl_bytes){NULL, 0}, &length), SL_OK);
    CU_ASSERT_EQUAL(length, 20);
    CU_ASSERT_EQUAL(read_length(table_of_number(&table, "x-recent-history-length", 3), &length),
                    SL_OK);
    CU_ASSERT_EQUAL(length, 3);
    CU_ASSERT_EQUAL(
        read_length(table_of_number(&table, "x-recent-history-length", INT64_MAX), &length), SL_OK);
    CU_ASSERT_EQUAL(length, SL_HISTORY_LENGTH_MAX);
}

static void the_oldest_go_first(void)
{
    struct history *h = history_new(3);
    struct history_set *set = NULL;

    history_set_add(&set, h);
    CU_ASSERT_STRING_EQUAL(keys(h), "");
    note(set, "a", 1);
    note(set, "b", 1);
    CU_ASSERT_STRING_EQUAL(keys(h), "ab");
    for (const char *k = "cdefghij"; *k != '\0'; k++)
        note(set, (const char[]){*k, '\0'}, 1);
    CU_ASSERT_STRING_EQUAL(keys(h), "hij");
    history_set_unref(set);
    history_unref(h);
}

static void what_asks_not_to_be_noted_is_not(void)
{
    struct history *h = history_new(3);
    struct history_set *set = NULL;
    struct properties_maker maker;

    history_set_add(&set, h);
    for (int i = 0; i < 3; i++) {
        table_begin(&maker.headers);
        if (i < 2)
            table_write_bool(&maker.headers.w, sl_bytes_of("x-recent-history-no-store"), i == 0);
        else
            table_write_string(&maker.headers.w, sl_bytes_of("x-recent-history-no-store"),
                               sl_bytes_of("true"));
        struct message *msg = make((const char *[]){"no", "a", "b"}[i],
                                   properties_of_headers(&maker, table_end(&maker.headers), false),
                                   1);
        history_set_note(set, msg);
        message_unref(msg);
    }
    CU_ASSERT_STRING_EQUAL(keys(h), "ab");
    history_set_unref(set);
    history_unref(h);
}

static void a_history_has_its_bytes_and_all_have_theirs(void)
{
    enum { HISTORIES = SL_HISTORIES_BYTES_MAX / SL_HISTORY_BYTES_MAX + 2, PART = 1024 * 1024 };
    struct history *all[HISTORIES];
    size_t noted = 0;

    for (int i = 0; i < HISTORIES; i++) {
        struct history_set *set = NULL;
        all[i] = history_new(1000);
        history_set_add(&set, all[i]);
        note(set, "x", SL_HISTORY_BYTES_MAX); /* too large by what is around it */
        CU_ASSERT_STRING_EQUAL(keys(all[i]), "");
        for (int k = 0; k < 20; k++)
            note(set, "k", PART);
        CU_ASSERT_TRUE(strlen(keys(all[i])) < SL_HISTORY_BYTES_MAX / PART);
        noted += strlen(keys(all[i]));
        history_set_unref(set);
    }
    CU_ASSERT_TRUE(noted >= 7 * (HISTORIES - 2) && noted < SL_HISTORIES_BYTES_MAX / PART);
    for (int i = 0; i < HISTORIES; i++)
        history_unref(all[i]);
}

static void one_whose_exchange_is_gone_is_empty_and_stays_so(void)
{
    struct history *h = history_new(3);
    struct history_set *set = NULL;

    history_set_add(&set, h);
    note(set, "a", 1);
    history_end(h);
    history_unref(h);
    note(set, "b", 1);
    CU_ASSERT_STRING_EQUAL(keys(h), "");
    struct history_set *other = history_set_ref(set);
    history_set_unref(set);
    history_set_unref(other);
    history_set_unref(history_set_ref(NULL));
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(a_length_is_a_number_above_0),
                                  UNIT(the_oldest_go_first),
                                  UNIT(what_asks_not_to_be_noted_is_not),
                                  UNIT(a_history_has_its_bytes_and_all_have_theirs),
                                  UNIT(one_whose_exchange_is_gone_is_empty_and_stays_so),
                                  CU_TEST_INFO_NULL};
    return unit_run("core/history", tests);
}
