#include "gateway/service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

static enum sl_err fail(const char *what, struct text *why);

enum sl_err service_become(const char *user, const char *data_dir, struct text *why)
{
    if (*user == '\0' || geteuid() != 0)
        return SL_OK;
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        text_add(why, "user: there is no user '%s'", user);
        return SL_ENOENT;
    }
    if (*data_dir != '\0' && mkdir(data_dir, 0700) == 0 &&
        chown(data_dir, entry->pw_uid, entry->pw_gid) != 0)
        return fail(data_dir, why);
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
        setuid(entry->pw_uid) != 0)
        return fail(user, why);
    return SL_OK;
}

enum sl_err service_become_owner(const char *dir, struct text *why)
{
    struct stat st;

    if (geteuid() != 0 || stat(dir, &st) != 0 || st.st_uid == 0)
        return SL_OK;
    if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
        return fail(dir, why);
    return SL_OK;
}

void service_tell_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void service_tell_reloading(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                     (unsigned long long)now.tv_sec * 1000000 +
                         (unsigned long long)now.tv_nsec / 1000);
}

void service_tell_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

uint64_t service_watchdog_ms(void)
{
    uint64_t us = 0;

    return sd_watchdog_enabled(0, &us) > 0 ? us / 1000 / 2 : 0;
}

void service_tell_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

static enum sl_err fail(const char *what, struct text *why)
{
    char room[128];

    text_add(why, "%s: %s", what, strerror_r(errno, room, sizeof room));
    return SL_EIO;
}
