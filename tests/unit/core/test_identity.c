#include "core/identity.h"

#include "core/access.h"
#include "core/slowdown.h"
#include "tests/support/table_top.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static struct table t;
static struct sitter *visitor;

static enum identity_verdict log_in(const char *user, struct sl_bytes password, bool is_loopback)
{
    struct login login = {.user = sl_bytes_of(user),
                          .password = password,
                          .is_loopback = is_loopback,
                          .loopback_users = "root, guest",
                          .peer = "192.0.2.1:4711"};

    return identity_login(&visitor->client, 7, &login);
}

static void begin(void)
{
    table_init(&t, 1, 1024 * 1024);
    visitor = table_sit(&t, 0);
}

static void end(void)
{
    access_free(visitor->client.access);
    visitor->client.access = NULL;
    table_deinit(&t);
}

static void a_wrong_name_or_password_is_refused(void)
{
    begin();
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("Guest"), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest\0"), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(log_in("guest", (struct sl_bytes){NULL, 0}, true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(log_in("nobody", SL_BYTES_LITERAL("guest"), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_PTR_NULL(visitor->client.access);
    end();
}

static void guest_comes_from_this_machine_only(void)
{
    begin();
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), false), IDENTITY_NOT_LOOPBACK);
    CU_ASSERT_PTR_NULL(visitor->client.access);
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), true), IDENTITY_OK);
    CU_ASSERT(sl_bytes_are(visitor->client.user, "guest"));
    end();
}

static void a_stranger_is_not_told_more_from_afar(void)
{
    begin();
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("no"), false), IDENTITY_BAD_CREDENTIALS);
    end();
}

static void change(struct account_change c)
{
    struct topology *topology = broker_topology(t.broker);
    char room[256];
    struct text reason = text_on(room, sizeof room);
    bool is_new;

    topology_lock(topology);
    CU_ASSERT_EQUAL_FATAL(accounts_check(topology->accounts, &c, &is_new, &reason), SL_OK);
    CU_ASSERT_EQUAL_FATAL(accounts_apply(topology->accounts, &c, &reason), SL_OK);
    topology_unlock(topology);
}

static void a_costly_password_is_known_again_until_it_changes(void)
{
    struct account_change user = {.kind = RECORD_USER, .user = SL_BYTES_LITERAL("shop")};
    struct accounts *a;

    begin();
    a = broker_topology(t.broker)->accounts;
    password_hash_make(&user.password, PASSWORD_SCRYPT, SL_BYTES_LITERAL("secret"));
    change(user);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("secreT"), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT(!accounts_user(a, user.user)->is_proven);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("secret"), true), IDENTITY_OK);
    CU_ASSERT(accounts_user(a, user.user)->is_proven);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("secret"), true), IDENTITY_OK);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("other"), true), IDENTITY_BAD_CREDENTIALS);
    password_hash_make(&user.password, PASSWORD_SCRYPT, SL_BYTES_LITERAL("other"));
    change(user);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("secret"), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("other"), true), IDENTITY_OK);
    end();
}

static void a_user_without_a_password_comes_in_by_certificate_only(void)
{
    struct account_change user = {.kind = RECORD_USER, .user = SL_BYTES_LITERAL("shop")};
    struct login vouched = {.user = user.user, .is_vouched_for = true, .peer = "192.0.2.1:4711"};

    begin();
    CU_ASSERT_EQUAL(identity_login(&visitor->client, 7, &vouched), IDENTITY_BAD_CREDENTIALS);
    change(user);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL(""), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(log_in("shop", SL_BYTES_LITERAL("shop"), true), IDENTITY_BAD_CREDENTIALS);
    CU_ASSERT_EQUAL(identity_login(&visitor->client, 7, &vouched), IDENTITY_OK);
    end();
}

static void wake(void *context)
{
    (*(int *)context)++;
}

static void what_takes_time_is_answered_later(void)
{
    struct identity *id;
    int woken = 0;

    begin();
    id = broker_identity(t.broker);
    identity_serve(id, wake, &woken);
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), true), IDENTITY_OK);
    CU_ASSERT_EQUAL(identity_run(id), UINT64_MAX);
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
    CU_ASSERT_EQUAL(woken, 1);
    CU_ASSERT_EQUAL(identity_run(id), 0);
    CU_ASSERT_EQUAL(identity_run(id), UINT64_MAX);
    struct mail_chain mail = broker_worker_take_mail(visitor->client.worker);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mail.first);
    struct answer *a = (struct answer *)mail.first;
    CU_ASSERT_EQUAL(a->ticket, 7);
    CU_ASSERT_EQUAL(identity_on_answer(&visitor->client, a), IDENTITY_BAD_CREDENTIALS);
    mail_free(&a->mail);
    end();
}

