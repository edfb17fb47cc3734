/*
 * main.c - arguments, then assemble, run, unwind.
 *
 * Exit status: 0 a clean stop, 1 a failure at run time, 2 arguments that cannot be understood.
 */
#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/memory.h"
#include "gateway/admin/admin.h"
#include "gateway/assemble.h"
#include "gateway/check_store.h"
#include "gateway/drain.h"
#include "gateway/machine.h"
#include "gateway/reload.h"
#include "gateway/service.h"
#include "gateway/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIM_EVERY_MS 5000

enum { EXIT_USAGE = 2 };

struct running { /* borrowed */
    struct gateway *gateway;
    struct admin *admin;
    int signal_fd;
    struct reload *reload;
};

static int answer(const struct config_request *request);
static int run(const struct config *config, struct reload *reload);
static enum sl_err prepare(struct running *r);
static bool goes_on(void *context);
static int export(struct config *config);
static void serve(struct running *r);
static void reload_by_signal(struct gateway *g, struct reload *reload);
static void on_signal(struct loop_watch *watch, unsigned events);

int main(int count, char **arguments)
{
    struct config config;
    struct config_request request;
    struct reload reload;
    char room[512];
    struct text why = text_on(room, sizeof room);
    int status = EXIT_USAGE;

    if (count == 3 && strcmp(arguments[1], "--check-store") == 0)
        return check_store(arguments[2]);
    if (count > 1 && strcmp(arguments[1], "--check-store") == 0) {
        fputs("sluice: --check-store wants one directory, and nothing else\n", stderr);
        return EXIT_USAGE;
    }
    config_init(&config);
    reload_init(&reload, count, arguments);
    if (config_read_arguments(&config, count, arguments, &request, &why) != SL_OK)
        fprintf(stderr, "sluice: %s\n", why.at);
    else if (request.wants_help || request.wants_version || request.wants_settings)
        status = answer(&request);
    else if (request.wants_export)
        status = export(&config);
    else
        status = run(&config, &reload);
    reload_deinit(&reload);
    config_deinit(&config);
    return status;
}

static int answer(const struct config_request *request)
{
    if (request->wants_help)
        config_print_help(stdout);
    else if (request->wants_settings)
        config_print_settings(stdout);
    else
        puts("sluice " SLUICE_VERSION);
    return EXIT_SUCCESS;
}

static int run(const struct config *config, struct reload *reload)
{
    struct gateway g;
    struct admin admin;
    char room[512 + sizeof g.data_dir];
    struct text text = text_on(room, sizeof room);
    struct loop_watch signals = {.fd = signals_open(), .on_ready = on_signal};
    struct loop *loop = loop_new();

    sl_log_set_level((enum sl_log_level)config->log_level);
    (void)umask(0077); /* what it writes is nobody else's to read */
    if (service_become(config->user, config->data_dir, &text) != SL_OK) {
        fprintf(stderr, "sluice: %s\n", text.at);
        loop_free(loop);
        return EXIT_FAILURE;
    }
    if (signals.fd < 0 || loop == NULL || loop_add(loop, &signals, LOOP_READ) != SL_OK) {
        fprintf(stderr, "sluice: no descriptor for signals\n");
        return EXIT_FAILURE;
    }
    if (gateway_open(&g, config, &text) != SL_OK) {
        fprintf(stderr, "sluice: %s\n", text.at);
        loop_free(loop);
        return EXIT_FAILURE;
    }
    sl_info("gateway.start", "version=%s workers=%u descriptors=%llu", SLUICE_VERSION,
            g.workers_count, (unsigned long long)machine_raise_descriptors());
    admin_open(&admin, &g, loop, reload);
    struct running running = {&g, &admin, signals.fd, reload};
    enum sl_err err = prepare(&running);
    if (err == SL_OK) {
        gateway_describe(&g, &text);
        puts(text.at);
        fflush(stdout);
        service_tell_ready();
        serve(&running);
    }
    service_tell_stopping();
    admin_stop(&admin);
    if (!drain_run(&g, signals.fd)) {
        sl_error("gateway.stop", "reason=stuck");
        _exit(EXIT_FAILURE); /* a thread still uses what we would free */
    }
    gateway_close(&g);
    admin_close(&admin);
    loop_free(loop);
    close(signals.fd);
    int status = err == SL_OK || err == SL_EAGAIN ? EXIT_SUCCESS : EXIT_FAILURE;
    sl_info("gateway.stop", "status=%d", status);
    return status;
}

