/*
 * command.h - the commands that a client may send, by name and by number.
 */
#ifndef SLUICE_PROTOCOLS_STOMP_COMMAND_H
#define SLUICE_PROTOCOLS_STOMP_COMMAND_H

#include "core/base/bytes.h"

enum stomp_command {
    STOMP_UNKNOWN,
    STOMP_CONNECT, /* and STOMP, its other name since 1.1 */
    STOMP_SEND,
    STOMP_SUBSCRIBE,
    STOMP_UNSUBSCRIBE,
    STOMP_ACK,
    STOMP_NACK,
    STOMP_BEGIN,
    STOMP_COMMIT,
    STOMP_ABORT,
    STOMP_DISCONNECT,
    STOMP_COMMANDS /* how many */
};

enum stomp_command stomp_command_of(struct sl_bytes name);
const char *stomp_command_name(enum stomp_command command);

/* Could more bytes behind first make it a command line of ours, or is it one? */
bool stomp_command_may_begin(struct sl_bytes first, bool *is_whole);

#endif
