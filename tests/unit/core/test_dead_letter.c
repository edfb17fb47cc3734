#include "core/dead_letter.h"

#include "core/consumer.h"
#include "core/deaths.h"
#include "core/properties.h"
#include "core/shard.h"
#include "tests/support/table_log.h"
#include "tests/support/table_maker.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define BUDGET (64u * 1024 * 1024)
#define LATER_MS 1000

static struct table t;
static struct sitter *s;
static struct table_maker m;

static const uint8_t PERSISTENT[] = {PROPERTY_DELIVERY_MODE >> 8, 0, 2};
static const struct sl_bytes persistent = {PERSISTENT, sizeof PERSISTENT};

/* A queue whose dead letters go to that exchange, with that key unless it is NULL. */
static void declare(const char *queue, const char *exchange, const char *key, const char *rule,
                    int64_t n)
{
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-exchange"), sl_bytes_of(exchange));
    if (key != NULL)
        table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-routing-key"), sl_bytes_of(key));
    if (rule != NULL)
        table_write_s64(&m.w, sl_bytes_of(rule), n);
    CU_ASSERT_EQUAL_FATAL(table_declare_with(&t, s, queue, table_end(&m)), SL_OK);
}

static void declare_durable(const char *queue, struct sl_bytes arguments)
{
    CU_ASSERT_EQUAL_FATAL(table_declare_durable(&t, s, queue, arguments), SL_OK);
}

static void set_up(void)
{
    table_init(&t, 2, BUDGET);
    s = table_sit(&t, 0);
    CU_ASSERT_EQUAL_FATAL(table_declare(&t, s, "dead"), SL_OK);
}

/* Asks for one message and leaves it in s->last; false: there is none. */
static bool get(const char *queue, bool is_no_ack)
{
    broker_get(&s->client, 1, sl_bytes_of(queue), is_no_ack);
    table_settle(&t);
    return s->last->msg != NULL;
}

static void settle(enum settle_verdict verdict)
{
    sl_tag tag = settlement_add(&s->settlement, broker_getter(&s->client, s->last), s->last->loan,
                                s->last->seq);
    CU_ASSERT_EQUAL(settlement_settle(&s->settlement, &s->client, tag, false, verdict), SL_OK);
    table_settle(&t);
}

/* Gets one and gives it back or away. */
static void get_and(const char *queue, enum settle_verdict verdict)
{
    CU_ASSERT_TRUE_FATAL(get(queue, false));
    settle(verdict);
}

static struct queue_ref ref_of(const char *queue)
{
    struct topology *topology = broker_topology(t.broker);

    topology_lock(topology);
    struct vhost *v = topology_vhost(topology, SL_BYTES_LITERAL("/"));
    struct queue_ref ref = topology_queue(v, sl_bytes_of(queue))->ref;
    topology_unlock(topology);
    return ref;
}

static struct shard *shard_of(const char *queue)
{
    return broker_worker_at(t.broker, ref_of(queue).shard)->shard;
}

static struct queue *queue_of(const char *queue)
{
    return shard_queue(shard_of(queue), ref_of(queue).at);
}

static struct sl_bytes headers(void)
{
    struct sl_bytes found = table_empty;

    properties_headers(message_properties(s->last->msg), &found);
    return found;
}

static bool says(const char *name, const char *text)
{
    struct table_value value;

    return table_find(headers(), name, &value) && sl_bytes_are(value.bytes, text);
}

static uint64_t dropped(enum discard_reason reason)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < t.workers; i++)
        n += broker_worker_at(t.broker, i)->counters.dropped[reason];
    return n;
}

static uint64_t sent(enum discard_reason reason)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < t.workers; i++)
        n += broker_worker_at(t.broker, i)->counters.dead_lettered[reason];
    return n;
}

