#include "core/identity.h"

#include "core/access.h"
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/broker_parts.h"
#include "core/slowdown.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define JOBS_MAX 4096u /* logins that wait; with a kilobyte or two each */
#define KEY_BYTES 32u

struct job {
    struct list of_jobs;
    struct sl_handle session;
    uint64_t ticket;
    uint64_t due_ms;
    bool is_slowed; /* it has had its wait, because of those that failed before */
    bool is_hopeless;
    bool is_loopback_only_refused;
    struct sl_bytes user; /* owned, as these */
    struct sl_bytes password;
    char *peer;
};

struct identity {
    struct accounts *accounts;
    const struct sl_clock *clock;
    struct mailbox **inboxes;
    uint8_t key[KEY_BYTES];
    pthread_mutex_t lock; /* of what follows; a leaf */
    struct slowdown slowdown;
    struct list jobs; /* the first due in front */
    uint32_t count;
    void (*wake)(void *context); /* NULL: nobody serves */
    void *wake_context;
};

static bool must_be_here(const struct login *l);
static void prove(const struct identity *id, struct sl_bytes user, struct sl_bytes password,
                  uint8_t proof[USER_PROOF_BYTES]);
static bool is_proven(struct identity *id, struct sl_bytes user, struct sl_bytes password);
static bool verify(struct identity *id, struct sl_bytes user, struct sl_bytes password);
static void note_proof(struct identity *id, struct sl_bytes user, struct sl_bytes password,
                       const struct password_hash *against);
static void note_outcome(struct identity *id, const char *peer, struct sl_bytes user, bool is_good);
static enum identity_verdict let_in(struct client *c, struct sl_bytes name);
static enum identity_verdict wait_for(struct identity *id, struct client *c, uint64_t ticket,
                                      const struct login *l, uint64_t wait_ms);
static void slow(struct job *job, uint64_t wait_ms, uint64_t now_ms);
static bool is_put_off(struct identity *id, struct job *job);
static void enter(struct identity *id, struct job *job);
static struct job *take_due(struct identity *id, uint64_t now_ms, uint64_t *wait_ms);
static void answer(struct identity *id, const struct job *job, bool is_good);
static void job_free(struct job *job);

struct identity *identity_new(struct accounts *a, const struct sl_clock *clock,
                              struct mailbox **session_inboxes)
{
    struct identity *id = calloc(1, sizeof *id);

    if (id == NULL)
        return NULL;
    id->accounts = a;
    id->clock = clock;
    id->inboxes = session_inboxes;
    list_init(&id->jobs);
    SL_ASSERT(pthread_mutex_init(&id->lock, NULL) == 0);
    SL_ASSERT(RAND_bytes(id->key, sizeof id->key) == 1);
    return id;
}

void identity_free(struct identity *id)
{
    identity_stop(id);
    pthread_mutex_destroy(&id->lock);
    OPENSSL_cleanse(id->key, sizeof id->key);
    free(id);
}

enum identity_verdict identity_login(struct client *c, uint64_t ticket, const struct login *l)
{
    struct identity *id = broker_identity(c->worker->broker);
    uint64_t now_ms = sl_clock_monotonic_ms(id->clock);

    if (l->is_vouched_for)
        return must_be_here(l) ? IDENTITY_NOT_LOOPBACK : let_in(c, l->user);
    pthread_mutex_lock(&id->lock);
    uint64_t wait_ms = slowdown_wait(&id->slowdown, l->peer, l->user, now_ms);
    pthread_mutex_unlock(&id->lock);
    if (wait_ms == 0 && is_proven(id, l->user, l->password)) {
        note_outcome(id, l->peer, l->user, true);
        return must_be_here(l) ? IDENTITY_NOT_LOOPBACK : let_in(c, l->user);
    }
    if (id->wake != NULL)
        return wait_for(id, c, ticket, l, wait_ms);
    if (!verify(id, l->user, l->password))
        return IDENTITY_BAD_CREDENTIALS;
    return must_be_here(l) ? IDENTITY_NOT_LOOPBACK : let_in(c, l->user);
}

enum identity_verdict identity_on_answer(struct client *c, const struct answer *a)
{
    if (a->err == SL_ENOTALLOWED)
        return IDENTITY_NOT_LOOPBACK;
    if (a->err != SL_OK)
        return IDENTITY_BAD_CREDENTIALS;
    return let_in(c, (struct sl_bytes){(const uint8_t *)a->name, a->name_len});
}

void identity_forget(const struct client *c)
{
    struct identity *id = broker_identity(c->worker->broker);

    pthread_mutex_lock(&id->lock);
    for (struct list *at = id->jobs.prev; at != &id->jobs; at = at->prev) {
        struct job *job = LIST_OF(at, struct job, of_jobs);
        if (!sl_handle_equal(job->session, c->handle))
            continue;
        list_remove(at);
        id->count--;
        job_free(job);
        break;
    }
    pthread_mutex_unlock(&id->lock);
}

