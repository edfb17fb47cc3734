#include "gateway/admin/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static enum sl_err name_socket(const char *path, struct sockaddr_un *at, int *dir_fd);
static enum sl_err fail(int fd, int dir_fd, const char *path, struct text *why);

enum sl_err socket_listen(const char *dir, const char *name, int *fd, struct text *why)
{
    char path[PATH_MAX];
    struct sockaddr_un at;
    int dir_fd = -1;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || name_socket(path, &at, &dir_fd) != SL_OK)
        return fail(*fd, dir_fd, path, why);
    /* The mode that the socket has here is the mode that it gets in the directory, so there is
     * no moment in which others could connect. */
    if ((unlink(path) != 0 && errno != ENOENT) || fchmod(*fd, 0600) != 0 ||
        bind(*fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(*fd, BACKLOG) != 0)
        return fail(*fd, dir_fd, path, why);
    if (dir_fd >= 0)
        close(dir_fd);
    return SL_OK;
}

void socket_remove(const char *dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)unlink(path);
}

bool socket_peer_is_trusted(int fd, unsigned *uid)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    bool is_known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;

    *uid = peer.uid;
    return is_known && (peer.uid == 0 || peer.uid == geteuid());
}

enum sl_err socket_connect(const char *path, int *fd)
{
    struct sockaddr_un at;
    int dir_fd = -1;
    enum sl_err err = name_socket(path, &at, &dir_fd);

    *fd = err == SL_OK ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (*fd < 0 || connect(*fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        int cause = errno;
        err = SL_EIO;
        if (*fd >= 0)
            close(*fd);
        errno = cause;
    }
    if (dir_fd >= 0) {
        int cause = errno;
        close(dir_fd);
        errno = cause;
    }
    return err;
}

/* An address has room for about a hundred bytes.  A longer path is named by a descriptor of its
 * directory, which stays open meanwhile. */
static enum sl_err name_socket(const char *path, struct sockaddr_un *at, int *dir_fd)
{
    char dir[PATH_MAX];
    const char *name = strrchr(path, '/');

    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof at->sun_path) {
        memcpy(at->sun_path, path, strlen(path) + 1);
        return SL_OK;
    }
    if (name == NULL || (size_t)(name - path) >= sizeof dir || strlen(name) > 64) {
        errno = ENAMETOOLONG;
        return SL_EIO;
    }
    snprintf(dir, sizeof dir, "%.*s", (int)(name - path), path);
    *dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd < 0)
        return SL_EIO;
    snprintf(at->sun_path, sizeof at->sun_path, "/proc/self/fd/%d%s", *dir_fd, name);
    return SL_OK;
}

static enum sl_err fail(int fd, int dir_fd, const char *path, struct text *why)
{
    char room[128];

    text_add(why, "%s: %s", path, strerror_r(errno, room, sizeof room));
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return SL_EIO;
}
