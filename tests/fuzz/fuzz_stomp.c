/*
 * fuzz_stomp.c - whole STOMP sessions on the real core.
 *
 * The input is what two peers say.  Its first byte says how: bit 0 logs both in beforehand, the
 * rest is how many bytes arrive at a time.  A byte 0xff switches to the other peer, 0xfe lets
 * half a second pass.  Whatever happens, sessions must end cleanly and leave nothing behind.
 */
#include "core/base/hash_map.h"
#include "core/base/log.h"
#include "tests/support/harness.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUDGET (8u * 1024 * 1024)

static void say(struct peer_end *p, struct sl_bytes bytes, size_t step)
{
    while (bytes.len != 0) {
        size_t n = bytes.len < step ? bytes.len : step;

        harness_send(p, (struct sl_bytes){bytes.at, n});
        bytes = sl_bytes_skip(bytes, n);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    hash_map_seed(1);
    sl_log_set_level(SL_LOG_ERROR);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h;
    struct peer_end *peers[2];
    unsigned who = 0;

    if (size < 1)
        return 0;
    harness_init(&h, BUDGET);
    h.settings.message_bytes_max = 1024 * 1024;
    for (unsigned i = 0; i < 2; i++) {
        peers[i] = harness_connect(&h, &stomp_protocol);
        if (data[0] & 1)
            say(peers[i], SL_BYTES_LITERAL("CONNECT\naccept-version:1.2\n\n\0"), 1000);
    }
    size_t step = data[0] / 2u + 1;
    for (size_t from = 1, at = 1; at <= size; at++) {
        if (at < size && data[at] < 0xfe)
            continue;
        say(peers[who], (struct sl_bytes){data + from, at - from}, step);
        if (at < size && data[at] == 0xff)
            who = 1 - who;
        if (at < size && data[at] == 0xfe)
            harness_wait(&h, 500);
        from = at + 1;
    }
    harness_deinit(&h);
    return 0;
}
