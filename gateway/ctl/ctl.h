/*
 * ctl.h - what the files of sluicectl share.
 *
 * Exit status: 0 done, 1 the gateway could not be asked or refused, 2 arguments that cannot be
 * understood.
 */
#ifndef SLUICE_GATEWAY_CTL_CTL_H
#define SLUICE_GATEWAY_CTL_CTL_H

#include "core/base/text.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#define CTL_WORDS_MAX 12

enum { EXIT_USAGE = 2 };

struct request {
    char socket[PATH_MAX];
    bool wants_json;
    bool wants_help;
    bool wants_version;
    bool if_unused;
    bool if_empty;
    const char *vhost;    /* NULL: not said, as the next ones */
    const char *user;     /* of a prepared message */
    const char *priority; /* of a policy */
    const char *apply_to;
    const char *words[CTL_WORDS_MAX]; /* of the command, and what it is about */
    int words_count;
};

/* Do the first words name that command?  "set policy", set_policy and set-policy are one.  Gives how
 * many words that were; 0: no. */
int ctl_matches(const struct request *r, const char *command);

int ctl_complain(const char *why);
void ctl_print_json(const json_t *value);

/* ---- listings.c; -1: it is none of theirs ---- */
int ctl_run_listing(const struct request *r);
int ctl_run_status(const struct request *r);
void ctl_help_listings(FILE *to);

/* ---- commands.c; the same ---- */
int ctl_run_command(const struct request *r);
void ctl_help_commands(FILE *to);

#endif
