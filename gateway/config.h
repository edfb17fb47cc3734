/*
 * config.h - what an operator may choose: defaults, then the file, then the command line.
 *
 * A setting is one row of SETTINGS (config_table.c); the parser, the bounds, --help and
 * docs/settings.md are all read from there.  A config never changes once the process runs: a reload
 * (reload.h) makes a new one, and the old one stays as long as the process.
 *
 * Thread: written by main before others see it, then read by all.
 */
#ifndef SLUICE_GATEWAY_CONFIG_H
#define SLUICE_GATEWAY_CONFIG_H

#include "core/base/text.h"
#include "gateway/tls_context.h"
#include "protocols/settings.h"

#include <stdio.h>

struct config {
    const char *bind; /* "": every address of the machine */
    uint32_t amqp_port;
    uint32_t stomp_port;
    uint32_t amqps_port; /* these two listen when there is a certificate */
    uint32_t stomps_port;
    bool tls_on_plain_ports;
    const char *proxies; /* addresses and prefixes, separated by commas */
    uint32_t strangers_max;
    uint32_t strangers_of_address_max;
    struct tls_settings tls;
    const char *cert_login_from; /* cert_login.h */
    const char *cert_login_kind;
    uint32_t cert_login_index;

    const char *data_dir;    /* "": data_dir_default says */
    const char *user;        /* to become, when started as root; "": none */
    const char *definitions; /* a file that is imported at the start; "": none */
    uint32_t workers;        /* 0: one less than there are cores */
    uint32_t log_level;      /* enum sl_log_level */
    uint32_t shutdown_timeout_ms;
    uint64_t memory_budget_bytes;   /* 0: from the machine's memory */
    uint64_t disk_free_limit_bytes; /* 0: from the file system's size */
    bool cluster_names;
    uint32_t consumer_timeout_ms;
    uint32_t prepared_check_ms;
    uint32_t prepared_check_again_ms;
    uint32_t prepared_checks_max;
    uint32_t prepared_check_slow_ms;

    struct protocol_settings protocol;
};

enum setting_kind {
    SETTING_COUNT,  /* uint32_t */
    SETTING_SIZE,   /* uint32_t; may end in k, m or g */
    SETTING_BYTES,  /* uint64_t; the same */
    SETTING_SWITCH, /* bool: on or off */
    SETTING_TEXT,   /* const char *, owned by the config */
    SETTING_LEVEL,  /* uint32_t: error, warn, info or debug */
};

struct setting {
    const char *section; /* of the file */
    const char *name;    /* in the file, and behind -- on the command line; unique */
    enum setting_kind kind;
    bool is_live;  /* a reload applies it; else it waits for a restart */
    size_t offset; /* in struct config */
    uint64_t min;
    uint64_t max;         /* of a text: its bytes */
    const char *fallback; /* read like a value from the file */
    const char *help;
};

extern const struct setting SETTINGS[];
extern const size_t SETTINGS_COUNT;

/* NULL: there is none. */
const struct setting *setting_find(const char *name);
/* The one that was meant by a name that is none; NULL: nothing is near it. */
const struct setting *setting_nearest(const char *name);

/* Are they the same in both? */
bool setting_is_equal(const struct setting *s, const struct config *a, const struct config *b);
/* to gets the value of from. */
void setting_copy(const struct setting *s, struct config *to, const struct config *from);

/* Gives a config with every fallback in it. */
void config_init(struct config *c);
void config_deinit(struct config *c);

/* SL_ESYNTAX: why says which setting and what it wants; c is as it was. */
SL_MUST_CHECK enum sl_err config_set(struct config *c, const struct setting *s, const char *value,
                                     struct text *why);

/* SL_ESYNTAX: why names file and line.  SL_EIO: the file cannot be read. */
SL_MUST_CHECK enum sl_err config_read_file(struct config *c, const char *path, struct text *why);

/* What else was asked for on the command line. */
struct config_request {
    bool wants_help;
    bool wants_version;
    bool wants_settings; /* --print-settings: docs/settings.md */
    bool wants_export;   /* --export-definitions: of a data directory that nobody serves */
};

/* Reads the file that --config names, then the flags, whatever their order.  SL_ESYNTAX or
 * SL_EIO with why. */
SL_MUST_CHECK enum sl_err config_read_arguments(struct config *c, int count, char **arguments,
                                                struct config_request *request, struct text *why);

void config_print_help(FILE *to);
void config_print_settings(FILE *to);

#endif