void identity_serve(struct identity *id, void (*wake)(void *context), void *context)
{
    id->wake_context = context;
    id->wake = wake;
}

uint64_t identity_run(struct identity *id)
{
    uint64_t wait_ms;
    struct job *job = take_due(id, sl_clock_monotonic_ms(id->clock), &wait_ms);

    if (job == NULL)
        return wait_ms;
    if (is_put_off(id, job))
        return 0;
    bool is_good = !job->is_hopeless && verify(id, job->user, job->password);
    note_outcome(id, job->peer, job->user, is_good);
    answer(id, job, is_good);
    job_free(job);
    return 0;
}

void identity_stop(struct identity *id)
{
    struct list *at;

    pthread_mutex_lock(&id->lock);
    while ((at = list_pop(&id->jobs)) != NULL)
        job_free(LIST_OF(at, struct job, of_jobs));
    id->count = 0;
    pthread_mutex_unlock(&id->lock);
}

static bool must_be_here(const struct login *l)
{
    const char *at = l->loopback_users;

    if (l->is_loopback || at == NULL)
        return false;
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");
        if (sl_bytes_equal((struct sl_bytes){(const uint8_t *)at, len}, l->user) && len != 0)
            return true;
        at += len + (at[len] != '\0');
    }
    return false;
}

static void prove(const struct identity *id, struct sl_bytes user, struct sl_bytes password,
                  uint8_t proof[USER_PROOF_BYTES])
{
    uint8_t room[SL_NAME_BYTES_MAX + PASSWORD_BYTES_MAX + 2];
    struct sl_writer w = {room, room + sizeof room, false};
    unsigned len = 0;

    sl_write_short_string(&w, user);
    sl_write_bytes(&w, password);
    SL_ASSERT(!w.overflowed);
    SL_ASSERT(HMAC(EVP_sha256(), id->key, KEY_BYTES, room, (size_t)(w.pos - room), proof, &len) !=
              NULL);
    OPENSSL_cleanse(room, sizeof room);
}

/* Without anything that takes time. */
static bool is_proven(struct identity *id, struct sl_bytes user, struct sl_bytes password)
{
    uint8_t proof[USER_PROOF_BYTES];

    if (password.len == 0 || password.len > PASSWORD_BYTES_MAX || user.len > SL_NAME_BYTES_MAX)
        return false;
    prove(id, user, password, proof);
    accounts_lock(id->accounts);
    const struct user *u = accounts_user(id->accounts, user);
    bool is_known = u != NULL && u->is_proven && CRYPTO_memcmp(proof, u->proof, sizeof proof) == 0;
    struct password_hash cheap = {.form = PASSWORD_NONE};
    if (u != NULL && !is_known && !password_is_costly(&u->password))
        cheap = u->password;
    accounts_unlock(id->accounts);
    return is_known || password_verify(&cheap, password);
}

/* However it ends badly, it takes what one costly verification takes. */
static bool verify(struct identity *id, struct sl_bytes user, struct sl_bytes password)
{
    struct password_hash hash = {.form = PASSWORD_NONE};

    if (is_proven(id, user, password))
        return true;
    accounts_lock(id->accounts);
    const struct user *u = accounts_user(id->accounts, user);
    if (u != NULL)
        hash = u->password;
    accounts_unlock(id->accounts);
    if (!password_is_costly(&hash) || password.len == 0 || password.len > PASSWORD_BYTES_MAX) {
        password_waste_time(password);
        return false;
    }
    if (!password_verify(&hash, password))
        return false;
    note_proof(id, user, password, &hash);
    return true;
}

static void note_proof(struct identity *id, struct sl_bytes user, struct sl_bytes password,
                       const struct password_hash *against)
{
    uint8_t proof[USER_PROOF_BYTES];

    prove(id, user, password, proof);
    accounts_lock(id->accounts);
    struct user *u = accounts_user(id->accounts, user);
    if (u != NULL && u->password.len == against->len &&
        memcmp(u->password.bytes, against->bytes, against->len) == 0) {
        memcpy(u->proof, proof, sizeof proof);
        u->is_proven = true;
    }
    accounts_unlock(id->accounts);
}

static void note_outcome(struct identity *id, const char *peer, struct sl_bytes user, bool is_good)
{
    uint64_t now_ms = sl_clock_monotonic_ms(id->clock);

    pthread_mutex_lock(&id->lock);
    if (is_good)
        slowdown_note_success(&id->slowdown, peer, user, now_ms);
    else
        slowdown_note_failure(&id->slowdown, peer, user, now_ms);
    pthread_mutex_unlock(&id->lock);
}

static enum identity_verdict let_in(struct client *c, struct sl_bytes name)
{
    struct accounts *a = broker_topology(c->worker->broker)->accounts;

