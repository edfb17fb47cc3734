#include "core/prepared.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/commands.h"
#include "core/prepared_parts.h"
#include "core/recall.h"

#include <stdlib.h>

#define REASON_BYTES_MAX 1024

static struct prepared_set *set_of(struct shard *s, struct vhost *v, bool is_made);
static struct queue *declare(struct shard *s, struct vhost *v);
static bool prepare(struct shard *s, struct prepared_set *set, struct prepared_request *r,
                    struct text *reason);
static void enter(struct shard *s, struct prepared_set *set, struct prepared_request *r,
                  const uint8_t key[OUTCOME_KEY_BYTES]);
static void send_to_queue(struct shard *s, struct prepared_set *set, struct message *msg);
static void park(struct prepared_set *set, const struct shard_command *command);
static void answer(struct shard *s, const struct shard_command *command, enum sl_err err,
                   const char *reason, sl_lsn place);

void prepared_request_free(struct prepared_request *r)
{
    if (r->msg != NULL)
        message_unref(r->msg);
    free(r);
}

void prepared_execute(struct shard *s, const struct shard_command *command)
{
    struct prepared_request *r = command->prepared;
    struct prepared_set *set = set_of(s, command->vhost, r->step == PREPARED_PREPARE);
    char room[REASON_BYTES_MAX] = "";
    struct text reason = text_on(room, sizeof room);
    enum sl_err err = SL_OK;

    if (set == NULL) {
        text_add(&reason, "no prepared message '");
        text_add_bytes(&reason, r->id);
        text_add(&reason, "' in vhost '");
        text_add_bytes(&reason, command->vhost->name);
        text_add(&reason, "'");
        answer(s, command, SL_ENOENT, room, (sl_lsn){0});
        return;
    }
    if (r->step == PREPARED_PREPARE)
        err = prepare(s, set, r, &reason) ? SL_OK : SL_EPRECOND;
    else
        err = prepared_decide(s, set, r, &reason);
    if (err == SL_EAGAIN)
        park(set, command);
    else
        answer(s, command, err, room, set->place);
}

void prepared_arrive(struct shard *s, struct queue *q, const struct entry *entry, uint64_t time)
{
    struct prepared_set *set = q->prepared;
    struct prepared_form form;
    uint8_t key[OUTCOME_KEY_BYTES];
    char why[128];
    struct text text = text_on(why, sizeof why);

    enum sl_err err = prepared_form_read(message_properties(entry->msg), &form, &text);
    SL_ASSERT(err == SL_OK); /* nobody else writes to this queue */
    prepared_key(form.user, form.id, key);
    struct prepared *p = hash_map_get(&set->live, (struct sl_bytes){key, sizeof key});
    SL_ASSERT(p != NULL && p->loan == PREPARED_ARRIVING);
    shard_begin_entry(s, entry);
    p->loan = consumer_lend(prepared_holder(s, set), entry);
    p->time = time;
    prepared_enter(set, p, entry->seq);
    prepared_look_at(set, p, time + prepared_timeout(s, p));
    shard_queue_is_busy(s, q); /* it may be paged out */
    prepared_resume(s, set, key);
}

void prepared_fetched(struct shard *s, struct queue *q, struct fetch_request *r)
{
    struct prepared_set *set = q->prepared;
    uint8_t key[OUTCOME_KEY_BYTES];
    struct prepared *p = prepared_by_seq(set, r->entries[0].seq); /* NULL: decided meanwhile */
    struct entry *entry = p == NULL ? NULL : prepared_entry(set, p);
    bool is_there = entry != NULL && (r->err == SL_OK || entry->msg != NULL);

    s->asked_bytes -= r->bytes;
    if (is_there && entry->msg == NULL) {
        entry->msg = r->entries[0].msg;
        r->entries[0].msg = NULL;
        consumer_is_resident(set->holder, r->cookie);
    }
    if (is_there) {
        p->is_fetching = false;
        due_by(&set->dues, &p->due, p->check_at); /* a check may have waited */
    } else if (entry != NULL) {
        if (r->err != SL_EAGAIN) /* it moved a moment ago */
            sl_error("store.unreadable", "queue=\"%s\" place=%llu", PREPARED_QUEUE,
                     (unsigned long long)r->failed_at.v);
        due_by(&set->dues, &p->due,
               s->now + (r->err == SL_EAGAIN ? RECALL_SOON_MS : RECALL_RETRY_MS));
    }
    fetch_request_free(r);
    if (!is_there)
        return; /* where it was decided meanwhile, nobody waits any more */
    memcpy(key, p->key, sizeof key);
    prepared_resume(s, set, key);
}

