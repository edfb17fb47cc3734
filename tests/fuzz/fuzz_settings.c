/*
 * fuzz_settings.c - the settings file, and definitions that are imported.
 *
 * The first byte says which of the two the rest is.  Whatever it is, it is read or refused with a
 * reason.
 */
#include "gateway/admin/definitions.h"
#include "gateway/config.h"
#include "tests/support/scratch.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_settings(struct sl_bytes in)
{
    static char path[SCRATCH_BYTES];
    static int fd = -1;
    struct config config;
    char room[512];
    struct text why = text_on(room, sizeof room);

    if (fd < 0)
        fd = mkstemp(scratch_name(path, "fuzz"));
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, in.at, in.len, 0) != (ssize_t)in.len)
        abort();
    config_init(&config);
    if (config_read_file(&config, path, &why) != SL_OK && why.len == 0)
        abort();
    config_deinit(&config);
}

static void read_definitions(struct sl_bytes in)
{
    char rooms[2][1024] = {"", ""};
    struct text passed_over = text_on(rooms[0], sizeof rooms[0]);
    struct text why = text_on(rooms[1], sizeof rooms[1]);
    json_t *root = json_loadb((const char *)in.at, in.len, 0, NULL);
    struct change *c = change_new(NULL, 0);

    if (root != NULL &&
        definitions_import(c, root, (struct sl_bytes){NULL, 0}, &passed_over, &why) != SL_OK &&
        why.len == 0)
        abort();
    change_free(c);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sl_bytes in = {data + 1, size - 1};
    if ((data[0] & 1) == 0)
        read_settings(in);
    else
        read_definitions(in);
    return 0;
}
