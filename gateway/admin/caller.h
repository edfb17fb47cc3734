/*
 * caller.h - one connection to the admin socket: a request at a time, kept alive.
 *
 *   CALLER_READING   a request, or the time until the next one
 *   CALLER_WAITING   for its turn, and for the workers' answers to it
 *   CALLER_WRITING   the response
 *   CALLER_GONE      freed at the end of the turn
 *
 * What a caller sends while it waits stays in its socket.
 *
 * Thread: main.
 */
#ifndef SLUICE_GATEWAY_ADMIN_CALLER_H
#define SLUICE_GATEWAY_ADMIN_CALLER_H

#include "core/base/list.h"
#include "core/cluster_queue.h"
#include "gateway/admin/actions.h"
#include "gateway/admin/http.h"
#include "gateway/admin/routes.h"
#include "gateway/loop.h"

struct admin;

enum caller_state { CALLER_READING, CALLER_WAITING, CALLER_WRITING, CALLER_GONE };

struct caller {
    struct loop_watch watch; /* first: a ready watch is its caller */
    struct admin *admin;
    struct list of_admin;
    struct list of_waiting;
    enum caller_state state;
    uint64_t limit_ms; /* when the state must have changed */
    char user[32];
    struct sl_buffer unread;
    struct http_request request;
    struct query query; /* CALLER_WAITING */
    const struct admin_route *route;
    const struct action_route *action; /* of a request that changes something, else NULL */
    json_t *change;                    /* its body as JSON, or NULL */
    struct sl_bytes arguments[VIEW_ARGUMENTS_MAX];
    struct cluster_name queue_name; /* an argument may lie in it */
    struct sl_buffer head;          /* CALLER_WRITING */
    struct sl_buffer body;
    size_t written; /* of both together */
};

/* Takes fd.  NULL: no memory or descriptor; fd is closed. */
struct caller *caller_new(struct admin *a, int fd, unsigned uid);
void caller_free(struct caller *c);

/* Takes the body out of the view, or says with an empty one what went wrong. */
void caller_answer(struct caller *c, unsigned status, struct view *v);
void caller_kill(struct caller *c);
/* Ends what lasts too long. */
void caller_check_time(struct caller *c, uint64_t now_ms);

#endif
