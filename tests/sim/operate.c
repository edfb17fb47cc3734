/*
 * operate.c - what operators change while others work: policies and users (actor.h, verdict.h).
 *
 * The policies limit nothing that a run can reach; they are there, or not, after a start, as was
 * answered, and turn the rules of queues over while messages come and go.
 */
#include "core/account_change.h"
#include "core/accounts.h"
#include "core/base/assert.h"
#include "core/policing.h"
#include "core/store/record.h"
#include "core/table.h"
#include "tests/sim/actor.h"
#include "tests/sim/verdict.h"

#define KEYS_BYTES 128u
#define LENGTH_NEVER_REACHED 1000000

static const char *const NAMES[SIM_OPERATED] = {"p0", "p1", "u0", "u1"};

static bool is_policy(uint32_t what);
static void ask_policy(struct actor *a, uint64_t ticket, const char *name, bool is_set);
static void ask_user(struct actor *a, uint64_t ticket, const char *name, bool is_set);
static bool is_there(struct world *w, uint32_t what);

void act_operate(struct actor *a, uint32_t what, bool is_set)
{
    struct sim_name *name = &a->cast->model->operated[what];
    enum question_kind kind = is_set ? ASK_SET : ASK_CLEAR;

    if (!name_may_ask(name, kind))
        return;
    name_ask(name, kind);
    uint64_t ticket = act_ask(a, (struct question){.kind = kind, .queue = what});
    if (is_policy(what))
        ask_policy(a, ticket, NAMES[what], is_set);
    else
        ask_user(a, ticket, NAMES[what], is_set);
}

void operated_judge(struct model *m, struct world *w)
{
    for (uint32_t i = 0; i < SIM_OPERATED; i++) {
        struct sim_name *name = &m->operated[i];
        bool is_found = is_there(w, i);
        if (is_found ? name->state == ABSENT : name->state == PRESENT)
            sim_fail(m, "%s %s was %s with an answer and is %s", is_policy(i) ? "policy" : "user",
                     NAMES[i], is_found ? "cleared" : "set", is_found ? "back" : "gone");
        *name = (struct sim_name){.state = is_found ? PRESENT : ABSENT};
    }
}

static bool is_policy(uint32_t what)
{
    return what < SIM_OPERATED / 2;
}

static void ask_policy(struct actor *a, uint64_t ticket, const char *name, bool is_set)
{
    uint8_t room[KEYS_BYTES];
    struct sl_writer w = {room, room + sizeof room, false};
    struct policy_definition d = {.vhost = SL_BYTES_LITERAL("/"),
                                  .name = sl_bytes_of(name),
                                  .priority = (int32_t)dice_roll(&a->cast->dice, 3),
                                  .apply_to = POLICY_OF_QUEUES};

    if (!is_set) {
        policing_clear(&a->client, ticket, d.vhost, false, d.name);
        return;
    }
    uint8_t *start = table_write_start(&w);
    table_write_s64(&w, SL_BYTES_LITERAL("max-length"), LENGTH_NEVER_REACHED);
    table_write_finish(&w, start);
    SL_ASSERT(!w.overflowed);
    d.keys = (struct sl_bytes){room, (size_t)(w.pos - room)};
    policing_set(&a->client, ticket, &d);
}

static void ask_user(struct actor *a, uint64_t ticket, const char *name, bool is_set)
{
    const struct account_change change = {.kind = is_set ? RECORD_USER : RECORD_DELETE_USER,
                                          .user = sl_bytes_of(name)};

    broker_change_account(&a->client, ticket, &change);
}

static bool is_there(struct world *w, uint32_t what)
{
    struct topology *t = broker_topology(w->broker);
    struct sl_bytes name = sl_bytes_of(NAMES[what]);

    topology_lock(t);
    bool is_there = is_policy(what)
                        ? policies_find(&t->policies, SL_BYTES_LITERAL("/"), false, name) != NULL
                        : accounts_user(t->accounts, name) != NULL;
    topology_unlock(t);
    return is_there;
}
