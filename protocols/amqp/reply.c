#include "protocols/amqp/reply.h"

#include <stddef.h>

static const struct {
    enum sl_err err;
    struct amqp_reply reply;
} REPLIES[] = {
    {SL_EDENIED, {AMQP_ACCESS_REFUSED, AMQP_CLOSE_CHANNEL}},
    {SL_ENOENT, {AMQP_NOT_FOUND, AMQP_CLOSE_CHANNEL}},
    {SL_ELOCKED, {AMQP_RESOURCE_LOCKED, AMQP_CLOSE_CHANNEL}},
    {SL_EPRECOND, {AMQP_PRECONDITION_FAILED, AMQP_CLOSE_CHANNEL}},
    {SL_EFULL, {AMQP_PRECONDITION_FAILED, AMQP_CLOSE_CHANNEL}},
    {SL_EPROTO, {AMQP_FRAME_ERROR, AMQP_CLOSE_CONNECTION}},
    {SL_ETOOBIG, {AMQP_RESOURCE_ERROR, AMQP_CLOSE_CONNECTION}},
    {SL_ESYNTAX, {AMQP_SYNTAX_ERROR, AMQP_CLOSE_CONNECTION}},
    {SL_ENOTALLOWED, {AMQP_NOT_ALLOWED, AMQP_CLOSE_CONNECTION}},
    {SL_ENOTIMPL, {AMQP_NOT_IMPLEMENTED, AMQP_CLOSE_CONNECTION}},
    {SL_ENOMEM, {AMQP_RESOURCE_ERROR, AMQP_CLOSE_CONNECTION}},
};

static const struct {
    uint16_t code;
    const char *name;
} NAMES[] = {
    {AMQP_REPLY_SUCCESS, "REPLY_SUCCESS"},
    {AMQP_NO_ROUTE, "NO_ROUTE"},
    {AMQP_CONNECTION_FORCED, "CONNECTION_FORCED"},
    {AMQP_ACCESS_REFUSED, "ACCESS_REFUSED"},
    {AMQP_NOT_FOUND, "NOT_FOUND"},
    {AMQP_RESOURCE_LOCKED, "RESOURCE_LOCKED"},
    {AMQP_PRECONDITION_FAILED, "PRECONDITION_FAILED"},
    {AMQP_FRAME_ERROR, "FRAME_ERROR"},
    {AMQP_SYNTAX_ERROR, "SYNTAX_ERROR"},
    {AMQP_COMMAND_INVALID, "COMMAND_INVALID"},
    {AMQP_CHANNEL_ERROR, "CHANNEL_ERROR"},
    {AMQP_UNEXPECTED_FRAME, "UNEXPECTED_FRAME"},
    {AMQP_RESOURCE_ERROR, "RESOURCE_ERROR"},
    {AMQP_NOT_ALLOWED, "NOT_ALLOWED"},
    {AMQP_NOT_IMPLEMENTED, "NOT_IMPLEMENTED"},
};

struct amqp_reply amqp_reply_of(enum sl_err err)
{
    for (size_t i = 0; i < sizeof REPLIES / sizeof REPLIES[0]; i++) {
        if (REPLIES[i].err == err)
            return REPLIES[i].reply;
    }
    return (struct amqp_reply){AMQP_INTERNAL_ERROR, AMQP_CLOSE_CONNECTION};
}

const char *amqp_code_name(uint16_t code)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (NAMES[i].code == code)
            return NAMES[i].name;
    }
    return "INTERNAL_ERROR";
}
