/*
 * settings.h - what an operator may choose for front ends; fixed within a turn of a worker, and
 * the bytes stay as long as the process.
 */
#ifndef SLUICE_PROTOCOLS_SETTINGS_H
#define SLUICE_PROTOCOLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct protocol_settings {
    uint64_t message_bytes_max;
    uint32_t login_timeout_ms;

    uint32_t amqp_frame_bytes_max;
    uint32_t amqp_channels_max;
    uint32_t amqp_heartbeat_s;
    const char *server_product;     /* "RabbitMQ": Kombu and others key their behaviour on it */
    const char *server_version;     /* "3.13.7" */
    const char *server_information; /* names Sluice and its version */

    const char *loopback_users; /* who must come from this machine, with commas between them */
    const char *anonymous_user; /* who a client is that says nothing about itself; "": nobody */

    bool stomp_certificate_login; /* CONNECT without login: who the certificate names */
    const char *default_user;     /* STOMP CONNECT without login */
    const char *default_password;
    bool stomp_host_must_exist;       /* refuse a host header that is no virtual host */
    bool stomp_default_requeue;       /* NACK without a requeue header */
    bool stomp_trailing_lf;           /* LF after the NUL of a server frame */
    bool stomp_hide_server;           /* no server header in CONNECTED */
    const char *stomp_server;         /* the server header: "Sluice/<version>" */
    const char *stomp_topic_exchange; /* behind /topic/: "amq.topic" */
};

#endif