static void without_an_exchange_it_is_dropped_and_counted(void)
{
    set_up();
    table_publish(s, "", "dead", 1);
    table_settle(&t);
    get_and("dead", SETTLE_REJECTED);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 0);
    CU_ASSERT_EQUAL(dropped(DISCARD_REJECTED), 1);
    CU_ASSERT_EQUAL(sent(DISCARD_REJECTED), 0);
    table_deinit(&t);
}

static void an_exchange_that_is_not_there_drops_it(void)
{
    set_up();
    declare("q", "nowhere", NULL, NULL, 0);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    get_and("q", SETTLE_REJECTED);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_EQUAL(dropped(DISCARD_REJECTED), 1);
    table_deinit(&t);
}

static void a_key_that_no_message_can_have_drops_it(void)
{
    char key[301];

    set_up();
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    declare("q", "", key, NULL, 0);
    table_publish(s, "", "q", 1);
    table_settle(&t);
    get_and("q", SETTLE_REJECTED);
    CU_ASSERT_EQUAL(dropped(DISCARD_REJECTED), 1);
    table_deinit(&t);
}

static void a_rejected_message_goes_on_with_the_queues_key(void)
{
    set_up();
    declare("q", "", "dead", NULL, 0);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    get_and("q", SETTLE_REJECTED);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "rejected"));
    CU_ASSERT_TRUE(says("x-last-death-queue", "q"));
    CU_ASSERT_TRUE(sl_bytes_are(message_exchange(s->last->msg), ""));
    CU_ASSERT_TRUE(sl_bytes_are(message_key(s->last->msg), "dead"));
    CU_ASSERT_EQUAL(s->last->msg->body_len, sizeof(uint64_t));
    CU_ASSERT_EQUAL(s->last->returns, 0);
    CU_ASSERT_EQUAL(sent(DISCARD_REJECTED), 1);
    table_deinit(&t);
}

static void without_a_key_the_messages_own_one_routes(void)
{
    set_up();
    declare("q", "amq.topic", NULL, NULL, 0);
    CU_ASSERT_EQUAL(table_bind(&t, s, "dead", "amq.topic", "q"), SL_OK);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    get_and("q", SETTLE_REJECTED);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(sl_bytes_are(message_exchange(s->last->msg), "amq.topic"));
    CU_ASSERT_TRUE(sl_bytes_are(message_key(s->last->msg), "q"));
    table_deinit(&t);
}

/* BCC leads to "a" twice, and to "dead", where the message goes anyhow. */
static void keys_of_bcc_are_routed_too_and_each_queue_gets_one(void)
{
    static const uint8_t KEYS[] = "S\0\0\0\1AS\0\0\0\1AS\0\0\0\4DEAD";
    uint8_t room[128];
    struct sl_writer w = {room, room + sizeof room, false};
    struct properties p = {.present = PROPERTY_HEADERS};

    set_up();
    CU_ASSERT_EQUAL_FATAL(table_declare(&t, s, "a"), SL_OK);
    declare("q", "amq.topic", NULL, NULL, 0);
    CU_ASSERT_EQUAL(table_bind(&t, s, "dead", "amq.topic", "q"), SL_OK);
    CU_ASSERT_EQUAL(table_bind(&t, s, "dead", "amq.topic", "DEAD"), SL_OK);
    CU_ASSERT_EQUAL(table_bind(&t, s, "a", "amq.topic", "A"), SL_OK);
    table_begin(&m);
    table_write_value(&m.w, SL_BYTES_LITERAL("BCC"),
                      (struct table_value){TABLE_ARRAY, {KEYS, sizeof KEYS - 1}});
    p.headers = table_end(&m);
    properties_encode(&p, &w);
    table_publish_with(s, "", "q", (struct sl_bytes){room, (size_t)(w.pos - room)}, 7);
    table_settle(&t);
    get_and("q", SETTLE_REJECTED);
    CU_ASSERT_EQUAL(table_ready(&t, s, "a"), 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 1);
    table_deinit(&t);
}

static void an_expired_message_goes_on_and_says_so(void)
{
    set_up();
    declare("q", "", "dead", "x-message-ttl", LATER_MS);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    table_wait(&t, LATER_MS + 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "expired"));
    table_deinit(&t);
}

