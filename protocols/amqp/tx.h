/*
 * tx.h - tx.select, commit, rollback: what a channel publishes and settles takes effect together.
 *
 *   NOT TRANSACTIONAL --select--> OPEN --commit--> WAITING --durable: commit-ok--> OPEN
 *                                 OPEN --rollback--> OPEN
 *
 * Until the commit a publish waits in the channel's transaction and a settlement is a mark on
 * the loan.  A commit hands both over as one group; the channel is parked until it is durable.
 * A rollback, or the end of the channel, drops the publishes and takes the marks off.
 */
#ifndef SLUICE_PROTOCOLS_AMQP_TX_H
#define SLUICE_PROTOCOLS_AMQP_TX_H

#include "core/transaction.h"
#include "protocols/amqp/channel.h"

struct amqp_tx {
    struct transaction waiting;
    uint64_t commits; /* in this life of the channel */
};

/* Handlers of the method table. */
void amqp_tx_select(struct amqp_channel *ch, struct sl_reader *r);
void amqp_tx_commit(struct amqp_channel *ch, struct sl_reader *r);
void amqp_tx_rollback(struct amqp_channel *ch, struct sl_reader *r);

/* On a transactional channel.  Takes msg, whose exchange is there. */
void amqp_tx_publish(struct amqp_channel *ch, struct message *msg, bool is_mandatory);
void amqp_tx_settle(struct amqp_channel *ch, uint64_t tag, bool multiple,
                    enum settle_verdict verdict);

/* The channel is not transactional any more; its marks are the caller's. */
void amqp_tx_free(struct amqp_channel *ch);

/* A commit waits in the line of confirms under its channel's ticket and this bit. */
#define AMQP_TX_COMMIT_BIT (1ull << 63)

static inline bool amqp_tx_is_commit(uint64_t who)
{
    return (who & AMQP_TX_COMMIT_BIT) != 0;
}

#endif
