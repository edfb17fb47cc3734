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
#define COUNT(field) SETTING_COUNT, false, FIELD_OF(field, uint32_t)
#define SIZE(field) SETTING_SIZE, false, FIELD_OF(field, uint32_t)
#define BYTES(field) SETTING_BYTES, false, FIELD_OF(field, uint64_t)
#define SWITCH(field) SETTING_SWITCH, false, FIELD_OF(field, bool)
#define TEXT(field) SETTING_TEXT, false, FIELD_OF(field, const char *)
#define LEVEL(field) SETTING_LEVEL, false, FIELD_OF(field, uint32_t)
/* The same, and a reload applies them: gateway_reload knows how. */
#define LIVE_COUNT(field) SETTING_COUNT, true, FIELD_OF(field, uint32_t)
#define LIVE_SIZE(field) SETTING_SIZE, true, FIELD_OF(field, uint32_t)
#define LIVE_BYTES(field) SETTING_BYTES, true, FIELD_OF(field, uint64_t)
#define LIVE_SWITCH(field) SETTING_SWITCH, true, FIELD_OF(field, bool)
#define LIVE_TEXT(field) SETTING_TEXT, true, FIELD_OF(field, const char *)
#define LIVE_LEVEL(field) SETTING_LEVEL, true, FIELD_OF(field, uint32_t)

