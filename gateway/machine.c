#include "gateway/machine.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB (1024 * 1024)
#define TRIM_WORTH_BYTES (1u * MIB) /* and a part of what is used: so long a trim takes */
#define TRIM_WORTH_SHARE 8u
#define DESCRIPTORS_KEPT 128u /* of few, a quarter */

static uint64_t group_limit(void);
static uint64_t limit_in(const char *path);
static uint64_t resident_beyond(uint64_t used_bytes);
static uint64_t resident_bytes(void);

uint32_t machine_cores(void)
{
    cpu_set_t cores;

    if (sched_getaffinity(0, sizeof cores, &cores) != 0 || CPU_COUNT(&cores) < 1)
        return 1;
    return (uint32_t)CPU_COUNT(&cores);
}

uint64_t machine_memory_bytes(void)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t ours = group_limit();

    return ours < all ? ours : all;
}

uint64_t machine_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

/* The next one is the lowest that is free. */
bool machine_has_descriptor(int some)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return true;
    rlim_t kept = limit.rlim_cur / 4 < DESCRIPTORS_KEPT ? limit.rlim_cur / 4 : DESCRIPTORS_KEPT;
    int next = fcntl(some, F_DUPFD_CLOEXEC, 0);
    if (next < 0)
        return false;
    close(next);
    return (rlim_t)next < limit.rlim_cur - kept;
}

/* A burst of messages is taken and given back within a few turns.  By default every such wave
 * would return its pages to the system and fault them in again. */
void machine_tune_allocator(uint32_t threads)
{
    mallopt(M_ARENA_MAX, (int)threads);
    mallopt(M_TRIM_THRESHOLD, 16 * MIB);
    mallopt(M_TOP_PAD, MIB);
    mallopt(M_MMAP_THRESHOLD, 4 * MIB);
}

/* What is resident beyond the messages is the rest of us and what the allocator keeps.  It is
 * trimmed when that has changed by more than a trim costs, and once more after one call, after two
 * more, after four: what the last trim could not get may be free by now, and nothing tells so. */
void machine_trim_allocator(uint64_t used_bytes)
{
    static uint64_t kept, calls, pause = 1; /* main only */
    uint64_t worth = TRIM_WORTH_BYTES + used_bytes / TRIM_WORTH_SHARE;
    uint64_t rest = resident_beyond(used_bytes);

    if (rest >= kept + worth || rest + worth <= kept) {
        pause = 1;
    } else if (++calls < pause) {
        kept = rest < kept ? rest : kept;
        return;
    } else {
        pause *= 2;
    }
    calls = 0;
    malloc_trim(0);
    kept = resident_beyond(used_bytes);
    if (kept + worth <= rest)
        pause = 1;
}

/* The limits of our control group and of all around it: the second version's tree, or the
 * first one's memory controller as a container sees it. */
static uint64_t group_limit(void)
{
    char line[PATH_MAX];
    char path[2 * PATH_MAX];
    uint64_t limit = limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (file == NULL)
        return limit;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        for (char *group = line + 3; group != NULL;) {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
            uint64_t one = limit_in(path);
            limit = one < limit ? one : limit;
            char *parent = strrchr(group, '/');
            if (parent == NULL)
                break;
            *parent = '\0';
        }
    }
    fclose(file);
    return limit;
}

static uint64_t limit_in(const char *path)
{
    unsigned long long limit;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return UINT64_MAX;
    if (fscanf(file, "%llu", &limit) != 1) /* "max" */
        limit = UINT64_MAX;
    fclose(file);
    return limit;
}

static uint64_t resident_beyond(uint64_t used_bytes)
{
    uint64_t resident = resident_bytes();

    return resident > used_bytes ? resident - used_bytes : 0;
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