static void the_oldest_of_too_many_goes_on_and_says_so(void)
{
    set_up();
    declare("q", "", "dead", "x-max-length", 2);
    for (uint64_t i = 0; i < 5; i++)
        table_publish(s, "", "q", i);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 3);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "maxlen"));
    table_deinit(&t);
}

static void one_return_beyond_the_limit_goes_on_and_says_so(void)
{
    set_up();
    declare("q", "", "dead", "x-delivery-limit", 2);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 0);
        get_and("q", SETTLE_RETURNED);
    }
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "delivery_limit"));
    CU_ASSERT_EQUAL(s->last->returns, 0);
    table_deinit(&t);
}

static void beyond_the_limit_without_an_exchange_it_is_dropped(void)
{
    set_up();
    CU_ASSERT_EQUAL(table_declare_with(&t, s, "q", table_of_number(&m, "x-delivery-limit", 0)),
                    SL_OK);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    get_and("q", SETTLE_RETURNED);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_EQUAL(dropped(DISCARD_DELIVERY_LIMIT), 1);
    table_deinit(&t);
}

static void a_circle_of_its_own_making_ends(void)
{
    set_up();
    declare("q", "", NULL, "x-message-ttl", LATER_MS); /* back to where it comes from */
    table_publish(s, "", "q", 7);
    table_settle(&t);
    table_wait(&t, LATER_MS + 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_EQUAL(dropped(DISCARD_EXPIRED), 1);
    table_deinit(&t);
}

static void a_circle_over_two_queues_ends_where_it_began(void)
{
    set_up();
    declare("a", "", "b", "x-message-ttl", LATER_MS);
    declare("b", "", "a", "x-message-ttl", LATER_MS);
    table_publish(s, "", "a", 7);
    table_settle(&t);
    table_wait(&t, LATER_MS + 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "b"), 1);
    table_wait(&t, LATER_MS + 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "a"), 0);
    CU_ASSERT_EQUAL(table_ready(&t, s, "b"), 0);
    CU_ASSERT_EQUAL(dropped(DISCARD_EXPIRED), 1);
    table_deinit(&t);
}

static void only_the_queue_that_closes_the_circle_is_left_out(void)
{
    set_up();
    declare("q", "amq.fanout", NULL, "x-message-ttl", LATER_MS);
    CU_ASSERT_EQUAL(table_bind(&t, s, "q", "amq.fanout", ""), SL_OK);
    CU_ASSERT_EQUAL(table_bind(&t, s, "dead", "amq.fanout", ""), SL_OK);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    table_wait(&t, LATER_MS + 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 1);
    CU_ASSERT_EQUAL(sent(DISCARD_EXPIRED), 1);
    table_deinit(&t);
}

static void a_circle_with_a_rejection_goes_on(void)
{
    struct table_value deaths;
    struct table_value newest;
    struct table_value count;
    int64_t n = 0;

    set_up();
    declare("work", "", "later", NULL, 0);
    declare("later", "", "work", "x-message-ttl", LATER_MS);
    table_publish(s, "", "work", 7);
    table_settle(&t);
    for (int i = 0; i < 3; i++) {
        get_and("work", SETTLE_REJECTED);
        CU_ASSERT_EQUAL(table_ready(&t, s, "later"), 1);
        table_wait(&t, LATER_MS + 1);
    }
    CU_ASSERT_TRUE_FATAL(get("work", true));
    CU_ASSERT_TRUE_FATAL(table_find(headers(), "x-death", &deaths));
    struct sl_reader r = table_elements(deaths);
    CU_ASSERT_TRUE_FATAL(table_next_element(&r, &newest));
    CU_ASSERT_TRUE_FATAL(
        table_find((struct sl_bytes){newest.bytes.at - 4, newest.bytes.len + 4}, "count", &count));
    CU_ASSERT_TRUE(table_value_integer(count, &n));
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_TRUE(says("x-first-death-queue", "work"));
    CU_ASSERT_TRUE(says("x-last-death-queue", "later"));
    table_deinit(&t);
}

