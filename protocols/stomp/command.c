#include "protocols/stomp/command.h"

static const struct {
    struct sl_bytes name;
    enum stomp_command command;
} COMMANDS[] = {
/* the frequent ones first */
#define ROW(name)                                                                                  \
    {                                                                                              \
        {(const uint8_t *)#name, sizeof #name - 1}, STOMP_##name                                   \
    }
    ROW(SEND),       ROW(ACK),
    ROW(NACK),       ROW(SUBSCRIBE),
    ROW(BEGIN),      ROW(COMMIT),
    ROW(ABORT),      ROW(UNSUBSCRIBE),
    ROW(CONNECT),    {{(const uint8_t *)"STOMP", 5}, STOMP_CONNECT},
    ROW(DISCONNECT),
#undef ROW
};

#define COUNT (sizeof COMMANDS / sizeof COMMANDS[0])

enum stomp_command stomp_command_of(struct sl_bytes name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (sl_bytes_equal(COMMANDS[i].name, name))
            return COMMANDS[i].command;
    }
    return STOMP_UNKNOWN;
}

const char *stomp_command_name(enum stomp_command command)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (COMMANDS[i].command == command)
            return (const char *)COMMANDS[i].name.at;
    }
    return "";
}

bool stomp_command_may_begin(struct sl_bytes first, bool *is_whole)
{
    for (size_t i = 0; i < COUNT; i++) {
        struct sl_bytes name = COMMANDS[i].name;
        size_t n = first.len < name.len ? first.len : name.len;

        if (memcmp(first.at, name.at, n) != 0)
            continue;
        if (first.len <= name.len) {
            *is_whole = false;
            return true;
        }
        if (first.at[n] == '\n' || first.at[n] == '\r') {
            *is_whole = true;
            return true;
        }
    }
    return false;
}
