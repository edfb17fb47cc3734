/*
 * main.c - arguments, then assemble, run, unwind.
 *
 * Exit status: 0 a clean stop, 1 a failure at run time, 2 arguments that cannot be understood.
 */
#include "core/base/log.h"
#include "core/memory.h"
#include "gateway/admin/admin.h"
#include "gateway/assemble.h"
#include "gateway/check_store.h"
#include "gateway/drain.h"
#include "gateway/machine.h"
#include "gateway/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIM_EVERY_MS 5000

enum { EXIT_USAGE = 2 };

static int answer(const struct config_request *request);
static int run(const struct config *config);
static void serve(struct gateway *g, struct admin *admin, int signal_fd);
static void on_signal(struct loop_watch *watch, unsigned events);

int main(int count, char **arguments)
{
    struct config config;
    struct config_request request;
    char room[512];
    struct text why = text_on(room, sizeof room);
    int status = EXIT_USAGE;

    if (count == 3 && strcmp(arguments[1], "--check-store") == 0)
        return check_store(arguments[2]);
    config_init(&config);
    if (config_read_arguments(&config, count, arguments, &request, &why) != SL_OK)
        fprintf(stderr, "sluice: %s\n", why.at);
    else if (request.wants_help || request.wants_version || request.wants_settings)
        status = answer(&request);
    else
        status = run(&config);
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

static int run(const struct config *config)
{
    struct gateway g;
    struct admin admin;
    char room[512 + sizeof g.data_dir];
    struct text text = text_on(room, sizeof room);
    struct loop_watch signals = {.fd = signals_open(), .on_ready = on_signal};
    struct loop *loop = loop_new();

    sl_log_set_level((enum sl_log_level)config->log_level);
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
    admin_open(&admin, &g, loop);
    if (gateway_start(&g) == SL_OK) {
        gateway_describe(&g, &text);
        puts(text.at);
        fflush(stdout);
        serve(&g, &admin, signals.fd);
    } else
        sl_error("gateway.start", "reason=threads");
    admin_stop(&admin);
    if (!drain_run(&g, signals.fd)) {
        sl_error("gateway.stop", "reason=stuck");
        _exit(EXIT_FAILURE); /* a thread still uses what we would free */
    }
    gateway_close(&g);
    admin_close(&admin);
    loop_free(loop);
    close(signals.fd);
    sl_info("gateway.stop", "status=0");
    return EXIT_SUCCESS;
}

static void serve(struct gateway *g, struct admin *admin, int signal_fd)
{
    uint64_t trim_ms = sl_clock_monotonic_ms(&sl_clock_system) + TRIM_EVERY_MS;

    for (;;) {
        admin_turn(admin, TRIM_EVERY_MS);
        uint64_t now_ms = sl_clock_monotonic_ms(&sl_clock_system);
        if (now_ms >= trim_ms) {
            machine_trim_allocator(memory_used());
            trim_ms = now_ms + TRIM_EVERY_MS;
        }
        switch (signals_next(signal_fd)) {
        case SIGNALS_STOP: return;
        case SIGNALS_DUMP: gateway_dump(g); break;
        case SIGNALS_NONE: break;
        }
    }
}

/* serve looks what it was, after every turn. */
static void on_signal(struct loop_watch *watch, unsigned events)
{
    (void)watch, (void)events;
}