static void deaths_of_a_publisher_close_no_circle(void)
{
    uint8_t room[512];
    struct death death = {.queue = SL_BYTES_LITERAL("dead"),
                          .reason = SL_BYTES_LITERAL("expired"),
                          .exchange = SL_BYTES_LITERAL(""),
                          .key = SL_BYTES_LITERAL("dead")};
    uint8_t *forged = malloc(deaths_room(properties_none));

    CU_ASSERT_PTR_NOT_NULL_FATAL(forged);
    set_up();
    declare("q", "", "dead", "x-message-ttl", LATER_MS);
    struct sl_bytes properties = deaths_write(properties_none, &death, forged);
    CU_ASSERT_FATAL(properties.len <= sizeof room);
    table_publish_with(s, "", "q", properties, 7);
    table_settle(&t);
    table_wait(&t, LATER_MS + 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 1);
    free(forged);
    table_deinit(&t);
}

static void what_a_queue_refuses_goes_to_its_exchange(void)
{
    set_up();
    declare("q", "", "dead", NULL, 0);
    struct message *msg = message_new(SL_BYTES_LITERAL(""), SL_BYTES_LITERAL("q"), persistent, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    CU_ASSERT_EQUAL(message_append(&msg, SL_BYTES_LITERAL("x")), SL_OK);
    dead_letter_refused(s->client.worker, ref_of("q"), msg);
    message_unref(msg);
    table_settle(&t);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "maxlen"));
    CU_ASSERT_TRUE(sl_bytes_are(message_body(s->last->msg), "x"));
    table_deinit(&t);
}

/* As paging does it with loans, by hand; nobody consumes afterwards. */
static void a_rejected_message_that_is_paged_out_goes_on_when_it_is_read(void)
{
    set_up();
    declare("q", "", "dead", NULL, 0);
    table_publish(s, "", "q", 7);
    table_settle(&t);
    CU_ASSERT_TRUE_FATAL(get("q", false));
    struct queue *q = queue_of("q");
    struct consumer *c = LIST_OF(q->consumers.next, struct consumer, of_queue);
    struct entry *loan = &c->loans[c->first].entry;
    struct message *msg = loan->msg;
    loan->msg = NULL;
    settle(SETTLE_REJECTED);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 1);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 0);

    q->backlog.returned[0].msg = msg;
    shard_queue_is_busy(shard_of("q"), q);
    table_settle(&t);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "rejected"));
    table_deinit(&t);
}

/* "q", whose dead letters go to "dead", and "plain", all durable. */
static struct faulty_disk *set_up_on_disk(void)
{
    struct faulty_disk *disk = faulty_disk_new();

    table_init_on(&t, 2, BUDGET, disk);
    s = table_sit(&t, 0);
    declare_durable("dead", (struct sl_bytes){NULL, 0});
    declare_durable("plain", (struct sl_bytes){NULL, 0});
    table_begin(&m);
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-exchange"), SL_BYTES_LITERAL(""));
    table_write_string(&m.w, SL_BYTES_LITERAL("x-dead-letter-routing-key"),
                       SL_BYTES_LITERAL("dead"));
    declare_durable("q", table_end(&m));
    return disk;
}

static void crash(struct faulty_disk *disk)
{
    table_flush(&t);
    table_drop(&t);
    table_init_on(&t, 2, BUDGET, disk);
    s = table_sit(&t, 0);
}

