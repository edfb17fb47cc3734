/*
 * account_change.h - one change of who may do what, and its record in the log.
 *
 * Bodies are big endian; names are short strings (u8, bytes), texts long ones (u32, bytes).
 *
 *   ACCOUNTS                nothing
 *   VHOST                   vhost, description, tags, queue type
 *   DELETE_VHOST            vhost
 *   USER                    user, u8 password form, hash (short), tags (long), cluster (short)
 *   DELETE_USER             user
 *   PERMISSION              user, vhost, configure, write, read
 *   CLEAR_PERMISSION        user, vhost
 *   TOPIC_PERMISSION        user, vhost, exchange, write, read
 *   CLEAR_TOPIC_PERMISSION  user, vhost, u8 of all exchanges, exchange
 *   ACCOUNT_LIMIT           u8 of a virtual host, its or the user's name, u8 which, u64 value
 *
 * Thread: pure.
 */
#ifndef SLUICE_CORE_ACCOUNT_CHANGE_H
#define SLUICE_CORE_ACCOUNT_CHANGE_H

#include "core/store/log_run.h"
#include "core/user.h"

#define ACCOUNT_TEXT_BYTES_MAX 4096u /* of a pattern, a description, a list of tags */

struct account_change { /* borrows its bytes; what its kind does not name is not looked at */
    enum record_kind kind;
    struct sl_bytes user;
    struct sl_bytes vhost;
    struct sl_bytes exchange;
    struct sl_bytes texts[PERMISSIONS]; /* by enum permission */
    struct sl_bytes tags;
    struct sl_bytes description;
    struct sl_bytes queue_type;
    struct sl_bytes cluster_id;
    struct password_hash password;
    bool of_vhost;         /* a limit: of that virtual host, else of that user */
    bool of_all_exchanges; /* CLEAR_TOPIC_PERMISSION */
    enum account_limit limit;
    uint64_t value; /* LIMIT_NONE: no more */
    /* of USER, where it is not the log that says it: what the user has stays */
    bool keeps_password;
    bool keeps_tags;
    bool keeps_cluster;
};

static inline bool account_change_is(uint16_t kind)
{
    return kind >= RECORD_ACCOUNTS && kind <= RECORD_ACCOUNT_LIMIT;
}

/* Names and texts are within their bounds. */
void account_change_write(struct log_run *run, const struct account_change *c);
/* Borrows from the record.  SL_ECORRUPT. */
SL_MUST_CHECK enum sl_err account_change_read(const struct record *record,
                                              struct account_change *c);

#endif
