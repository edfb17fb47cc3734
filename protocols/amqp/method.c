#include "protocols/amqp/method.h"

#include "protocols/amqp/basic.h"
#include "protocols/amqp/confirm.h"
#include "protocols/amqp/consumer.h"
#include "protocols/amqp/declare.h"
#include "protocols/amqp/handshake.h"
#include "protocols/amqp/publish.h"
#include "protocols/amqp/tx.h"

#define IN_STARTING AMQP_PHASE_STARTING
#define IN_TUNING AMQP_PHASE_TUNING
#define IN_OPENING AMQP_PHASE_OPENING
#define IN_OPEN AMQP_PHASE_OPEN
#define IN_CLOSING AMQP_PHASE_CLOSING
#define IN_ANY (IN_STARTING | IN_TUNING | IN_OPENING | IN_OPEN | IN_CLOSING)

#define WHEN_CLOSED AMQP_CHANNEL_IS_CLOSED
#define WHEN_OPEN AMQP_CHANNEL_IS_OPEN
#define WHEN_CLOSING AMQP_CHANNEL_IS_CLOSING

#define ON_CONNECTION(name) .on_connection = (name)
#define ON_CHANNEL(name) .on_channel = (name)
#define THEN(name) .on_answer = (name)
#define THEN_OK(method) .ok = (method)

/* The commonest first: the table is searched from the top. */
const struct amqp_method amqp_methods[] = {
    {AMQP_BASIC_PUBLISH, WHEN_OPEN, ON_CHANNEL(amqp_publish_method), THEN(amqp_publish_answered)},
    {AMQP_BASIC_ACK, WHEN_OPEN, ON_CHANNEL(amqp_basic_ack)},
    {AMQP_BASIC_NACK, WHEN_OPEN, ON_CHANNEL(amqp_basic_nack)},
    {AMQP_BASIC_REJECT, WHEN_OPEN, ON_CHANNEL(amqp_basic_reject)},
    {AMQP_BASIC_GET, WHEN_OPEN, ON_CHANNEL(amqp_basic_get), THEN(amqp_basic_got)},
    {AMQP_BASIC_QOS, WHEN_OPEN, ON_CHANNEL(amqp_basic_qos)},
    {AMQP_BASIC_CONSUME, WHEN_OPEN, ON_CHANNEL(amqp_basic_consume), THEN(amqp_basic_consume_done)},
    {AMQP_BASIC_CANCEL, WHEN_OPEN, ON_CHANNEL(amqp_basic_cancel), THEN(amqp_basic_cancel_done)},
    {AMQP_BASIC_RECOVER, WHEN_OPEN, ON_CHANNEL(amqp_basic_recover)},
    {AMQP_BASIC_RECOVER_ASYNC, WHEN_OPEN, ON_CHANNEL(amqp_basic_recover_async)},

    {AMQP_QUEUE_DECLARE, WHEN_OPEN, ON_CHANNEL(amqp_queue_declare), THEN(amqp_queue_declared)},
    {AMQP_QUEUE_BIND, WHEN_OPEN, ON_CHANNEL(amqp_queue_bind), THEN_OK(AMQP_QUEUE_BIND_OK)},
    {AMQP_QUEUE_UNBIND, WHEN_OPEN, ON_CHANNEL(amqp_queue_unbind), THEN_OK(AMQP_QUEUE_UNBIND_OK)},
    {AMQP_QUEUE_PURGE, WHEN_OPEN, ON_CHANNEL(amqp_queue_purge), THEN(amqp_queue_purged)},
    {AMQP_QUEUE_DELETE, WHEN_OPEN, ON_CHANNEL(amqp_queue_delete), THEN(amqp_queue_deleted)},

    {AMQP_EXCHANGE_DECLARE, WHEN_OPEN, ON_CHANNEL(amqp_exchange_declare),
     THEN_OK(AMQP_EXCHANGE_DECLARE_OK)},
    {AMQP_EXCHANGE_DELETE, WHEN_OPEN, ON_CHANNEL(amqp_exchange_delete),
     THEN_OK(AMQP_EXCHANGE_DELETE_OK)},
    {AMQP_EXCHANGE_BIND, WHEN_OPEN, ON_CHANNEL(amqp_exchange_bind), THEN_OK(AMQP_EXCHANGE_BIND_OK)},
    {AMQP_EXCHANGE_UNBIND, WHEN_OPEN, ON_CHANNEL(amqp_exchange_unbind),
     THEN_OK(AMQP_EXCHANGE_UNBIND_OK)},

    {AMQP_CHANNEL_OPEN, WHEN_CLOSED, ON_CHANNEL(amqp_channel_open)},
    {AMQP_CHANNEL_FLOW, WHEN_OPEN, ON_CHANNEL(amqp_channel_flow)},
    {AMQP_CHANNEL_CLOSE, WHEN_OPEN | WHEN_CLOSING, ON_CHANNEL(amqp_channel_close)},
    {AMQP_CHANNEL_CLOSE_OK, WHEN_CLOSING, ON_CHANNEL(amqp_channel_close_ok)},
    {AMQP_CONFIRM_SELECT, WHEN_OPEN, ON_CHANNEL(amqp_confirm_select)},
    {AMQP_TX_SELECT, WHEN_OPEN, ON_CHANNEL(amqp_tx_select)},
    {AMQP_TX_COMMIT, WHEN_OPEN, ON_CHANNEL(amqp_tx_commit), THEN_OK(AMQP_TX_COMMIT_OK)},
    {AMQP_TX_ROLLBACK, WHEN_OPEN, ON_CHANNEL(amqp_tx_rollback)},
    {AMQP_ACCESS_REQUEST, WHEN_OPEN, ON_CHANNEL(amqp_access_request)},

    {AMQP_CONNECTION_START_OK, IN_STARTING, ON_CONNECTION(amqp_connection_start_ok)},
    {AMQP_CONNECTION_TUNE_OK, IN_TUNING, ON_CONNECTION(amqp_connection_tune_ok)},
    {AMQP_CONNECTION_OPEN, IN_OPENING, ON_CONNECTION(amqp_connection_open)},
    {AMQP_CONNECTION_CLOSE, IN_ANY, ON_CONNECTION(amqp_connection_close)},
    {AMQP_CONNECTION_CLOSE_OK, IN_CLOSING, ON_CONNECTION(amqp_connection_close_ok)},
    {AMQP_CONNECTION_UPDATE_SECRET, IN_OPEN, ON_CONNECTION(amqp_connection_update_secret)},
};

const size_t amqp_methods_count = sizeof amqp_methods / sizeof amqp_methods[0];

const struct amqp_method *amqp_method_find(uint32_t id)
{
    for (size_t i = 0; i < amqp_methods_count; i++) {
        if (amqp_methods[i].id == id)
            return &amqp_methods[i];
    }
    return NULL;
}
