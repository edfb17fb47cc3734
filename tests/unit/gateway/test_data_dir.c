#include "gateway/data_dir.h"

#include "tests/support/scratch.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char root[SCRATCH_BYTES];
static char room[512];
static struct text why;

static const char *under(const char *name)
{
    static char path[2 * SCRATCH_BYTES];

    snprintf(path, sizeof path, "%s/%s", root, name);
    why = text_on(room, sizeof room);
    return path;
}

static void a_file_in_the_way_is_an_error(void)
{
    int fd;
    FILE *file = fopen(under("file"), "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    CU_ASSERT_EQUAL(data_dir_lock(under("file"), &fd, &why), SL_EIO);
    CU_ASSERT_EQUAL(data_dir_lock(under("file/below"), &fd, &why), SL_EIO);
}

static void a_second_owner_is_refused_and_told_the_first(void)
{
    char pid[32];
    int first;
    int second;

    CU_ASSERT_EQUAL_FATAL(data_dir_lock(under("a/b/c"), &first, &why), SL_OK);
    CU_ASSERT_EQUAL(data_dir_lock(under("a/b/c"), &second, &why), SL_ELOCKED);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(why.at, pid));
    close(first);
    CU_ASSERT_EQUAL_FATAL(data_dir_lock(under("a/b/c"), &second, &why), SL_OK);
    close(second);
}

static void the_default_is_in_the_users_state(void)
{
    why = text_on(room, sizeof room);
    setenv("XDG_STATE_HOME", "/x/state", 1);
    data_dir_default(&why);
    CU_ASSERT_STRING_EQUAL(why.at, "/x/state/sluice");
    why = text_on(room, sizeof room);
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/me", 1);
    data_dir_default(&why);
    CU_ASSERT_STRING_EQUAL(why.at, "/home/me/.local/state/sluice");
}

int main(void)
{
    static CU_TestInfo tests[] = {
        UNIT(a_file_in_the_way_is_an_error),
        UNIT(a_second_owner_is_refused_and_told_the_first),
        UNIT(the_default_is_in_the_users_state),
        CU_TEST_INFO_NULL,
    };
    if (mkdtemp(scratch_name(root, "data")) == NULL)
        return 1;
    int status = unit_run("gateway/data_dir", tests);

    static const char *const LEFT[] = {"a/b/c/sluice.lock", "a/b/c", "a/b", "a", "file", "."};
    for (size_t i = 0; i < sizeof LEFT / sizeof LEFT[0]; i++)
        (void)remove(i == 5 ? root : under(LEFT[i]));
    return status;
}