static void who_fails_again_and_again_waits_longer(void)
{
    uint64_t last = 0;
    int woken = 0;

    begin();
    struct identity *id = broker_identity(t.broker);
    identity_serve(id, wake, &woken);
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
        CU_ASSERT_EQUAL(identity_run(id), 0);
    }
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), true), IDENTITY_WAIT);
        uint64_t wait_ms = identity_run(id);
        CU_ASSERT(wait_ms != 0 && wait_ms != UINT64_MAX && wait_ms >= last);
        last = wait_ms;
        t.now_ms += wait_ms;
        CU_ASSERT_EQUAL(identity_run(id), 0);
        CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
        t.now_ms += identity_run(id);
        CU_ASSERT_EQUAL(identity_run(id), 0);
    }
    t.now_ms += 61000;
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), true), IDENTITY_OK);
    end();
}

static void who_came_in_before_does_not_wait_for_what_others_fail(void)
{
    int woken = 0;

    begin();
    struct identity *id = broker_identity(t.broker);
    identity_serve(id, wake, &woken);
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), true), IDENTITY_OK);
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(log_in("nobody", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
        CU_ASSERT_EQUAL(identity_run(id), 0);
    }
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("guest"), true), IDENTITY_OK);
    CU_ASSERT_EQUAL(log_in("nobody", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
    CU_ASSERT_NOT_EQUAL(identity_run(id), 0);
    end();
}

static void logins_that_come_all_at_once_wait_for_those_that_failed_before(void)
{
    uint64_t wait_ms = 0;
    int looked_at = 0;
    int woken = 0;

    begin();
    struct identity *id = broker_identity(t.broker);
    identity_serve(id, wake, &woken);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
    for (int i = 0; i < 100 && wait_ms == 0; i++)
        wait_ms = identity_run(id);
    CU_ASSERT(wait_ms != 0 && wait_ms != UINT64_MAX);
    struct mail_node *node = broker_worker_take_mail(visitor->client.worker).first;
    while (node != NULL) {
        struct answer *a = (struct answer *)node;
        node = node->next;
        looked_at++;
        mail_free(&a->mail);
    }
    CU_ASSERT_EQUAL(looked_at, 6);
    end();
}

static void what_nobody_waits_for_is_not_looked_at(void)
{
    int woken = 0;

    begin();
    struct identity *id = broker_identity(t.broker);
    identity_serve(id, wake, &woken);
    CU_ASSERT_EQUAL(log_in("guest", SL_BYTES_LITERAL("no"), true), IDENTITY_WAIT);
    identity_forget(&visitor->client);
    CU_ASSERT_EQUAL(identity_run(id), UINT64_MAX);
    CU_ASSERT_PTR_NULL(broker_worker_take_mail(visitor->client.worker).first);
    end();
}

static void addresses_of_one_ipv6_network_are_slowed_together(void)
{
    static const char *const PEERS[] = {"[2001:db8:1:2::1]:4711", "[2001:db8:1:2:8::9]:4712",
                                        "[2001:db8:1:3::1]:4711", "192.0.2.1:4711",
                                        "192.0.2.2:4711"};
    const struct sl_bytes user = SL_BYTES_LITERAL("guest");
    struct slowdown *s = calloc(1, sizeof *s);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    for (uint32_t i = 0; i <= SLOWDOWN_FREE_FAILURES; i++) {
        slowdown_note_failure(s, PEERS[0], user, 1000);
        slowdown_note_failure(s, PEERS[3], user, 1000);
    }
    CU_ASSERT_NOT_EQUAL(slowdown_wait(s, PEERS[1], user, 1000), 0);
    CU_ASSERT_EQUAL(slowdown_wait(s, PEERS[2], user, 1000), 0);
    CU_ASSERT_NOT_EQUAL(slowdown_wait(s, "192.0.2.1:9", user, 1000), 0);
    CU_ASSERT_EQUAL(slowdown_wait(s, PEERS[4], user, 1000), 0);
    free(s);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_wrong_name_or_password_is_refused),
        UNIT(guest_comes_from_this_machine_only),
        UNIT(a_stranger_is_not_told_more_from_afar),
        UNIT(a_costly_password_is_known_again_until_it_changes),
        UNIT(a_user_without_a_password_comes_in_by_certificate_only),
        UNIT(what_takes_time_is_answered_later),
        UNIT(who_fails_again_and_again_waits_longer),
        UNIT(who_came_in_before_does_not_wait_for_what_others_fail),
        UNIT(logins_that_come_all_at_once_wait_for_those_that_failed_before),
        UNIT(what_nobody_waits_for_is_not_looked_at),
        UNIT(addresses_of_one_ipv6_network_are_slowed_together),
        CU_TEST_INFO_NULL,
    };
    return unit_run("core/identity", tests);
}