const struct setting SETTINGS[] = {
    {"listen", "bind", TEXT(bind), 0, 64, "",
     "IPv4 or IPv6 address to listen on; empty means every address of the machine"},
    {"listen", "amqp-port", COUNT(amqp_port), 0, 65535, "5672",
     "port whose clients speak AMQP 0-9-1 unless their first bytes are STOMP; 0 switches it off"},
    {"listen", "stomp-port", COUNT(stomp_port), 0, 65535, "61613",
     "port whose clients speak STOMP unless their first bytes are AMQP; 0 switches it off"},
    {"listen", "amqps-port", COUNT(amqps_port), 0, 65535, "5671",
     "the same for AMQP within TLS; listens when tls-cert names a certificate"},
    {"listen", "stomps-port", COUNT(stomps_port), 0, 65535, "61614",
     "the same for STOMP within TLS; listens when tls-cert names a certificate"},
    {"listen", "tls-on-plain-ports", SWITCH(tls_on_plain_ports), 0, 0, "off",
     "serve TLS on amqp-port and stomp-port too, to clients whose first byte begins a handshake"},
    {"listen", "proxy-protocol-from", TEXT(proxies), 0, 4000, "",
     "addresses and prefixes (10.1.0.0/16), separated by commas, of proxies whose connections "
     "begin with a header of the PROXY protocol, version 1 or 2, and may not begin otherwise"},

    {"tls", "tls-cert", LIVE_TEXT(tls.cert), 0, 16000, "",
     "PEM files, separated by commas, with a certificate and its chain each; a client gets the "
     "first one that has the server name it asks for, else the first of all; empty means no TLS"},
    {"tls", "tls-key", LIVE_TEXT(tls.key), 0, 16000, "",
     "PEM files with the keys, in the same order; empty means that they are in the files of "
     "tls-cert; must not be open to everybody"},
    {"tls", "tls-ca", LIVE_TEXT(tls.ca), 0, 16000, "",
     "PEM files with the authorities that sign the certificates of clients"},
    {"tls", "tls-crl", LIVE_TEXT(tls.crl), 0, 16000, "",
     "PEM files with revocation lists; if there is any, every authority in the chain of a client "
     "needs one that is valid"},
    {"tls", "tls-verify", LIVE_TEXT(tls.verify), 1, 16, "off",
     "certificates of clients: off (not asked for), optional (verified if there is one) or "
     "required"},
    {"tls", "tls-verify-depth", LIVE_COUNT(tls.depth), 0, 100, "10",
     "authorities that may stand between a client's certificate and one of tls-ca"},
    {"tls", "tls-version", LIVE_TEXT(tls.version), 1, 16, "1.2",
     "lowest version of TLS: 1.2 or 1.3"},
    {"tls", "tls-ciphers", LIVE_TEXT(tls.ciphers), 0, 2000, "",
     "cipher list of TLS 1.2, in the syntax of OpenSSL; empty means ECDHE with AES-GCM or "
     "ChaCha20-Poly1305"},
    {"tls", "tls-ciphersuites", LIVE_TEXT(tls.suites), 0, 2000, "",
     "cipher suites of TLS 1.3; empty means its three usual ones"},
    {"tls", "ssl-cert-login-from", TEXT(cert_login_from), 1, 64, "distinguished_name",
     "what names the user of a certificate: distinguished_name, common_name or "
     "subject_alternative_name"},
    {"tls", "ssl-cert-login-san-type", TEXT(cert_login_kind), 1, 16, "dns",
     "kind of alternative name that does: dns, email, uri or ip"},
    {"tls", "ssl-cert-login-san-index", COUNT(cert_login_index), 0, 99, "0",
     "which of that kind, counted from 0"},
    {"tls", "tls-in-kernel", LIVE_SWITCH(tls.kernel), 0, 0, "off",
     "let the kernel encrypt, where it can (module tls)"},
    {"tls", "tls-keylog-file", LIVE_TEXT(tls.keylog), 0, 4000, "",
     "for debugging alone: writes the secrets of every connection to this file"},

    {"process", "data-dir", TEXT(data_dir), 0, 4000, "",
     "directory that belongs to this process alone; created if missing; empty means "
     "$XDG_STATE_HOME/sluice, or ~/.local/state/sluice"},
    {"process", "user", TEXT(user), 0, 255, "",
     "who the process becomes when root starts it; empty means that it stays who it is"},
    {"process", "load-definitions", TEXT(definitions), 0, 4000, "",
     "a definitions.json, as RabbitMQ exports it, that is imported at every start before the ready "
     "line; empty means none"},
    {"process", "workers", COUNT(workers), 0, 64, "0",
     "threads that serve connections and queues; 0 means one less than there are cores"},
    {"process", "log-level", LIVE_LEVEL(log_level), 0, 0, "info",
     "what is written to standard error: error, warn, info or debug"},
    {"process", "shutdown-timeout-ms", LIVE_COUNT(shutdown_timeout_ms), 0, 3600000, "8000",
     "how long clients have to finish after SIGTERM"},

    {"limits", "memory-budget", BYTES(memory_budget_bytes), 0, 1ull << 50, "0",
     "memory for messages: from half of it on they are paged out to the disk, beyond it publishers "
     "are held; 0 means 256m, or 40 % of the memory of the machine or its control group where that "
     "is less"},
    {"limits", "disk-free-limit", LIVE_BYTES(disk_free_limit_bytes), 0, 1ull << 50, "0",
     "free bytes of the data directory's file system below which publishers are held; 0 means 1g, "
     "or 20 % of the file system where that is less, but not less than three segments (192m)"},
    {"limits", "message-bytes-max", LIVE_BYTES(protocol.message_bytes_max), 1024,
     SL_MESSAGE_BYTES_MAX_ALLOWED, "16m", "largest body of a message"},
    {"limits", "login-timeout-ms", LIVE_COUNT(protocol.login_timeout_ms), 100, 600000, "10000",
     "how long a connection may take to say who it is"},
    {"limits", "consumer-timeout-ms", COUNT(consumer_timeout_ms), 0, UINT32_MAX, "0",
     "how long a consumer may keep a message that it does not acknowledge, where "
     "x-consumer-timeout "
     "or a policy says nothing else, before its channel or STOMP connection is closed (RabbitMQ: "
     "1800000); 0 means as long as it likes"},
    {"limits", "connections-not-logged-in-max", COUNT(strangers_max), 0, 1000000, "4096",
     "connections that have not said yet who they are, over all workers; further ones are closed; "
     "0 means no limit"},
    {"limits", "connections-not-logged-in-per-address-max", COUNT(strangers_of_address_max), 0,
     1000000, "2048",
     "the same from one address (IPv6: one /64); who comes through proxy-protocol-from is not "
     "counted here; 0 means no limit"},

    {"identity", "loopback-users", TEXT(protocol.loopback_users), 0, 2000, "guest",
     "users, with commas between them, who may come in from this machine only"},
    {"identity", "anonymous-login-user", TEXT(protocol.anonymous_user), 0, 255, "",
     "user that a client is which chooses the mechanism ANONYMOUS; empty does not offer it"},
    {"prepared", "prepared-check-ms", COUNT(prepared_check_ms), 1, UINT32_MAX, "6000",
     "how long after the prepare of a message without an outcome the first check is sent, unless "
     "x-prepare-timeout says otherwise"},
    {"prepared", "prepared-check-again-ms", COUNT(prepared_check_again_ms), 1, UINT32_MAX, "30000",
     "from one check to the next"},
    {"prepared", "prepared-checks-max", COUNT(prepared_checks_max), 1, UINT32_MAX, "15",
     "checks without an outcome after which a notice goes to prepared.expired"},
    {"prepared", "prepared-check-slow-ms", COUNT(prepared_check_slow_ms), 1, UINT32_MAX, "3600000",
     "from one check to the next after that notice"},

    {"amqp", "amqp-frame-bytes-max", LIVE_SIZE(protocol.amqp_frame_bytes_max),
     SL_AMQP_FRAME_BYTES_MIN, SL_UNREAD_BYTES_MAX, "128k", "frame-max that is proposed"},
    {"amqp", "amqp-channels-max", LIVE_COUNT(protocol.amqp_channels_max), 1, 65535, "2047",
     "channel-max that is proposed"},
    {"amqp", "amqp-heartbeat-s", LIVE_COUNT(protocol.amqp_heartbeat_s), 0, 65535, "60",
     "heartbeat interval that is proposed, in seconds; 0 proposes none"},
    {"amqp", "server-product", LIVE_TEXT(protocol.server_product), 1, 100, "RabbitMQ",
     "product in the server properties; client libraries choose their behaviour by it"},
    {"amqp", "server-version", LIVE_TEXT(protocol.server_version), 1, 100, "3.13.7",
     "version in the server properties; client libraries choose their behaviour by it"},
    {"amqp", "server-information", LIVE_TEXT(protocol.server_information), 1, 200,
     "Sluice " SLUICE_VERSION, "information in the server properties"},

    {"stomp", "stomp-ssl-cert-login", SWITCH(protocol.stomp_certificate_login), 0, 0, "off",
     "let a client that sends no login header be whom its certificate names"},
    {"stomp", "stomp-default-user", LIVE_TEXT(protocol.default_user), 0, 255, "guest",
     "who a client is that sends no login header"},
    {"stomp", "stomp-default-password", LIVE_TEXT(protocol.default_password), 0, 255, "guest",
     "the password of that user"},
    {"stomp", "stomp-host-must-exist", LIVE_SWITCH(protocol.stomp_host_must_exist), 0, 0, "off",
     "refuse a host header that names no virtual host, instead of using the default one"},
    {"stomp", "stomp-default-requeue", LIVE_SWITCH(protocol.stomp_default_requeue), 0, 0, "on",
     "what a NACK without a requeue header means"},
    {"stomp", "stomp-trailing-lf", LIVE_SWITCH(protocol.stomp_trailing_lf), 0, 0, "on",
     "end every frame to the client with a line feed behind its NUL"},
    {"stomp", "stomp-hide-server", LIVE_SWITCH(protocol.stomp_hide_server), 0, 0, "off",
     "leave the server header out of CONNECTED"},
    {"stomp", "stomp-server", LIVE_TEXT(protocol.stomp_server), 1, 200, "Sluice/" SLUICE_VERSION,
     "the server header of CONNECTED"},
    {"stomp", "stomp-topic-exchange", LIVE_TEXT(protocol.stomp_topic_exchange), 1,
     SL_NAME_BYTES_MAX, "amq.topic", "the exchange behind /topic/"},

    {"queues", "cluster-names", SWITCH(cluster_names), 0, 0, "on",
     "read queue names and subscriptions like /topic/PATTERN@ID as those of cluster queues"},
};

const size_t SETTINGS_COUNT = sizeof SETTINGS / sizeof SETTINGS[0];
