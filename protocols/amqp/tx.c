#include "protocols/amqp/tx.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "protocols/amqp/basic.h"
#include "protocols/amqp/encode.h"
#include "protocols/amqp/publish.h"

#include <stdlib.h>

static bool is_transactional(struct amqp_channel *ch, struct sl_reader *r);
static bool prepare(struct amqp_channel *ch);
static void take_effect(struct amqp_channel *ch);
static void send_return(void *channel, struct message *msg);
static void too_large(struct amqp_channel *ch);

void amqp_tx_select(struct amqp_channel *ch, struct sl_reader *r)
{
    if (!amqp_arguments_end(ch->connection, r))
        return;
    if (ch->is_confirming) {
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "cannot switch from confirm to tx mode");
        return;
    }
    if (ch->tx == NULL) {
        ch->tx = calloc(1, sizeof *ch->tx);
        SL_ASSERT(ch->tx != NULL);
    }
    amqp_send_method(ch->connection, ch->number, AMQP_TX_SELECT_OK);
}

/* Also when nothing was done commit-ok takes its turn: what the session did before, on other
 * channels too, is durable when it comes. */
void amqp_tx_commit(struct amqp_channel *ch, struct sl_reader *r)
{
    if (!is_transactional(ch, r) || !prepare(ch))
        return;
    take_effect(ch);
    broker_confirm(amqp_client(ch->connection), amqp_channel_wait(ch, false) | AMQP_TX_COMMIT_BIT,
                   (sl_tag){++ch->tx->commits});
}

void amqp_tx_rollback(struct amqp_channel *ch, struct sl_reader *r)
{
    if (!is_transactional(ch, r))
        return;
    transaction_clear(&ch->tx->waiting);
    settlement_unmark(&ch->settlement);
    amqp_send_method(ch->connection, ch->number, AMQP_TX_ROLLBACK_OK);
}

void amqp_tx_publish(struct amqp_channel *ch, struct message *msg, bool is_mandatory)
{
    if (transaction_add_publish(&ch->tx->waiting, msg, is_mandatory))
        return;
    message_unref(msg);
    too_large(ch);
}

void amqp_tx_settle(struct amqp_channel *ch, uint64_t tag, bool multiple,
                    enum settle_verdict verdict)
{
    if (!transaction_add_settle(&ch->tx->waiting))
        too_large(ch);
    else if (settlement_mark(&ch->settlement, (sl_tag){tag}, multiple, verdict) != SL_OK)
        amqp_basic_unknown_tag(ch, tag);
}

void amqp_tx_free(struct amqp_channel *ch)
{
    if (ch->tx == NULL)
        return;
    transaction_clear(&ch->tx->waiting);
    free(ch->tx);
    ch->tx = NULL;
}

static bool is_transactional(struct amqp_channel *ch, struct sl_reader *r)
{
    if (!amqp_arguments_end(ch->connection, r))
        return false;
    if (ch->tx == NULL)
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "channel is not transactional");
    return ch->tx != NULL;
}

/* An exchange may have gone since the publish: then nothing takes effect. */
static bool prepare(struct amqp_channel *ch)
{
    struct transaction *t = &ch->tx->waiting;
    size_t loans = t->settles == 0 ? 0 : ch->settlement.open;
    const struct message *at_fault = NULL;
    enum sl_err err = transaction_prepare(t, amqp_client(ch->connection), loans, &at_fault);

    if (err == SL_ETOOBIG)
        too_large(ch);
    else if (err == SL_EFULL)
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "transaction refused: queue '%s' is full",
                          amqp_printable(ch->connection, t->full->queue));
    else if (err != SL_OK)
        amqp_publish_refuse_route(ch, err, at_fault);
    return err == SL_OK;
}

static void take_effect(struct amqp_channel *ch)
{
    struct client *client = amqp_client(ch->connection);
    struct transaction *t = &ch->tx->waiting;

    if (transaction_is_empty(t))
        return;
    broker_group_begin(client);
    settlement_settle_marked(&ch->settlement, client);
    transaction_publish_all(t, client, send_return, ch);
    broker_group_end(client);
}

static void send_return(void *channel, struct message *msg)
{
    struct amqp_channel *ch = channel;

    amqp_send_return(ch->connection, ch->number, AMQP_NO_ROUTE, msg);
}

static void too_large(struct amqp_channel *ch)
{
    amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED,
                      "transaction too large (limit %u actions, %u MiB)",
                      SL_TRANSACTION_ACTIONS_MAX, SL_TRANSACTION_BYTES_MAX >> 20);
}
