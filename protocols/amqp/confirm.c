#include "protocols/amqp/confirm.h"

#include "protocols/amqp/encode.h"

void amqp_confirm_announce(struct amqp_connection *c)
{
    struct list *at;

    while ((at = list_pop(&c->unannounced)) != NULL) {
        struct amqp_channel *ch = LIST_OF(at, struct amqp_channel, of_unannounced);
        broker_confirm(amqp_client(c), amqp_channel_ticket(ch), (sl_tag){ch->published});
    }
}

void amqp_confirm_on_confirmed(struct amqp_connection *c, uint64_t who, sl_tag upto,
                               bool is_refused)
{
    struct amqp_channel *ch = amqp_channel_by_ticket(c, who);

    if (ch == NULL || upto.v <= ch->confirmed)
        return;
    uint64_t safe = is_refused ? upto.v - 1 : upto.v;
    if (safe > ch->confirmed)
        amqp_send_ack(c, ch->number, (sl_tag){safe}, safe - ch->confirmed > 1);
    if (is_refused)
        amqp_send_nack(c, ch->number, upto);
    ch->confirmed = upto.v;
}

void amqp_confirm_select(struct amqp_channel *ch, struct sl_reader *r)
{
    bool is_no_wait = (sl_read_u8(r) & 1) != 0;

    if (!amqp_arguments_end(ch->connection, r))
        return;
    if (ch->tx != NULL) {
        amqp_channel_fail(ch, AMQP_PRECONDITION_FAILED, "cannot switch from tx to confirm mode");
        return;
    }
    ch->is_confirming = true;
    if (!is_no_wait)
        amqp_send_method(ch->connection, ch->number, AMQP_CONFIRM_SELECT_OK);
}
