/*
 * desk.h - what administration asks of the broker, from a thread that is no worker.
 *
 * A task is run once, on the thread of the first worker, and is lent a client of that worker that
 * may do everything: it calls what broker.h offers and does not wait.  Answers, with the tickets
 * that it gave, come to the desk's mailbox when they are durable, as a session's do.
 *
 *   administration   desk_run(task)            any thread
 *   worker           task->run(task, client)   once
 *   administration   desk_take -> answers      one for each ticket
 *
 * Thread: as said; the rest is the thread of whoever opened the desk.
 */
#ifndef SLUICE_CORE_DESK_H
#define SLUICE_CORE_DESK_H

#include "core/broker.h"

struct desk_task {
    /* The client's vhost is to be opened first (broker_open_vhost). */
    void (*run)(struct desk_task *task, struct client *client);
    struct client *client; /* the desk's */
    struct list of_resting;
    uint64_t rests_until_ms;
};

/* Before the broker's first turn, once.  wake: any thread. */
void desk_open(struct broker *b, void (*wake)(void *context), void *context);

/* The task stays its owner's, until its answers are in or the workers have stopped. */
void desk_run(struct broker *b, struct desk_task *task);
/* From a worker's thread: it is run again, in the next turn of the worker of its client. */
void desk_go_on(struct desk_task *task);
/* The same, that much later; at the end it is forgotten. */
void desk_rest(struct desk_task *task, uint32_t ms);
/* In the task: an answer of its own. */
void desk_answer(struct client *client, uint64_t ticket, enum sl_err err, const char *reason);
/* The same, when that place is durable. */
void desk_answer_at(struct client *client, uint64_t ticket, sl_lsn place);
/* Tasks of the worker's go on for which it is time; in how many ms the next is due, UINT64_MAX:
 * none. */
void desk_end_rests(struct broker_worker *w);
uint64_t desk_next_due(const struct broker_worker *w);
bool desk_has_mail(struct broker *b);
/* Answers (struct answer), to be freed with mail_free. */
struct mail_chain desk_take(struct broker *b);

#endif