    access_free(c->access); /* of an attempt that failed further on */
    c->access = NULL;
    c->is_slowed = false;
    accounts_lock(a);
    struct user *u = accounts_user(a, name);
    if (u != NULL) {
        c->access = access_new(user_ref(u));
        memcpy(c->access->cluster_id, u->cluster_id, sizeof c->access->cluster_id);
    }
    accounts_unlock(a);
    if (u == NULL)
        return IDENTITY_BAD_CREDENTIALS;
    c->user = c->access->user->name;
    c->account_cluster_id = sl_bytes_of(c->access->cluster_id);
    if (c->account_cluster_id.len == 0)
        c->account_cluster_id = (struct sl_bytes){NULL, 0};
    c->cluster_id = c->account_cluster_id;
    return IDENTITY_OK;
}

static enum identity_verdict wait_for(struct identity *id, struct client *c, uint64_t ticket,
                                      const struct login *l, uint64_t wait_ms)
{
    struct job *job = calloc(1, sizeof *job);
    bool is_too_long = l->password.len > PASSWORD_BYTES_MAX || l->user.len > SL_NAME_BYTES_MAX;

    SL_ASSERT(job != NULL);
    *job = (struct job){.session = c->handle,
                        .ticket = ticket,
                        .is_loopback_only_refused = must_be_here(l),
                        .peer = strdup(l->peer)};
    SL_ASSERT(job->peer != NULL);
    if (is_too_long) {
        wait_ms = UINT64_MAX;
    } else {
        job->user = sl_bytes_copy(l->user);
        job->password = sl_bytes_copy(l->password);
    }
    slow(job, wait_ms, sl_clock_monotonic_ms(id->clock));
    pthread_mutex_lock(&id->lock);
    bool has_room = id->count < JOBS_MAX;
    if (has_room)
        enter(id, job);
    pthread_mutex_unlock(&id->lock);
    if (!has_room) {
        job_free(job);
        return IDENTITY_BAD_CREDENTIALS;
    }
    id->wake(id->wake_context);
    return IDENTITY_WAIT;
}

static void slow(struct job *job, uint64_t wait_ms, uint64_t now_ms)
{
    job->is_slowed = wait_ms != 0;
    job->is_hopeless = wait_ms == UINT64_MAX;
    job->due_ms = now_ms + (job->is_hopeless ? SLOWDOWN_WAIT_MAX_MS : wait_ms);
}

/* Others of its peer may have failed since it came: it waits as one that comes now.  So those that
 * come all at once are no way around. */
static bool is_put_off(struct identity *id, struct job *job)
{
    uint64_t now_ms = sl_clock_monotonic_ms(id->clock);

    if (job->is_slowed)
        return false;
    pthread_mutex_lock(&id->lock);
    slow(job, slowdown_wait(&id->slowdown, job->peer, job->user, now_ms), now_ms);
    if (job->is_slowed)
        enter(id, job);
    pthread_mutex_unlock(&id->lock);
    return job->is_slowed;
}

/* Most are due at once: they go behind the others that are, near the front of who waits. */
static void enter(struct identity *id, struct job *job)
{
    struct list *behind = id->jobs.prev;

    while (behind != &id->jobs && LIST_OF(behind, struct job, of_jobs)->due_ms > job->due_ms)
        behind = behind->prev;
    list_init(&job->of_jobs);
    list_push(behind->next, &job->of_jobs); /* before that one */
    id->count++;
}

static struct job *take_due(struct identity *id, uint64_t now_ms, uint64_t *wait_ms)
{
    struct job *job = NULL;

    *wait_ms = UINT64_MAX;
    pthread_mutex_lock(&id->lock);
    if (!list_is_empty(&id->jobs)) {
        struct job *first = LIST_OF(id->jobs.next, struct job, of_jobs);
        *wait_ms = first->due_ms > now_ms ? first->due_ms - now_ms : 0;
        if (*wait_ms == 0) {
            job = first;
            list_remove(&job->of_jobs);
            id->count--;
        }
    }
    pthread_mutex_unlock(&id->lock);
    return job;
}

static void answer(struct identity *id, const struct job *job, bool is_good)
{
    struct answer *a = answer_new(job->session, job->ticket);
    struct mailbox *inbox = id->inboxes[job->session.worker];

    a->err = !is_good ? SL_EDENIED : job->is_loopback_only_refused ? SL_ENOTALLOWED : SL_OK;
    if (is_good) {
        a->name = malloc(job->user.len + 1);
        SL_ASSERT(a->name != NULL);
        memcpy(a->name, job->user.at, job->user.len);
        a->name_len = job->user.len;
    }
    if (mailbox_post(inbox, (struct mail_chain){&a->mail.node, &a->mail.node}))
        mailbox_wake(inbox);
}

static void job_free(struct job *job)
{
    if (job->password.len != 0)
        OPENSSL_cleanse((void *)(uintptr_t)job->password.at, job->password.len);
    sl_bytes_free(job->user);
    sl_bytes_free(job->password);
    free(job->peer);
    free(job);
}