bool prepared_run(struct shard *s)
{
    uint32_t budget = SL_LEND_BUDGET;

    for (struct list *at = s->prepared.next; at != &s->prepared; at = at->next) {
        struct prepared_set *set = LIST_OF(at, struct prepared_set, of_shard);
        struct due *due;
        while (budget > 0 && (due = due_take(&set->dues, s->now)) != NULL) {
            prepared_check_due(s, set, LIST_OF(due, struct prepared, due));
            budget--;
        }
        prepared_ask(s, set);
    }
    return budget == 0;
}

uint64_t prepared_next_due(const struct shard *s)
{
    uint64_t first = UINT64_MAX;

    for (const struct list *at = s->prepared.next; at != &s->prepared; at = at->next) {
        uint64_t due = due_next(&LIST_OF(at, struct prepared_set, of_shard)->dues);
        if (due < first)
            first = due;
    }
    return first;
}

void prepared_fetch(struct shard *s, struct prepared_set *set, struct prepared *p)
{
    const struct entry *entry = prepared_entry(set, p);

    if (p->is_fetching || s->fetch == NULL)
        return;
    struct fetch_request *r = fetch_request_new(FETCH_ENTRIES);
    r->answer_to = &s->inbox;
    r->queue = set->queue->ref.at;
    r->cookie = p->loan;
    r->count = 1;
    r->entries[0] = *entry;
    r->bytes = entry->body_len;
    s->asked_bytes += r->bytes;
    p->is_fetching = true;
    fetch_post(s->fetch, r);
}

/* The sum of what the shard of this worker has decided goes out together. */
void prepared_hand_over(struct shard *s, struct prepared_set *set)
{
    run_hand_over(s->run);
    order_hurry(s->run->order);
    set->place = s->run->end;
}

static struct prepared_set *set_of(struct shard *s, struct vhost *v, bool is_made)
{
    struct queue *q = NULL;

    topology_lock(s->topology);
    const struct topology_queue *def = topology_queue(v, SL_BYTES_LITERAL(PREPARED_QUEUE));
    if (def != NULL)
        q = shard_queue(s, def->ref.at);
    else if (is_made)
        q = declare(s, v);
    topology_unlock(s->topology);
    if (q == NULL)
        return NULL;
    if (list_is_empty(&q->prepared->of_shard))
        list_push(&s->prepared, &q->prepared->of_shard);
    return q->prepared;
}

/* Under the topology lock.  NULL: the virtual host is gone.  Our own size: aborts without memory. */
static struct queue *declare(struct shard *s, struct vhost *v)
{
    const struct queue_declaration d = {.name = SL_BYTES_LITERAL(PREPARED_QUEUE),
                                        .is_durable = true,
                                        .may_be_reserved = true,
                                        .is_own = true};
    char room[REASON_BYTES_MAX];
    struct text reason = text_on(room, sizeof room);
    struct topology_queue *def = NULL;
    bool created = false;

    enum sl_err err = topology_declare_queue(s->topology, v, (struct sl_handle){0, 0, 0}, &d, &def,
                                             &created, &reason);
    if (err != SL_OK && v->is_gone)
        return NULL;
    SL_ASSERT(err == SL_OK);
    SL_ASSERT(created && def->ref.shard == s->index);
    struct queue *q = shard_enter_queue(s, def);
    q->place = commands_log_declaration(s, q, def);
    return q;
}

/* True: it is there, now or since before. */
static bool prepare(struct shard *s, struct prepared_set *set, struct prepared_request *r,
                    struct text *reason)
{
    uint8_t key[OUTCOME_KEY_BYTES];