/* Nobody is let in before all is there.  SL_EAGAIN: it was told to stop.  Else it was said why not. */
static enum sl_err prepare(struct running *r)
{
    char room[CHANGE_REASON_BYTES_MAX + 256] = "";
    struct text why = text_on(room, sizeof room);
    const char *definitions = r->gateway->config->definitions;
    enum sl_err err = SL_OK;

    if (gateway_start(r->gateway) != SL_OK) {
        sl_error("gateway.start", "reason=threads");
        return SL_ENOMEM;
    }
    if (*definitions != '\0')
        err = admin_import(r->admin, definitions, goes_on, r, &why);
    if (err != SL_OK && err != SL_EAGAIN)
        fprintf(stderr, "sluice: the definitions cannot be loaded: %s\n", room);
    if (err != SL_OK)
        return err;
    err = gateway_serve(r->gateway, &why);
    if (err != SL_OK)
        fprintf(stderr, "sluice: %s\n", room);
    return err;
}

/* Nobody is listened to meanwhile, and what is written has the owner that the rest has. */
static int export(struct config *config)
{
    struct gateway g;
    struct admin admin;
    char room[512 + sizeof g.data_dir];
    struct text text = text_on(room, sizeof room);
    struct loop *loop = loop_new();
    int status = EXIT_FAILURE;

    config->amqp_port = config->stomp_port = 0;
    SL_ASSERT(config_set(config, setting_find("tls-cert"), "", &text) == SL_OK);
    sl_log_set_level(SL_LOG_ERROR);
    (void)umask(0077);
    if (loop == NULL || service_become_owner(config->data_dir, &text) != SL_OK ||
        gateway_open(&g, config, &text) != SL_OK) {
        fprintf(stderr, "sluice: %s\n", loop == NULL ? "no descriptor" : text.at);
        loop_free(loop);
        return status;
    }
    admin_open(&admin, &g, loop, NULL);
    if (gateway_start(&g) == SL_OK && admin_export(&admin, stdout) == SL_OK)
        status = EXIT_SUCCESS;
    admin_stop(&admin);
    if (!drain_run(&g, -1))
        _exit(EXIT_FAILURE);
    gateway_close(&g);
    admin_close(&admin);
    loop_free(loop);
    return status;
}

static void serve(struct running *r)
{
    uint64_t trim_ms = sl_clock_monotonic_ms(&sl_clock_system) + TRIM_EVERY_MS;
    uint64_t alive_ms = service_watchdog_ms();
    int pause_ms = alive_ms != 0 && alive_ms < TRIM_EVERY_MS ? (int)alive_ms : TRIM_EVERY_MS;

    do {
        admin_turn(r->admin, pause_ms);
        uint64_t now_ms = sl_clock_monotonic_ms(&sl_clock_system);
        if (now_ms >= trim_ms) {
            machine_trim_allocator(memory_used());
            trim_ms = now_ms + TRIM_EVERY_MS;
        }
    } while (goes_on(r));
}

/* After every turn: says that it is alive, and does what signals want.  False: it is to stop. */
static bool goes_on(void *context)
{
    const struct running *r = context;

    if (service_watchdog_ms() != 0)
        service_tell_alive();
    switch (signals_next(r->signal_fd)) {
    case SIGNALS_STOP: return false;
    case SIGNALS_RELOAD: reload_by_signal(r->gateway, r->reload); break;
    case SIGNALS_DUMP: gateway_dump(r->gateway); break;
    case SIGNALS_NONE: break;
    }
    return true;
}

/* The log has said what came of it. */
static void reload_by_signal(struct gateway *g, struct reload *reload)
{
    char rooms[3][2048];
    struct reload_report report = {text_on(rooms[0], sizeof rooms[0]),
                                   text_on(rooms[1], sizeof rooms[1])};
    struct text why = text_on(rooms[2], sizeof rooms[2]);

    service_tell_reloading();
    (void)!reload_run(reload, g, &report, &why);
    service_tell_ready();
}

/* serve looks what it was, after every turn. */
static void on_signal(struct loop_watch *watch, unsigned events)
{
    (void)watch, (void)events;
}
