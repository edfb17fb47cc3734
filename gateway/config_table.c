/*
 * config_table.c - the rows: one setting each, in the order of docs/settings.md.
 *
 * After a change, `sluice --print-settings >docs/settings.md`; a test compares the two.
 */
#include "core/base/limits.h"
#include "gateway/config.h"

/* The kind says how a value is stored, so the field must have that width. */
#define FIELD_OF(field, type)                                                                      \
    (offsetof(struct config, field) +                                                              \
     0 * sizeof(char[sizeof((struct config *)0)->field == sizeof(type) ? 1 : -1]))
#define COUNT(field) SETTING_COUNT, FIELD_OF(field, uint32_t)
#define SIZE(field) SETTING_SIZE, FIELD_OF(field, uint32_t)
#define BYTES(field) SETTING_BYTES, FIELD_OF(field, uint64_t)
#define SWITCH(field) SETTING_SWITCH, FIELD_OF(field, bool)
#define TEXT(field) SETTING_TEXT, FIELD_OF(field, const char *)
#define LEVEL(field) SETTING_LEVEL, FIELD_OF(field, uint32_t)

const struct setting SETTINGS[] = {
    {"listen", "bind", TEXT(bind), 0, 64, "",
     "IPv4 or IPv6 address to listen on; empty means every address of the machine"},
    {"listen", "amqp-port", COUNT(amqp_port), 0, 65535, "5672",
     "port whose clients speak AMQP 0-9-1 unless their first bytes are STOMP; 0 switches it off"},
    {"listen", "stomp-port", COUNT(stomp_port), 0, 65535, "61613",
     "port whose clients speak STOMP unless their first bytes are AMQP; 0 switches it off"},

    {"process", "data-dir", TEXT(data_dir), 0, 4000, "",
     "directory that belongs to this process alone; created if missing; empty means "
     "$XDG_STATE_HOME/sluice, or ~/.local/state/sluice"},
    {"process", "workers", COUNT(workers), 0, 64, "0",
     "threads that serve connections and queues; 0 means one less than there are cores"},
    {"process", "log-level", LEVEL(log_level), 0, 0, "info",
     "what is written to standard error: error, warn, info or debug"},
    {"process", "shutdown-timeout-ms", COUNT(shutdown_timeout_ms), 0, 3600000, "8000",
     "how long clients have to finish after SIGTERM"},

    {"limits", "memory-budget", BYTES(memory_budget_bytes), 0, 1ull << 50, "0",
     "memory for messages: from half of it on they are paged out to the disk, beyond it publishers "
     "are held; 0 means 256m, or 40 % of the memory of the machine or its control group where that "
     "is less"},
    {"limits", "disk-free-limit", BYTES(disk_free_limit_bytes), 0, 1ull << 50, "0",
     "free bytes of the data directory's file system below which publishers are held; 0 means 1g, "
     "or 20 % of the file system where that is less, but not less than three segments (192m)"},
    {"limits", "message-bytes-max", BYTES(protocol.message_bytes_max), 1024,
     SL_MESSAGE_BYTES_MAX_ALLOWED, "16m", "largest body of a message"},
    {"limits", "login-timeout-ms", COUNT(protocol.login_timeout_ms), 100, 600000, "10000",
     "how long a connection may take to say who it is"},

    {"amqp", "amqp-frame-bytes-max", SIZE(protocol.amqp_frame_bytes_max), SL_AMQP_FRAME_BYTES_MIN,
     SL_UNREAD_BYTES_MAX, "128k", "frame-max that is proposed"},
    {"amqp", "amqp-channels-max", COUNT(protocol.amqp_channels_max), 1, 65535, "2047",
     "channel-max that is proposed"},
    {"amqp", "amqp-heartbeat-s", COUNT(protocol.amqp_heartbeat_s), 0, 65535, "60",
     "heartbeat interval that is proposed, in seconds; 0 proposes none"},
    {"amqp", "server-product", TEXT(protocol.server_product), 1, 100, "RabbitMQ",
     "product in the server properties; client libraries choose their behaviour by it"},
    {"amqp", "server-version", TEXT(protocol.server_version), 1, 100, "3.13.7",
     "version in the server properties; client libraries choose their behaviour by it"},
    {"amqp", "server-information", TEXT(protocol.server_information), 1, 200,
     "Sluice " SLUICE_VERSION, "information in the server properties"},

    {"stomp", "stomp-default-user", TEXT(protocol.default_user), 0, 255, "guest",
     "who a client is that sends no login header"},
    {"stomp", "stomp-default-password", TEXT(protocol.default_password), 0, 255, "guest",
     "the password of that user"},
    {"stomp", "stomp-host-must-exist", SWITCH(protocol.stomp_host_must_exist), 0, 0, "off",
     "refuse a host header that names no virtual host, instead of using the default one"},
    {"stomp", "stomp-default-requeue", SWITCH(protocol.stomp_default_requeue), 0, 0, "on",
     "what a NACK without a requeue header means"},
    {"stomp", "stomp-trailing-lf", SWITCH(protocol.stomp_trailing_lf), 0, 0, "on",
     "end every frame to the client with a line feed behind its NUL"},
    {"stomp", "stomp-hide-server", SWITCH(protocol.stomp_hide_server), 0, 0, "off",
     "leave the server header out of CONNECTED"},
    {"stomp", "stomp-server", TEXT(protocol.stomp_server), 1, 200, "Sluice/" SLUICE_VERSION,
     "the server header of CONNECTED"},
    {"stomp", "stomp-topic-exchange", TEXT(protocol.stomp_topic_exchange), 1, SL_NAME_BYTES_MAX,
     "amq.topic", "the exchange behind /topic/"},
};

const size_t SETTINGS_COUNT = sizeof SETTINGS / sizeof SETTINGS[0];