    prepared_key(r->user, r->id, key);
    if (hash_map_get(&set->live, (struct sl_bytes){key, sizeof key}) != NULL)
        return true;
    const struct outcome *outcome = outcomes_find(&set->outcomes, key, s->now);
    if (outcome == NULL && set->live.count < SL_PREPARED_MAX && prepared_has_room(s)) {
        enter(s, set, r, key);
        return true;
    }
    text_add(reason, "cannot prepare message '");
    text_add_bytes(reason, r->id);
    text_add(reason, "' of user '");
    text_add_bytes(reason, r->user);
    text_add(reason, "' in vhost '");
    text_add_bytes(reason, set->queue->def->vhost->name);
    if (outcome == NULL)
        text_add(reason, "': %zu wait for their outcomes already", set->live.count);
    else
        text_add(reason, "': one with that id was %s",
                 outcome->verdict == VERDICT_COMMIT ? "committed" : "rolled back");
    return false;
}

static void enter(struct shard *s, struct prepared_set *set, struct prepared_request *r,
                  const uint8_t key[OUTCOME_KEY_BYTES])
{
    struct message *msg = r->msg;
    const struct prepared_texts texts = {.user = r->user,
                                         .id = r->id,
                                         .exchange = message_exchange(msg),
                                         .routing_key = message_key(msg),
                                         .check = r->check};
    struct prepared *p = prepared_new(&texts);

    SL_CHECK(memcmp(p->key, key, sizeof p->key) == 0);
    (void)key;
    p->has_timeout = r->has_timeout;
    p->timeout_ms = r->timeout_ms;
    enum sl_err err = hash_map_put(&set->live, prepared_key_of(p), p);
    SL_ASSERT(err == SL_OK); /* bounded by SL_PREPARED_MAX */
    r->msg = NULL;
    send_to_queue(s, set, msg);
    counter_add(&s->counters->prepared, 1);
    prepared_hand_over(s, set);
}

/* Whatever its delivery-mode: until it is decided it is kept. */
static void send_to_queue(struct shard *s, struct prepared_set *set, struct message *msg)
{
    struct route *route = calloc(1, sizeof *route + sizeof route->targets[0]);
    uint32_t offset = run_sequence(s->run);

    SL_ASSERT(route != NULL);
    route->count = route->durable = 1;
    route->targets[0] = set->queue->ref;
    if (!s->run->journal.is_off) {
        msg->is_logged = true;
        journal_message(&s->run->journal, offset, route, msg);
    }
    run_publish(s->run, offset, route, msg);
    free(route);
}

static void park(struct prepared_set *set, const struct shard_command *command)
{
    struct parked_decision *parked = calloc(1, sizeof *parked);
    const struct prepared_request *r = command->prepared;

    SL_ASSERT(parked != NULL);
    prepared_key(r->user, r->id, parked->key);
    parked->command = shard_command_new(COMMAND_PREPARED, command->from, command->ticket, 0);
    parked->command->vhost = command->vhost;
    parked->command->prepared = command->prepared;
    ((struct shard_command *)(uintptr_t)command)->prepared = NULL; /* it is ours now */
    list_push(&set->parked, &parked->of_set);
}

void prepared_resume(struct shard *s, struct prepared_set *set,
                     const uint8_t key[OUTCOME_KEY_BYTES])
{
    struct list waiting;
    struct list *at = set->parked.next;

    list_init(&waiting);
    while (at != &set->parked) {
        struct parked_decision *parked = LIST_OF(at, struct parked_decision, of_set);
        at = at->next;
        if (memcmp(parked->key, key, sizeof parked->key) != 0)
            continue;
        list_remove(&parked->of_set);
        list_push(&waiting, &parked->of_set);
    }
    while ((at = list_pop(&waiting)) != NULL) {
        struct parked_decision *parked = LIST_OF(at, struct parked_decision, of_set);
        prepared_execute(s, parked->command);
        shard_command_free(parked->command);
        free(parked);
    }
}

static void answer(struct shard *s, const struct shard_command *command, enum sl_err err,
                   const char *reason, sl_lsn place)
{
    struct answer *a = answer_new(command->from, command->ticket);

    a->err = err;
    if (err == SL_OK && command->prepared->is_confirmed)
        a->safe_at = place;
    else
        a->place = place;
    if (err != SL_OK) {
        a->reason = strdup(reason);
        SL_ASSERT(a->reason != NULL);
    }
    shard_answer(s, a);
}
