#include "gateway/data_dir.h"

#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum sl_err make_path(const char *path, struct text *why);
static enum sl_err tighten(const char *path, const struct stat *st, struct text *why);
static enum sl_err refuse(int fd, const char *path, struct text *why);
static enum sl_err fail(const char *path, struct text *why);

void data_dir_default(struct text *path)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (state != NULL && *state == '/')
        text_add(path, "%s/sluice", state);
    else if (home != NULL && *home == '/')
        text_add(path, "%s/.local/state/sluice", home);
    else
        text_add(path, "/var/lib/sluice");
}

enum sl_err data_dir_lock(const char *path, int *fd, struct text *why)
{
    char name[PATH_MAX];
    char pid[32];

    SL_TRY(make_path(path, why));
    if (snprintf(name, sizeof name, "%s/sluice.lock", path) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return fail(path, why);
    }
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return fail(name, why);
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        return refuse(*fd, path, why);

    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(*fd, 0) != 0 || pwrite(*fd, pid, (size_t)len, 0) != len) {
        close(*fd);
        return fail(name, why);
    }
    return SL_OK;
}

static enum sl_err make_path(const char *path, struct text *why)
{
    char part[PATH_MAX];
    struct stat st;

    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
        errno = ENAMETOOLONG;
        return fail(path, why);
    }
    for (char *at = part + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return fail(part, why);
        *at = '/';
    }
    if (mkdir(part, 0700) != 0 && errno != EEXIST)
        return fail(part, why);
    if (stat(part, &st) != 0)
        return fail(part, why);
    errno = ENOTDIR;
    if (!S_ISDIR(st.st_mode))
        return fail(part, why);
    return tighten(part, &st, why);
}

/* Messages and password hashes lie there. */
static enum sl_err tighten(const char *path, const struct stat *st, struct text *why)
{
    if ((st->st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return SL_OK;
    if (chmod(path, 0700) != 0)
        return fail(path, why);
    sl_warn("data_dir.mode", "was=%03o is=700", (unsigned)st->st_mode & 0777);
    return SL_OK;
}

static enum sl_err refuse(int fd, const char *path, struct text *why)
{
    char pid[32] = "";
    ssize_t len = pread(fd, pid, sizeof pid - 1, 0);

    close(fd);
    text_add(why, "%s: in use by process ", path);
    text_add_bytes(why, (struct sl_bytes){(const uint8_t *)pid, len > 1 ? (size_t)len - 1 : 0});
    return SL_ELOCKED;
}

static enum sl_err fail(const char *path, struct text *why)
{
    char room[128];

    text_add(why, "%s: %s", path, strerror_r(errno, room, sizeof room));
    return SL_EIO;
}
