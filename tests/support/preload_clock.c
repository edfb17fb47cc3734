/*
 * preload_clock.c - a wall clock that a test sets back and forward while the process runs
 * (LD_PRELOAD).
 *
 *   CLOCK_CONTROL  a file of 8 bytes, shared with the test: seconds to add, an i64 le
 *
 * Clocks that only run forward (monotonic, boot time) are left alone.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t no_offset;
static int64_t *offset = &no_offset;

static void set_up(void) __attribute__((constructor));

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);

    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += __atomic_load_n(offset, __ATOMIC_RELAXED);
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    *now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *into)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    if (into != NULL)
        *into = now.tv_sec;
    return now.tv_sec;
}

static void set_up(void)
{
    const char *shared = getenv("CLOCK_CONTROL");

    if (shared == NULL)
        return;
    int fd = open(shared, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        offset = map;
    close(fd);
}