static void dead_letters_and_what_was_rejected_survive_a_crash_once(void)
{
    struct faulty_disk *disk = set_up_on_disk();

    for (uint64_t i = 0; i < 3; i++) {
        table_publish_persistent(s, "", "q", i);
        table_publish_persistent(s, "", "plain", i);
    }
    table_settle(&t);
    table_flush(&t);
    get_and("q", SETTLE_REJECTED);
    get_and("plain", SETTLE_REJECTED);
    crash(disk);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 2);
    CU_ASSERT_EQUAL(table_ready(&t, s, "plain"), 2);
    CU_ASSERT_EQUAL(table_ready(&t, s, "dead"), 1);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(says("x-first-death-reason", "rejected"));
    CU_ASSERT_TRUE(s->last->msg->has_deaths);
    table_deinit(&t);
    faulty_disk_free(disk);
}

/* Bodies that the log does not copy are lent to it. */
static void a_large_dead_letter_survives_a_crash_whole(void)
{
    static uint8_t body[LOG_COPY_MAX * 2];
    struct faulty_disk *disk = set_up_on_disk();
    const struct route *route;

    memset(body, 'b', sizeof body);
    struct message *msg =
        message_new(SL_BYTES_LITERAL(""), SL_BYTES_LITERAL("q"), persistent, sizeof body);
    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    CU_ASSERT_EQUAL(message_append(&msg, (struct sl_bytes){body, sizeof body}), SL_OK);
    broker_worker_refresh(s->client.worker);
    const struct routed what = routed_of(msg);
    CU_ASSERT_EQUAL_FATAL(broker_route(&s->client, &what, &route), SL_OK);
    broker_publish(&s->client, route, msg);
    table_settle(&t);
    table_flush(&t);
    get_and("q", SETTLE_REJECTED);
    crash(disk);
    CU_ASSERT_EQUAL(table_ready(&t, s, "q"), 0);
    CU_ASSERT_TRUE_FATAL(get("dead", true));
    CU_ASSERT_TRUE(
        sl_bytes_equal(message_body(s->last->msg), (struct sl_bytes){body, sizeof body}));
    table_deinit(&t);
    faulty_disk_free(disk);
}

static void what_was_out_at_a_stop_comes_again_without_a_count(void)
{
    struct faulty_disk *disk = set_up_on_disk();

    table_publish_persistent(s, "", "plain", 1);
    table_settle(&t);
    table_flush(&t);
    CU_ASSERT_TRUE_FATAL(get("plain", false));
    broker_on_stopping(t.broker);
    settle(SETTLE_RETURNED);
    CU_ASSERT_TRUE_FATAL(get("plain", true));
    CU_ASSERT_TRUE(s->last->is_redelivered);
    CU_ASSERT_EQUAL(s->last->returns, 0);
    table_deinit(&t);
    faulty_disk_free(disk);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(without_an_exchange_it_is_dropped_and_counted),
        UNIT(an_exchange_that_is_not_there_drops_it),
        UNIT(a_key_that_no_message_can_have_drops_it),
        UNIT(a_rejected_message_goes_on_with_the_queues_key),
        UNIT(without_a_key_the_messages_own_one_routes),
        UNIT(keys_of_bcc_are_routed_too_and_each_queue_gets_one),
        UNIT(an_expired_message_goes_on_and_says_so),
        UNIT(the_oldest_of_too_many_goes_on_and_says_so),
        UNIT(one_return_beyond_the_limit_goes_on_and_says_so),
        UNIT(beyond_the_limit_without_an_exchange_it_is_dropped),
        UNIT(a_circle_of_its_own_making_ends),
        UNIT(a_circle_over_two_queues_ends_where_it_began),
        UNIT(only_the_queue_that_closes_the_circle_is_left_out),
        UNIT(a_circle_with_a_rejection_goes_on),
        UNIT(deaths_of_a_publisher_close_no_circle),
        UNIT(what_a_queue_refuses_goes_to_its_exchange),
        UNIT(a_rejected_message_that_is_paged_out_goes_on_when_it_is_read),
        UNIT(dead_letters_and_what_was_rejected_survive_a_crash_once),
        UNIT(a_large_dead_letter_survives_a_crash_whole),
        UNIT(what_was_out_at_a_stop_comes_again_without_a_count),
        CU_TEST_INFO_NULL};
    return unit_run("core/dead_letter", tests);
}
